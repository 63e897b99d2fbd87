//! Locks on ranges of files: what conflicts, what merges and splits, and when they go.

use holdfast_proto::inode::FileKind;
use holdfast_proto::op::*;
use holdfast_proto::query::{GetLock, Query, QueryRequest};
use holdfast_proto::status::Code;
use holdfast_state::limits::MAX_LOCKS;
use holdfast_state::table::Tx as _;
use holdfast_state::{keys, records};

use crate::common::{SESSION, World, create, delete_objects};

const OTHER: u64 = 88;
const END: u64 = u64::MAX;
use LockKind::{Exclusive, Shared, Unlock as Free};

struct Locked {
    world: World,
    ino: u64,
}

impl Locked {
    fn new() -> Self {
        let mut world = World::new();
        world.open(OTHER);
        let ino = world.put_text("a", "text").ino;
        Self { world, ino }
    }

    fn op(&self, owner: u64, start: u64, end: u64, kind: LockKind) -> SetLock {
        SetLock { ino: self.ino, owner, start, end, kind: kind as i32, pid: 10 + owner as u32, flock: false }
    }

    fn set(&mut self, session: u64, owner: u64, start: u64, end: u64, kind: LockKind) -> Code {
        let op = self.op(owner, start, end, kind);
        let reply = self.world.run_as(session, Op::SetLock(op));
        assert_eq!(reply.lock.is_some(), !reply.is_ok(), "{reply:?}");
        reply.status.unwrap_or_default().kind()
    }

    /// Writes many locks of one owner at once: shared ones on every other byte from `from` on.
    fn fill(&mut self, session: u64, owner: u64, from: u64, count: u64) {
        let one = |n| FileLock {
            session,
            owner,
            start: from + 2 * n,
            end: from + 2 * n,
            kind: Shared as i32,
            ..FileLock::default()
        };
        let held = (0..count).map(one).collect();
        self.world.table.put(keys::lock(self.ino), records::encode(&records::Locks { held }));
        self.world.table.put(keys::locking(session, self.ino), records::encode(&records::Mark {}));
        self.world.check();
    }

    /// What is in the way of owner 9 of a third session: everything, from the front.
    fn all(&self) -> Vec<(u64, u64, u64, u64, LockKind)> {
        let mut found = Vec::new();
        let mut start = 0;
        while let Some(lock) = self.get(99, 9, start, END, Exclusive) {
            found.push((lock.session, lock.owner, lock.start, lock.end, lock.kind()));
            if lock.end == END {
                break;
            }
            start = lock.end + 1;
        }
        found
    }

    fn get(&self, session: u64, owner: u64, start: u64, end: u64, kind: LockKind) -> Option<FileLock> {
        let ask = GetLock { ino: self.ino, owner, start, end, kind: kind as i32, flock: false };
        let request = QueryRequest { session, lease: false, query: Some(Query::GetLock(ask)) };
        let index = holdfast_proto::ids::LogIndex(self.world.index);
        let reply = holdfast_state::query(&self.world.table, index, &request).unwrap();
        assert!(reply.status.is_none(), "{reply:?}");
        reply.lock
    }
}

#[test]
fn exclusive_keeps_everybody_out_and_shared_only_the_exclusive() {
    let mut file = Locked::new();
    assert_eq!(file.set(SESSION, 1, 0, 9, Exclusive), Code::Ok);
    for kind in [Shared, Exclusive] {
        assert_eq!(file.set(OTHER, 1, 5, 20, kind), Code::Locked);
        assert_eq!(file.set(SESSION, 2, 9, 9, kind), Code::Locked);
    }
    // The owner itself, and ranges beside it, are free.
    assert_eq!(file.set(SESSION, 1, 5, 9, Shared), Code::Ok);
    assert_eq!(file.set(OTHER, 1, 10, END, Exclusive), Code::Ok);
    assert_eq!(file.set(SESSION, 2, 5, 9, Shared), Code::Ok);
    assert_eq!(file.set(SESSION, 2, 4, 9, Shared), Code::Locked);
    // Upgrading needs everybody else to be gone; what was there stays.
    assert_eq!(file.set(SESSION, 2, 5, 9, Exclusive), Code::Locked);
    assert_eq!(file.get(99, 9, 5, 9, Shared), None);
    assert_eq!(file.get(99, 9, 5, 9, Exclusive).map(|lock| lock.kind()), Some(Shared));
}

#[test]
fn the_answer_says_who_is_in_the_way() {
    let mut file = Locked::new();
    file.set(OTHER, 3, 100, 199, Shared);
    file.set(OTHER, 4, 50, 60, Exclusive);
    let expected = FileLock {
        session: OTHER,
        owner: 4,
        start: 50,
        end: 60,
        kind: Exclusive as i32,
        pid: 14,
        flock: false,
    };
    let op = file.op(1, 0, END, Exclusive);
    assert_eq!(file.world.refused(Op::SetLock(op), Code::Locked).lock, Some(expected));
    assert_eq!(file.get(SESSION, 1, 0, END, Shared), Some(expected));
    assert_eq!(file.get(SESSION, 1, 61, END, Shared), None);
    assert_eq!(file.get(OTHER, 4, 0, 99, Exclusive), None);
    // The same number of another session is somebody else.
    assert_eq!(file.get(SESSION, 4, 0, 99, Exclusive), Some(expected));
}

#[test]
fn ranges_replace_split_and_merge() {
    let mut file = Locked::new();
    file.set(SESSION, 1, 10, 19, Exclusive);
    file.set(SESSION, 1, 20, 29, Exclusive);
    assert_eq!(file.all(), [(SESSION, 1, 10, 29, Exclusive)]);
    file.set(SESSION, 1, 15, 16, Free);
    assert_eq!(file.all(), [(SESSION, 1, 10, 14, Exclusive), (SESSION, 1, 17, 29, Exclusive)]);
    file.set(SESSION, 1, 12, 18, Shared);
    let three =
        [(SESSION, 1, 10, 11, Exclusive), (SESSION, 1, 12, 18, Shared), (SESSION, 1, 19, 29, Exclusive)];
    assert_eq!(file.all(), three);
    file.set(SESSION, 1, 12, 18, Exclusive);
    assert_eq!(file.all(), [(SESSION, 1, 10, 29, Exclusive)]);
    file.set(SESSION, 1, 0, END, Shared);
    assert_eq!(file.all(), [(SESSION, 1, 0, END, Shared)]);
    file.set(SESSION, 1, 1, END, Free);
    assert_eq!(file.all(), [(SESSION, 1, 0, 0, Shared)]);
    // To unlock what is not locked is fine.
    file.set(SESSION, 1, 0, END, Free);
    file.set(SESSION, 1, 0, END, Free);
    assert!(file.all().is_empty());
}

#[test]
fn flock_and_fcntl_do_not_meet() {
    let mut file = Locked::new();
    let whole = file.op(1, 0, END, Exclusive);
    file.world.ok(Op::SetLock(SetLock { flock: true, ..whole }));
    assert_eq!(file.set(OTHER, 1, 0, END, Exclusive), Code::Ok);
    let refused = file.world.run_as(OTHER, Op::SetLock(SetLock { flock: true, ..whole }));
    assert_eq!(refused.lock.map(|lock| lock.session), Some(SESSION));
    // Nor does one unlock the other.
    file.set(OTHER, 1, 0, END, Free);
    file.world.ok(Op::SetLock(whole));
    file.world.ok(Op::SetLock(SetLock { kind: Free as i32, ..whole }));
    let refused = file.world.run_as(OTHER, Op::SetLock(SetLock { flock: true, ..whole }));
    assert!(!refused.is_ok());
}

#[test]
fn what_cannot_be_locked_is_refused() {
    let mut file = Locked::new();
    let root = file.world.bucket();
    let dir = file.world.create(root, "d", FileKind::Directory).inode.unwrap().ino;
    let whole = file.op(1, 0, END, Shared);
    file.world.refused(Op::SetLock(SetLock { ino: dir, ..whole }), Code::InvalidArgument);
    file.world.refused(Op::SetLock(SetLock { ino: 4711, ..whole }), Code::StaleInode);
    file.world.refused(Op::SetLock(SetLock { start: 2, end: 1, ..whole }), Code::InvalidArgument);
    file.world.refused(Op::SetLock(SetLock { kind: 3, ..whole }), Code::InvalidArgument);
    file.world.lead_refused(Op::SetLock(whole), Code::InvalidArgument);
    let ask = |ino, kind| Query::GetLock(GetLock { ino, owner: 1, start: 0, end: END, kind, flock: false });
    assert_eq!(file.world.ask_code(ask(dir, 1)), Code::InvalidArgument);
    assert_eq!(file.world.ask_code(ask(whole.ino, Free as i32)), Code::InvalidArgument);
}

#[test]
fn the_reply_shows_the_version_that_is_locked() {
    let mut file = Locked::new();
    let whole = file.op(1, 0, END, Shared);
    let inode = file.world.ok(Op::SetLock(whole)).inode.unwrap();
    assert_eq!(Some(inode.version), file.world.object("a").map(|inode| inode.version));
}

#[test]
fn ranges_of_one_file_are_bounded() {
    let mut file = Locked::new();
    file.fill(SESSION, 1, 0, MAX_LOCKS as u64);
    let far = file.op(1, 1 << 40, 1 << 40, Shared);
    file.world.refused(Op::SetLock(far), Code::TooLarge);
    // What joins two makes room.
    assert_eq!(file.set(SESSION, 1, 1, 1, Shared), Code::Ok);
    assert_eq!(file.set(SESSION, 1, 1 << 40, 1 << 40, Shared), Code::Ok);
}

#[test]
fn locks_end_with_their_session() {
    let mut file = Locked::new();
    file.set(OTHER, 1, 0, 9, Exclusive);
    file.set(OTHER, 2, 20, 29, Shared);
    file.set(SESSION, 2, 20, 29, Shared);
    assert!(file.world.run_as(OTHER, Op::CloseSession(CloseSession {})).is_ok());
    assert_eq!(file.all(), [(SESSION, 2, 20, 29, Shared)]);
    file.world.lead(Op::ExpireSession(ExpireSession { session: SESSION }));
    assert!(file.all().is_empty());
}

#[test]
fn a_session_with_very_many_locks_ends_in_steps() {
    let mut file = Locked::new();
    file.world.checked = false;
    let root = file.world.bucket();
    for n in 0..600 {
        let name = format!("f{n}");
        file.ino = file.world.ok(create(root, &name, FileKind::File)).inode.unwrap().ino;
        file.set(OTHER, 1, 0, 9, Exclusive);
    }
    file.world.checked = true;
    let mut steps = 0;
    while file.world.lead(Op::ExpireSession(ExpireSession { session: OTHER })).progress > 0 {
        assert_eq!(holdfast_state::work::ending_sessions(&file.world.table, 10).unwrap(), [OTHER]);
        steps += 1;
    }
    assert_eq!(steps, 2);
    assert!(holdfast_state::work::ending_sessions(&file.world.table, 10).unwrap().is_empty());
    file.ino = file.world.lookup(root, "f0").unwrap().ino;
    assert!(file.all().is_empty());
}

#[test]
fn long_lists_left_to_others_are_released_in_steps() {
    let mut file = Locked::new();
    file.world.checked = false;
    let root = file.world.bucket();
    let count = MAX_LOCKS as u64 / 2;
    for n in 0..8 {
        file.ino = file.world.ok(create(root, &format!("f{n}"), FileKind::File)).inode.unwrap().ino;
        file.fill(SESSION, 1 << 60, 1 << 60, count);
        file.set(OTHER, 1, 0, 9, Exclusive);
    }
    file.world.checked = true;
    let mut steps = 1;
    while file.world.lead(Op::ExpireSession(ExpireSession { session: OTHER })).progress > 0 {
        steps += 1;
    }
    assert!(steps > 1);
}

#[test]
fn locks_of_a_deleted_file_go_with_it() {
    let mut file = Locked::new();
    file.set(SESSION, 1, 0, 9, Exclusive);
    file.set(OTHER, 1, 10, 19, Exclusive);
    file.world.ok(delete_objects(&["a"]));
    // It is freed in steps, and is gone for everybody at once.
    let whole = file.op(1, 0, END, Free);
    file.world.refused(Op::SetLock(whole), Code::StaleInode);
    let ino = file.ino;
    let free = |world: &mut World| world.lead(Op::FreeStep(FreeStep { ino, most: 100 })).progress;
    while free(&mut file.world) > 0 {}
    assert_eq!(file.world.totals().inodes, 2);
}

#[test]
fn a_full_list_of_locks_goes_in_one_step() {
    let mut file = Locked::new();
    let mut held = Vec::new();
    for n in 0..MAX_LOCKS as u64 {
        let session = 1000 + n;
        let open = records::Session { opened: 1, ..records::Session::default() };
        file.world.table.put(keys::session(session), records::encode(&open));
        file.world.table.put(keys::locking(session, file.ino), records::encode(&records::Mark {}));
        held.push(FileLock {
            session,
            start: 2 * n,
            end: 2 * n,
            kind: Exclusive as i32,
            ..FileLock::default()
        });
    }
    file.world.table.put(keys::lock(file.ino), records::encode(&records::Locks { held }));
    file.world.checked = false;
    file.world.ok(delete_objects(&["a"]));
    for _ in 0..2 {
        file.world.lead(Op::FreeStep(FreeStep { ino: file.ino, most: 100 }));
    }
    assert_eq!(file.world.totals().inodes, 2);
}

#[test]
fn a_file_that_is_held_open_keeps_its_locks() {
    let mut file = Locked::new();
    let root = file.world.bucket();
    file.set(OTHER, 1, 0, 9, Exclusive);
    file.world.open_with(99, true);
    file.world.ok(Op::Unlink(Unlink { parent: root, name: "a".into(), unheld: None }));
    assert_eq!(file.set(SESSION, 1, 0, 9, Exclusive), Code::Locked);
    file.world.lead(Op::ExpireSession(ExpireSession { session: OTHER }));
    assert_eq!(file.set(SESSION, 1, 0, 9, Exclusive), Code::Ok);
}
