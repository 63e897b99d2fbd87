//! A few objects that many clients write and read at once, and a judge of what they saw: is there an order of all
//! operations, each between its beginning and its end, in which every read returns what was written last?
//!
//! Every write has a value of its own, so the question has a quick answer (Gibbons and Korach, "Testing Shared Memories",
//! 1997): the operations of one value span a zone, and zones that had to be passed through may not overlap.
//!
//! A write without an answer may have happened at any time since it began, or not at all; nothing is tried again, since a
//! late second arrival would be a write of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::oracle::Content;
use crate::s3::Client;

/// Objects, by length: one in metadata, one in chunks.
const SIZES: [u64; 2] = [300, 40_000];
const CLIENTS: u64 = 6;

/// A value: which write it came from; zero is "never written".
type Value = u64;

/// One operation that came to an answer, or a write that may have happened.
#[derive(Clone, Copy, Debug)]
struct Done {
    value: Value,
    write: bool,
    begun: Instant,
    /// None: never answered.
    ended: Option<Instant>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    bucket: String,
    stop: AtomicBool,
    next: AtomicU64,
    history: Mutex<BTreeMap<usize, Vec<Done>>>,
    /// Reads of bytes that nobody ever wrote.
    strange: Mutex<Vec<String>>,
}

/// Clients at work.
#[derive(Debug)]
pub struct Registers {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

fn key(register: usize) -> String {
    format!("register-{register}")
}

fn bytes(register: usize, value: Value) -> Bytes {
    let mut bytes = Content { seed: value, size: SIZES[register] }.bytes().to_vec();
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    bytes.into()
}

impl Registers {
    /// Makes the bucket and starts the clients, who wait this long for an answer.
    pub async fn start(client: Client, bucket: &str, attempt: Duration) -> Result<Self> {
        client.create_bucket(bucket).await.context("make the bucket of the registers")?;
        let shared = Arc::new(Shared {
            client: client.with_deadline(attempt),
            bucket: bucket.to_owned(),
            stop: AtomicBool::new(false),
            next: AtomicU64::new(1),
            history: Mutex::default(),
            strange: Mutex::default(),
        });
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let shared = Arc::clone(&shared);
            clients.spawn(async move { shared.work(client).await });
        }
        Ok(Self { shared, clients })
    }

    /// Ends the clients and judges what they saw; says how many operations that was.
    pub async fn judge(mut self) -> Result<usize> {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.context("a client of the registers broke")?;
        }
        if let Some(strange) = self.shared.strange.lock().first() {
            bail!("{strange}");
        }
        let history = self.shared.history.lock();
        for (register, done) in history.iter() {
            linearizable(done).with_context(|| format!("register {register}"))?;
        }
        Ok(history.values().map(Vec::len).sum())
    }
}

impl Shared {
    async fn work(&self, client: u64) {
        for round in client.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let register = (round / 3) as usize % SIZES.len();
            match round % 3 {
                0 => self.write(register).await,
                _ => self.read(register).await,
            }
            // Enough to meet others, without taking the machine.
            tokio::time::sleep(Duration::from_millis(20 + 7 * client)).await;
        }
    }

    async fn write(&self, register: usize) {
        let value = self.next.fetch_add(1, Ordering::Relaxed);
        let begun = Instant::now();
        let outcome = self.client.put(&self.bucket, &key(register), bytes(register, value)).await;
        let ended = outcome.is_ok().then(Instant::now);
        self.note(register, Done { value, write: true, begun, ended });
    }

    async fn read(&self, register: usize) {
        let begun = Instant::now();
        let value = match self.client.get(&self.bucket, &key(register)).await {
            Ok(found) => {
                let head = found.get(..8).and_then(|head| head.try_into().ok());
                let value = head.map_or(0, Value::from_le_bytes);
                if found != bytes(register, value) {
                    let what = format!("register {register} holds {} bytes that nobody wrote", found.len());
                    self.strange.lock().push(what);
                }
                value
            }
            Err(error) if error.is_not_found() => 0,
            Err(_) => return,
        };
        self.note(register, Done { value, write: false, begun, ended: Some(Instant::now()) });
    }

    fn note(&self, register: usize, done: Done) {
        self.history.lock().entry(register).or_default().push(done);
    }
}

/// Where the operations of one value lie: it must have been the truth from the first end to the last beginning, if that
/// is later ("forward"); else at some moment between them.
#[derive(Clone, Copy, Debug)]
struct Zone {
    value: Value,
    first_end: Option<Instant>,
    last_begin: Instant,
    written: Option<Instant>,
}

impl Zone {
    fn span(&self) -> Option<(Instant, Instant)> {
        let end = self.first_end?;
        (end < self.last_begin).then_some((end, self.last_begin))
    }
}

/// Fails when no order of these operations on one register explains what was read.
fn linearizable(history: &[Done]) -> Result<()> {
    let Some(first) = history.iter().map(|done| done.begun).min() else { return Ok(()) };
    // What was there before all of it was written before all of it.
    let begin = first.checked_sub(Duration::from_millis(1)).unwrap_or(first);
    let mut zones = BTreeMap::from([(
        0,
        Zone { value: 0, first_end: Some(begin), last_begin: begin, written: Some(begin) },
    )]);
    for done in history {
        let fresh = Zone { value: done.value, first_end: None, last_begin: done.begun, written: None };
        let zone = zones.entry(done.value).or_insert(fresh);
        zone.last_begin = zone.last_begin.max(done.begun);
        zone.first_end = match (zone.first_end, done.ended) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        if done.write {
            zone.written = Some(done.begun);
        }
    }
    for zone in zones.values() {
        match (zone.written, zone.first_end) {
            (None, _) => bail!("value {} was read and never written", zone.value),
            (Some(begun), Some(end)) if end < begun => {
                bail!("value {} was read before it was written", zone.value)
            }
            _ => {}
        }
    }
    let mut forward: Vec<(Instant, Instant, Value)> =
        zones.values().filter_map(|zone| zone.span().map(|(from, to)| (from, to, zone.value))).collect();
    forward.sort();
    for pair in forward.windows(2) {
        if let [(_, to, one), (from, _, other)] = pair
            && from < to
        {
            bail!("value {one} was read after value {other} had replaced it, or the other way round");
        }
    }
    for zone in zones.values().filter(|zone| zone.span().is_none()) {
        let Some(end) = zone.first_end else { continue };
        let inside = forward.iter().find(|(from, to, _)| *from < zone.last_begin && end < *to);
        if let Some((_, _, other)) = inside {
            bail!("value {} was true for a moment within the time of value {other}", zone.value);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(value, write, begun, ended)` in milliseconds; an end of zero is none.
    fn history(of: &[(Value, bool, u64, u64)]) -> Vec<Done> {
        let origin = Instant::now();
        let at = |ms| origin + Duration::from_millis(ms);
        of.iter()
            .map(|&(value, write, begun, ended)| Done {
                value,
                write,
                begun: at(begun),
                ended: (ended > 0).then(|| at(ended)),
            })
            .collect()
    }

    #[test]
    fn what_has_an_order_is_accepted() {
        // One after another; a read during a write sees either.
        for read in [1, 2] {
            linearizable(&history(&[(1, true, 0, 10), (2, true, 20, 40), (read, false, 25, 30)])).unwrap();
        }
        // A write that was never answered is seen late, or never.
        linearizable(&history(&[(1, true, 0, 10), (2, true, 20, 0), (1, false, 50, 60), (2, false, 70, 80)]))
            .unwrap();
        linearizable(&history(&[(1, true, 0, 10), (2, true, 20, 0), (1, false, 50, 60)])).unwrap();
        // Before the first write there is nothing.
        linearizable(&history(&[(0, false, 0, 5), (1, true, 3, 10), (1, false, 12, 13)])).unwrap();
    }

    #[test]
    fn what_has_no_order_is_refused() {
        // An old value after a new one was acknowledged.
        let stale = [(1, true, 0, 10), (2, true, 20, 30), (1, false, 40, 50)];
        linearizable(&history(&stale)).unwrap_err();
        // Back and forth.
        let flips =
            [(1, true, 0, 10), (2, true, 0, 12), (1, false, 20, 21), (2, false, 30, 31), (1, false, 40, 41)];
        linearizable(&history(&flips)).unwrap_err();
        // An acknowledged write that is forgotten.
        linearizable(&history(&[(1, true, 1, 10), (0, false, 20, 30)])).unwrap_err();
        // From nowhere, and from the future.
        linearizable(&history(&[(9, false, 0, 10)])).unwrap_err();
        linearizable(&history(&[(1, false, 0, 10), (1, true, 20, 30)])).unwrap_err();
    }
}
