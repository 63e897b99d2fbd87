//! The same log gives the same state: applied twice, and cut into batches in any way, the digests are equal and so
//! is every reply. The crate must stay free of what would make it otherwise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Command as Process;

use common::{SESSION, World, delete_objects, inline, put_object};
use holdfast_proto::ids::LogIndex;
use holdfast_proto::op::*;
use holdfast_state::{MemTable, Overlay, apply, digest};
use proptest::prelude::*;

/// A log with a bit of everything, refusals and repetitions included.
fn log(choices: &[(u8, u8)]) -> Vec<(u64, Command)> {
    let mut world = World::new();
    world.checked = false;
    for (kind, n) in choices {
        let key = format!("{}/{}", n % 3, n % 7);
        match kind % 12 {
            0 => drop(world.put(&key, inline(&[*n; 10]))),
            1 => {
                let content = world.content(&[&[*n; 100], &[*n; 50]]);
                world.put(&key, content);
            }
            2 => drop(world.run(delete_objects(&[&key]))),
            3 => {
                if let Some(inode) = world.object(&key) {
                    let pieces = vec![common::inline_piece(u64::from(*n), b"patch")];
                    world.run(Op::Write(Write { ino: inode.ino, pieces, ..Write::default() }));
                }
            }
            4 => {
                let session = 100 + u64::from(n % 4);
                if !world.seqs.contains_key(&session) {
                    world.open_with(session, n % 2 == 0);
                }
                world.run_as(session, put_object(&key, inline(b"other session")));
            }
            5 => {
                world.try_lead(Op::ExpireSession(ExpireSession { session: 100 + u64::from(n % 4) }));
                let inos = (1..world.index).take(200).collect();
                let unheld = Some(Unheld { inos, as_of: world.index, term: 0 });
                world.lead(Op::FreeNameless(FreeNameless { unheld }));
            }
            6 => {
                let repeated = world.log[usize::from(*n) % world.log.len()].1.clone();
                world.send(repeated);
            }
            7 => {
                if let Some(inode) = world.object(&key) {
                    let (owner, end) = (u64::from(n % 2), u64::from(*n));
                    let op =
                        SetLock { ino: inode.ino, owner, end, kind: i32::from(n % 3), ..SetLock::default() };
                    let session = 100 + u64::from(n % 4);
                    world.run_as(
                        if world.seqs.contains_key(&session) { session } else { SESSION },
                        Op::SetLock(op),
                    );
                }
            }
            8 => {
                let (ino, bits) = (world.bucket(), u16::from(n % 8));
                let entries = [(1, 7), (2, bits), (4, 5), (0x10, bits), (0x20, 0)];
                let mut value = vec![2, 0, 0, 0];
                for (tag, perm) in entries {
                    value.extend([tag, 0, perm as u8, 0, 0, 0, 0, 0]);
                }
                let name = "system.posix_acl_default".into();
                world.run(Op::SetXattr(SetXattr { ino, name, value: value.into(), ..SetXattr::default() }));
            }
            9 => {
                let ino = world.bucket();
                world.run(Op::SetQuota(SetQuota { ino, bytes: u64::from(*n) * 8, files: u64::from(n % 16) }));
            }
            10 => {
                for quota in holdfast_state::work::quotas_under_way(&world.table, 1).unwrap() {
                    world.lead(Op::QuotaStep(QuotaStep { quota, most: u32::from(n % 4) }));
                }
            }
            _ => {
                let bucket = world.bucket();
                world.create(bucket, &key.replace('/', "-"), holdfast_proto::inode::FileKind::Directory);
            }
        }
    }
    world.check();
    world.log
}

/// Applies a log in batches of the given lengths, over and over.
fn replay(log: &[(u64, Command)], batches: &[usize]) -> (MemTable, Vec<Reply>) {
    let (mut table, mut replies, mut rest) = (MemTable::new(), Vec::new(), log);
    for length in batches.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (batch, later) = rest.split_at((*length).clamp(1, rest.len()));
        rest = later;
        let mut overlay = Overlay::new(&table);
        for (index, command) in batch {
            replies.push(apply(&mut overlay, LogIndex(*index), command).unwrap());
        }
        let changes: Vec<_> = overlay.into_changes().collect();
        table.write(changes);
    }
    (table, replies)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn equal_logs_give_equal_states(
        choices in proptest::collection::vec(any::<(u8, u8)>(), 1..80),
        batches in proptest::collection::vec(1usize..40, 1..6),
    ) {
        let log = log(&choices);
        let (one, replies) = replay(&log, &[1]);
        let (same, same_replies) = replay(&log, &[1]);
        let (other, other_replies) = replay(&log, &batches);
        prop_assert_eq!(digest(&one).unwrap(), digest(&same).unwrap());
        prop_assert_eq!(digest(&one).unwrap(), digest(&other).unwrap());
        prop_assert_eq!(&replies, &same_replies);
        prop_assert_eq!(&replies, &other_replies);
    }
}

#[test]
fn different_states_have_different_digests() {
    let mut world = World::new();
    let before = digest(&world.table).unwrap();
    world.put_text("a", "1");
    assert_ne!(digest(&world.table).unwrap(), before);
}

/// The state machine must compile without a runtime, a database and a consensus library.
#[test]
fn the_dependency_tree_stays_clean() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Process::new(cargo)
        .args(["tree", "--offline", "--edges", "normal,build", "--prefix", "none", "-p", "holdfast-state"])
        .current_dir(std::env::var_os("CARGO_MANIFEST_DIR").unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("holdfast-proto"), "{text}");
    for banned in ["tokio", "rocksdb", "openraft", "rand ", "futures"] {
        assert!(!text.lines().any(|line| line.starts_with(banned)), "{banned} crept in:\n{text}");
    }
}
