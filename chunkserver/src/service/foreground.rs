//! How this node's clients fare, so that repair makes room for them.
//!
//! What always holds: while clients fare as usual, or there are none, repair runs at full speed; the slower they are
//! served, the longer it rests after each chunk, up to [`MOST_REST`] times as long as the chunk took. It never stops
//! altogether: redundancy is foreground, too. What is usual is learned while no repair runs here, so that what a
//! long repair does to clients never becomes usual.
//!
//! Writes and reads of clients are measured by the handlers; pulls ask before each next chunk.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Clients count as present this long after their last request.
const PRESENT: Duration = Duration::from_millis(250);
/// For every time that clients take as long again as usual, repair rests so many times as long as it worked,
const REST: f64 = 2.0;
/// at most this many times,
const MOST_REST: f64 = 8.0;
/// and never longer than this at a stretch.
const LONGEST_REST: Duration = Duration::from_secs(2);
/// Bytes that may take as long again as a request without any.
const PER_TURN: f64 = (256 << 10) as f64;

/// How fast the usual figure follows,
const USUALLY: f64 = 1.0 / 256.0;
/// and the present one.
const PRESENTLY: f64 = 1.0 / 32.0;

/// What a client asks for: the two take different times.
#[derive(Clone, Copy, Debug)]
pub(super) enum Work {
    Write,
    Read,
}

/// Requests of clients on this node.
#[derive(Debug, Default)]
pub(super) struct Foreground {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    repairs: usize,
    last: Option<Instant>,
    pace: [Pace; 2],
}

/// Seconds per request, by its size.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    usual: f64,
    now: f64,
}

/// One request, from its arrival to its answer.
pub(super) struct Served<'f> {
    foreground: &'f Foreground,
    work: Work,
    begun: Instant,
    bytes: u64,
}

/// A repair order under way.
pub(super) struct Repairing<'f>(&'f Foreground);

impl Foreground {
    /// A client's request about so many bytes begins.
    pub(super) fn serve(&self, work: Work, bytes: u64) -> Served<'_> {
        self.state.lock().under_way += 1;
        Served { foreground: self, work, begun: Instant::now(), bytes }
    }

    /// A repair order begins.
    pub(super) fn repair(&self) -> Repairing<'_> {
        self.state.lock().repairs += 1;
        Repairing(self)
    }

    /// How long repair should rest after it worked this long.
    pub(super) fn rest_after(&self, work: Duration) -> Duration {
        let state = self.state.lock();
        let present = state.under_way > 0 || state.last.is_some_and(|last| last.elapsed() < PRESENT);
        if !present {
            return Duration::ZERO;
        }
        let known = state.pace.iter().filter(|pace| pace.usual > 0.0);
        let worst = known.map(|pace| pace.now / pace.usual - 1.0).fold(0.0, f64::max);
        work.mul_f64((REST * worst).clamp(0.0, MOST_REST)).min(LONGEST_REST)
    }

    fn took(&self, work: Work, time: Duration, bytes: u64) {
        let turn = time.as_secs_f64() / (1.0 + bytes as f64 / PER_TURN);
        let mut state = self.state.lock();
        state.under_way = state.under_way.saturating_sub(1);
        state.last = Some(Instant::now());
        let learning = state.repairs == 0;
        let Some(pace) = state.pace.get_mut(work as usize) else { return };
        if pace.usual > 0.0 {
            pace.now += (turn - pace.now) * PRESENTLY;
            if learning {
                pace.usual += (turn - pace.usual) * USUALLY;
            }
        } else if learning {
            *pace = Pace { usual: turn, now: turn };
        }
    }
}

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.foreground.took(self.work, self.begun.elapsed(), self.bytes);
    }
}

impl Drop for Repairing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.repairs = state.repairs.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Duration = Duration::from_millis(10);
    const FAST: Duration = Duration::from_micros(500);

    fn serve(foreground: &Foreground, work: Work, times: usize, each: impl Fn(usize) -> Duration) {
        for at in 0..times {
            foreground.state.lock().under_way += 1;
            foreground.took(work, each(at), 0);
        }
    }

    #[test]
    fn repair_runs_free_without_clients_and_rests_when_they_suffer() {
        let foreground = Foreground::default();
        assert_eq!(foreground.rest_after(WORK), Duration::ZERO);
        serve(&foreground, Work::Write, 1000, |_| FAST);
        assert!(foreground.rest_after(WORK) < WORK.mul_f64(0.2), "they fare as usual");
        let _repairing = foreground.repair();
        serve(&foreground, Work::Write, 1000, |_| 2 * FAST);
        let rest = foreground.rest_after(WORK);
        let wanted = WORK.mul_f64(REST);
        assert!((wanted.mul_f64(0.9)..wanted.mul_f64(1.1)).contains(&rest), "they fare worse: {rest:?}");
        serve(&foreground, Work::Write, 100_000, |_| 100 * FAST);
        assert_eq!(foreground.rest_after(WORK), WORK.mul_f64(MOST_REST), "repair never becomes usual");
        assert_eq!(foreground.rest_after(Duration::from_secs(9)), LONGEST_REST);
        foreground.state.lock().last = Some(Instant::now() - 2 * PRESENT);
        assert_eq!(foreground.rest_after(WORK), Duration::ZERO, "they are gone");
        let waiting = foreground.serve(Work::Write, 0);
        assert!(foreground.rest_after(WORK) >= WORK, "one waits");
        drop(waiting);
    }

    #[test]
    fn a_mixture_that_varies_is_not_taken_for_suffering() {
        let foreground = Foreground::default();
        for _ in 0..100 {
            serve(&foreground, Work::Read, 20, |at| FAST.mul_f64(0.5 + (at % 5) as f64 / 4.0));
            serve(&foreground, Work::Write, 20, |at| 10 * FAST.mul_f64(0.5 + (at % 5) as f64 / 4.0));
        }
        assert!(foreground.rest_after(WORK) < WORK.mul_f64(0.3 * REST), "{:?}", foreground.rest_after(WORK));
    }

    #[test]
    fn large_requests_do_not_count_as_slow_ones() {
        let foreground = Foreground::default();
        serve(&foreground, Work::Write, 100, |_| FAST);
        for _ in 0..100 {
            foreground.state.lock().under_way += 1;
            foreground.took(Work::Write, 32 * FAST, 8 << 20);
        }
        assert!(foreground.rest_after(WORK) < WORK.mul_f64(0.2 * REST));
    }
}
