//! How this node's clients fare, so that repair makes room for them.
//!
//! What always holds: while clients fare as usual, or there are none, repair runs at full speed; the slower they are
//! served, the longer it rests after each chunk, up to [`MOST_REST`] times as long as the chunk took. It never stops
//! altogether: redundancy is foreground, too.
//!
//! Writes and reads of clients are measured by the handlers; pulls ask before each next chunk.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Clients count as present this long after their last request.
const PRESENT: Duration = Duration::from_millis(250);
/// Repair rests at most this many times as long as it worked,
const MOST_REST: f64 = 3.0;
/// and never longer than this at a stretch.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Bytes that may take as long again as a request without any.
const PER_TURN: f64 = (256 << 10) as f64;

/// How fast a usual figure follows better and worse times: what a long repair does to clients must not become usual.
const BETTER: f64 = 1.0 / 16.0;
const WORSE: f64 = 1.0 / 8192.0;
/// How fast the present figure follows.
const PRESENTLY: f64 = 1.0 / 16.0;

/// Requests of clients on this node.
#[derive(Debug, Default)]
pub(super) struct Foreground {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    last: Option<Instant>,
    /// Seconds per request, by its size.
    usual: f64,
    now: f64,
}

/// One request, from its arrival to its answer.
pub(super) struct Served<'f> {
    foreground: &'f Foreground,
    begun: Instant,
    bytes: u64,
}

impl Foreground {
    /// A client's request about so many bytes begins.
    pub(super) fn serve(&self, bytes: u64) -> Served<'_> {
        self.state.lock().under_way += 1;
        Served { foreground: self, begun: Instant::now(), bytes }
    }

    /// How long repair should rest after it worked this long.
    pub(super) fn rest_after(&self, work: Duration) -> Duration {
        let state = self.state.lock();
        let present = state.under_way > 0 || state.last.is_some_and(|last| last.elapsed() < PRESENT);
        if !present || state.usual <= 0.0 {
            return Duration::ZERO;
        }
        work.mul_f64((state.now / state.usual - 1.0).clamp(0.0, MOST_REST)).min(LONGEST_REST)
    }

    fn took(&self, time: Duration, bytes: u64) {
        let turn = time.as_secs_f64() / (1.0 + bytes as f64 / PER_TURN);
        let mut state = self.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        state.last = Some(Instant::now());
        if state.usual <= 0.0 {
            (state.usual, state.now) = (turn, turn);
            return;
        }
        state.now += (turn - state.now) * PRESENTLY;
        let speed = if turn < state.usual { BETTER } else { WORSE };
        state.usual += (turn - state.usual) * speed;
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.foreground.took(self.begun.elapsed(), self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Duration = Duration::from_millis(10);
    const FAST: Duration = Duration::from_micros(500);

    fn serve(foreground: &Foreground, times: usize, each: Duration) {
        for _ in 0..times {
            foreground.state.lock().under_way += 1;
            foreground.took(each, 0);
        }
    }

    #[test]
    fn repair_runs_free_without_clients_and_rests_when_they_suffer() {
        let foreground = Foreground::default();
        assert_eq!(foreground.rest_after(WORK), Duration::ZERO);
        serve(&foreground, 100, FAST);
        assert!(foreground.rest_after(WORK) < WORK.mul_f64(0.1), "they fare as usual");
        serve(&foreground, 100, 2 * FAST);
        assert!(foreground.rest_after(WORK) >= WORK.mul_f64(0.9), "they fare worse");
        foreground.state.lock().last = Some(Instant::now() - 2 * PRESENT);
        assert_eq!(foreground.rest_after(WORK), Duration::ZERO, "they are gone");
        let waiting = foreground.serve(0);
        assert!(foreground.rest_after(WORK) >= WORK.mul_f64(0.9), "one waits");
        drop(waiting);
    }

    #[test]
    fn slower_clients_make_it_rest_longer_within_bounds() {
        let foreground = Foreground::default();
        serve(&foreground, 100, FAST);
        serve(&foreground, 100, 3 * FAST);
        let rest = foreground.rest_after(WORK);
        assert!((WORK.mul_f64(1.5)..WORK.mul_f64(2.1)).contains(&rest), "{rest:?}");
        serve(&foreground, 1000, 100 * FAST);
        assert_eq!(foreground.rest_after(WORK), WORK.mul_f64(MOST_REST));
        assert_eq!(foreground.rest_after(Duration::from_secs(9)), LONGEST_REST);
    }

    #[test]
    fn large_requests_do_not_count_as_slow_ones() {
        let foreground = Foreground::default();
        serve(&foreground, 100, FAST);
        for _ in 0..100 {
            foreground.state.lock().under_way += 1;
            foreground.took(32 * FAST, 8 << 20);
        }
        assert!(foreground.rest_after(WORK) < WORK.mul_f64(0.2));
    }
}
