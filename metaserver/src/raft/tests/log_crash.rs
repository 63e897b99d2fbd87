//! The log after a crash at every sync, and cut at every byte in between.

use std::fs;
use std::path::Path;

use bytes::Bytes;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use crate::raft::StoreLimits;
use crate::raft::error::MetaError;
use crate::raft::log::LogStore;
use crate::raft::types::{Entry, LogId, Payload, Proposal, TypeConfig, Vote, log_id};

/// Everything that a restart must bring back.
#[derive(Clone, Debug, PartialEq)]
struct Contents {
    vote: Option<Vote>,
    purged: Option<LogId>,
    entries: Vec<(LogId, Bytes)>,
}

fn limits(log_file_bytes: usize) -> StoreLimits {
    StoreLimits { log_file_bytes, log_cache_bytes: 1 << 20, ..Default::default() }
}

fn entry(term: u64, index: u64, bytes: &str) -> Entry {
    let proposal = Proposal { bytes: Bytes::copy_from_slice(bytes.as_bytes()) };
    Entry { log_id: log_id(term, index), payload: Payload::Normal(proposal) }
}

async fn contents(log: &mut LogStore) -> Contents {
    let state = log.get_log_state().await.unwrap();
    let mut entries = Vec::new();
    for entry in log.try_get_log_entries(..).await.unwrap() {
        let Payload::Normal(proposal) = entry.payload else { panic!("only commands were written") };
        entries.push((entry.log_id, proposal.bytes));
    }
    Contents { vote: log.read_vote().await.unwrap(), purged: state.last_purged_log_id, entries }
}

async fn append(log: &mut LogStore, entries: Vec<Entry>) {
    let (done, wait) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::<TypeConfig>::signal(done)).await.unwrap();
    wait.await.unwrap().unwrap();
}

/// One step of the scenario; durable when it returns.
async fn step(log: &mut LogStore, number: usize) -> bool {
    match number {
        0 => log.save_vote(&Vote::new(1, 1)).await.unwrap(),
        1 => append(log, vec![entry(1, 1, "one"), entry(1, 2, "two")]).await,
        2 => log.save_vote(&Vote::new_committed(1, 1)).await.unwrap(),
        3 => append(log, (3..9).map(|i| entry(1, i, "more of it")).collect()).await,
        4 => {
            log.save_committed(Some(log_id(1, 5))).await.unwrap();
            log.truncate_after(Some(log_id(1, 6))).await.unwrap();
            append(log, vec![entry(2, 7, "another seven")]).await;
        }
        5 => log.save_vote(&Vote::new(3, 2)).await.unwrap(),
        6 => {
            log.purge(log_id(1, 4)).await.unwrap();
            log.sync().await.unwrap();
        }
        7 => append(log, vec![entry(3, 8, &"long".repeat(100)), entry(3, 9, "")]).await,
        8 => {
            log.purge(log_id(3, 9)).await.unwrap();
            append(log, vec![entry(3, 10, "after everything was purged")]).await;
        }
        _ => return false,
    }
    true
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn last_file(dir: &Path) -> std::path::PathBuf {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|f| f.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "wal"));
    files.sort();
    files.pop().unwrap()
}

/// After every acknowledged step a copy of the directory, as a crash right then would leave it, has exactly that.
#[tokio::test]
async fn a_crash_at_every_sync_keeps_what_was_acknowledged() {
    for file_bytes in [150, 400, 1 << 20] {
        let temp = tempfile::tempdir().unwrap();
        let live = temp.path().join("live");
        let mut log = LogStore::open(&live, &limits(file_bytes)).unwrap();
        for number in 0.. {
            if !step(&mut log, number).await {
                break;
            }
            let want = contents(&mut log).await;
            let crashed = temp.path().join(format!("crash-{number}"));
            copy(&live, &crashed);
            let mut again = LogStore::open(&crashed, &limits(file_bytes)).unwrap();
            assert_eq!(contents(&mut again).await, want, "step {number}, files of {file_bytes} bytes");
            // The survivor takes the next steps as if nothing had happened.
            assert!(number > 7 || step(&mut again, number + 1).await);
        }
    }
}

/// Cut at any byte behind an acknowledged step, the log opens with that step complete and nothing made up.
#[tokio::test]
async fn a_torn_tail_is_cut_off_and_nothing_acknowledged_with_it() {
    let temp = tempfile::tempdir().unwrap();
    let live = temp.path().join("live");
    let mut log = LogStore::open(&live, &limits(1 << 20)).unwrap();
    let (mut length, mut before) = (fs::metadata(last_file(&live)).unwrap().len(), contents(&mut log).await);
    for number in 0.. {
        if !step(&mut log, number).await {
            break;
        }
        let after = contents(&mut log).await;
        let end = fs::metadata(last_file(&live)).unwrap().len();
        for cut in length..=end {
            let torn = temp.path().join("torn");
            copy(&live, &torn);
            let file = fs::OpenOptions::new().write(true).open(last_file(&torn)).unwrap();
            file.set_len(cut).unwrap();
            drop(file);
            let mut again = LogStore::open(&torn, &limits(1 << 20)).unwrap();
            let got = contents(&mut again).await;
            check_between(&before, &got, &after, &format!("step {number} cut at {cut}"));
            drop(again);
            fs::remove_dir_all(&torn).unwrap();
        }
        (length, before) = (end, after);
    }
}

/// The file has its full length, but from some sector on nothing of the last write reached the disk.
#[tokio::test]
async fn what_reads_as_zeros_from_a_sector_on_is_cut_off() {
    let temp = tempfile::tempdir().unwrap();
    let live = temp.path().join("live");
    let mut log = LogStore::open(&live, &limits(1 << 20)).unwrap();
    let mut torn_within = 0;
    for number in 0..40_u64 {
        let before = contents(&mut log).await;
        let synced = fs::metadata(last_file(&live)).unwrap().len() as usize;
        let text = "x".repeat(number as usize * 53);
        append(&mut log, vec![entry(1, 2 * number + 1, &text), entry(1, 2 * number + 2, "end")]).await;
        let after = contents(&mut log).await;
        let bytes = fs::read(last_file(&live)).unwrap();
        for from in (synced.next_multiple_of(512)..bytes.len()).step_by(512) {
            let torn = temp.path().join("torn");
            copy(&live, &torn);
            let mut left = bytes.clone();
            left[from..].fill(0);
            fs::write(last_file(&torn), &left).unwrap();
            let mut again = LogStore::open(&torn, &limits(1 << 20)).unwrap();
            let got = contents(&mut again).await;
            check_between(&before, &got, &after, &format!("append {number}, zeros from {from}"));
            torn_within += usize::from(from > synced);
            // It goes on from there.
            let next = got.entries.last().map_or(1, |(id, _)| id.index() + 1);
            append(&mut again, vec![entry(2, next, "later")]).await;
            drop(again);
            let mut again = LogStore::open(&torn, &limits(1 << 20)).unwrap();
            assert_eq!(contents(&mut again).await.entries.len(), got.entries.len() + 1);
            drop(again);
            fs::remove_dir_all(&torn).unwrap();
        }
    }
    assert!(torn_within > 50, "only {torn_within} cuts within records");
}

/// Zeros in place of acknowledged bytes that other records follow are damage, not a torn tail.
#[tokio::test]
async fn zeros_before_the_last_record_are_damage() {
    let temp = tempfile::tempdir().unwrap();
    let live = temp.path().join("live");
    let mut log = LogStore::open(&live, &limits(1 << 20)).unwrap();
    append(&mut log, vec![entry(1, 1, &"y".repeat(3000)), entry(1, 2, "acknowledged")]).await;
    let path = last_file(&live);
    let mut bytes = fs::read(&path).unwrap();
    bytes[1024..1536].fill(0);
    let bad = temp.path().join("bad");
    copy(&live, &bad);
    fs::write(last_file(&bad), &bytes).unwrap();
    let opened = LogStore::open(&bad, &limits(1 << 20));
    assert!(matches!(opened, Err(MetaError::Damaged { .. })), "{opened:?}");
}

fn check_between(before: &Contents, got: &Contents, after: &Contents, at: &str) {
    assert!(got.vote == before.vote || got.vote == after.vote, "{at}: vote");
    assert!(got.purged == before.purged || got.purged == after.purged, "{at}: purged");
    for entry in &got.entries {
        let known = before.entries.contains(entry) || after.entries.contains(entry);
        assert!(known, "{at}: {entry:?} was never written");
    }
    // What both states have was acknowledged before and is still wanted: it must be there.
    for entry in before.entries.iter().filter(|e| after.entries.contains(e)) {
        assert!(got.entries.contains(entry), "{at}: {entry:?} is gone");
    }
    assert!(got.entries.windows(2).all(|p| p[0].0.index() + 1 == p[1].0.index()), "{at}: a hole");
}

/// A flipped bit anywhere in acknowledged bytes is an error or harmless, never a silently shorter log.
#[tokio::test]
async fn a_flipped_bit_never_shortens_the_log() {
    let temp = tempfile::tempdir().unwrap();
    let live = temp.path().join("live");
    let mut log = LogStore::open(&live, &limits(1 << 20)).unwrap();
    for number in 0..8 {
        assert!(step(&mut log, number).await);
    }
    let want = contents(&mut log).await;
    let bytes = fs::read(last_file(&live)).unwrap();
    let mut refused = 0;
    for at in 0..bytes.len() {
        let bad = temp.path().join("bad");
        copy(&live, &bad);
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        fs::write(last_file(&bad), &flipped).unwrap();
        match LogStore::open(&bad, &limits(1 << 20)) {
            Err(MetaError::Damaged { .. }) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
            Ok(mut log) => assert_eq!(contents(&mut log).await, want, "byte {at}"),
        }
        fs::remove_dir_all(&bad).unwrap();
    }
    assert!(refused > bytes.len() / 2, "only {refused} of {} flips were noticed", bytes.len());
}

#[tokio::test]
async fn a_vote_is_durable_when_save_vote_returns() {
    let temp = tempfile::tempdir().unwrap();
    let mut log = LogStore::open(&temp.path().join("a"), &limits(1 << 20)).unwrap();
    log.save_vote(&Vote::new(5, 3)).await.unwrap();
    copy(&temp.path().join("a"), &temp.path().join("b"));
    let mut again = LogStore::open(&temp.path().join("b"), &limits(1 << 20)).unwrap();
    let vote = again.read_vote().await.unwrap().unwrap();
    assert_eq!((vote.leader_id().term, vote.is_committed()), (5, false));
}
