//! What the tests know: which contents were acknowledged, which are possible, kept outside the cluster.
//!
//! Each key has one writer at a time. An operation that was started and got no clear answer may or may not have
//! happened, and may still happen: every content that was started since the last acknowledged one is possible. A
//! later acknowledged operation settles the key.
//!
//! The journal is fsynced before an operation counts as acknowledged here, so that it outlives this process.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

/// Bytes that follow from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Where the bytes come from.
    pub seed: u64,
    /// How many there are.
    pub size: u64,
}

impl Content {
    /// New random content of this length.
    pub fn random(size: u64) -> Self {
        Self { seed: rand::random(), size }
    }

    /// All of it.
    pub fn bytes(self) -> Bytes {
        self.range(0, self.size)
    }

    /// A part of it.
    pub fn range(self, offset: u64, length: u64) -> Bytes {
        let mut bytes = vec![0; length as usize];
        let mut stream = blake3::Hasher::new().update(&self.seed.to_le_bytes()).finalize_xof();
        stream.set_position(offset);
        stream.fill(&mut bytes);
        bytes.into()
    }
}

/// What an operation leaves behind: content, or nothing.
pub type State = Option<Content>;

#[derive(Clone, Debug, Default)]
struct Key {
    acknowledged: State,
    /// Started since then, without a clear answer.
    possible: Vec<State>,
}

#[derive(Serialize)]
struct Line<'a> {
    key: &'a str,
    event: &'static str,
    state: State,
}

/// See the module's first lines. Shared by all writers of a test.
#[derive(Debug)]
pub struct Oracle {
    keys: Mutex<BTreeMap<String, Key>>,
    journal: Mutex<File>,
}

impl Oracle {
    /// Starts with nothing known; the journal is written to `path`.
    pub fn new(path: &Path) -> Result<Self> {
        let journal = File::options().create(true).append(true).open(path).context("open the journal")?;
        Ok(Self { keys: Mutex::default(), journal: Mutex::new(journal) })
    }

    /// An operation is about to be sent.
    pub fn begin(&self, key: &str, state: State) -> Result<()> {
        self.write(key, "begin", state, false)?;
        self.keys.lock().entry(key.to_owned()).or_default().possible.push(state);
        Ok(())
    }

    /// The operation last begun was acknowledged: from now on it is the truth.
    pub fn acknowledge(&self, key: &str, state: State) -> Result<()> {
        self.write(key, "ack", state, true)?;
        self.keys.lock().insert(key.to_owned(), Key { acknowledged: state, possible: Vec::new() });
        Ok(())
    }

    /// The operation last begun was refused: it did not happen.
    pub fn refuse(&self, key: &str) {
        if let Some(known) = self.keys.lock().get_mut(key) {
            known.possible.pop();
        }
    }

    fn write(&self, key: &str, event: &'static str, state: State, sync: bool) -> Result<()> {
        let mut line = serde_json::to_vec(&Line { key, event, state })?;
        line.push(b'\n');
        let mut journal = self.journal.lock();
        journal.write_all(&line).context("write the journal")?;
        if sync {
            journal.sync_data().context("sync the journal")?;
        }
        Ok(())
    }

    /// Every key that was ever touched.
    pub fn keys(&self) -> Vec<String> {
        self.keys.lock().keys().cloned().collect()
    }

    /// How many keys have acknowledged content.
    pub fn acknowledged(&self) -> usize {
        self.keys.lock().values().filter(|key| key.acknowledged.is_some()).count()
    }

    /// The acknowledged content of a key whose state is certain.
    pub fn certain(&self, key: &str) -> Option<State> {
        self.keys.lock().get(key).filter(|k| k.possible.is_empty()).map(|k| k.acknowledged)
    }

    /// The keys with this beginning whose state is certain, and whether there is something.
    pub fn certain_below(&self, prefix: &str) -> Vec<(String, bool)> {
        let keys = self.keys.lock();
        let below = keys.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        below
            .filter(|(_, known)| known.possible.is_empty())
            .map(|(key, known)| (key.clone(), known.acknowledged.is_some()))
            .collect()
    }

    /// Judges what a read returned: `None` for "not there". A read that returned one of several possible states
    /// does not settle the key: an operation without an answer may still happen.
    pub fn judge(&self, key: &str, read: Option<&[u8]>) -> Result<()> {
        let known = self.keys.lock().get(key).cloned().unwrap_or_default();
        let mut allowed = std::iter::once(&known.acknowledged).chain(&known.possible);
        if allowed.any(|state| matches(*state, read)) {
            return Ok(());
        }
        let found = match read {
            None => "nothing is there".to_owned(),
            Some(bytes) => {
                format!("{} other bytes are there{}", bytes.len(), first_difference(&known, bytes))
            }
        };
        bail!(
            "key {key}: {found}; acknowledged: {:?}, possible since: {:?}",
            known.acknowledged,
            known.possible
        )
    }
}

fn matches(state: State, read: Option<&[u8]>) -> bool {
    match (state, read) {
        (None, None) => true,
        (Some(content), Some(bytes)) => content.size == bytes.len() as u64 && content.bytes() == bytes,
        _ => false,
    }
}

fn first_difference(known: &Key, bytes: &[u8]) -> String {
    let Some(content) = known.acknowledged else { return String::new() };
    let truth = content.bytes();
    match truth.iter().zip(bytes).position(|(a, b)| a != b) {
        Some(at) => format!(", first difference at byte {at}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oracle() -> (tempfile::TempDir, Oracle) {
        let dir = tempfile::tempdir().unwrap();
        let oracle = Oracle::new(&dir.path().join("journal")).unwrap();
        (dir, oracle)
    }

    #[test]
    fn content_follows_from_its_seed() {
        let content = Content { seed: 7, size: 10_000 };
        let all = content.bytes();
        assert_eq!(content.range(5_000, 100), all.slice(5_000..5_100));
        assert_ne!(all, Content { seed: 8, size: 10_000 }.bytes());
    }

    #[test]
    fn what_is_acknowledged_must_be_there() {
        let (_dir, oracle) = oracle();
        let (one, two) = (Content { seed: 1, size: 10 }, Content { seed: 2, size: 10 });
        oracle.begin("k", Some(one)).unwrap();
        oracle.judge("k", None).unwrap();
        oracle.judge("k", Some(&one.bytes())).unwrap();
        oracle.acknowledge("k", Some(one)).unwrap();
        assert!(oracle.judge("k", None).is_err());
        oracle.begin("k", Some(two)).unwrap();
        oracle.judge("k", Some(&one.bytes())).unwrap();
        oracle.judge("k", Some(&two.bytes())).unwrap();
        assert!(oracle.judge("k", Some(&two.bytes()[..9])).is_err(), "half an object");
        oracle.refuse("k");
        assert!(oracle.judge("k", Some(&two.bytes())).is_err());
        oracle.begin("k", None).unwrap();
        oracle.acknowledge("k", None).unwrap();
        assert!(oracle.judge("k", Some(&one.bytes())).is_err(), "the dead came back");
        assert_eq!(oracle.acknowledged(), 0);
    }
}
