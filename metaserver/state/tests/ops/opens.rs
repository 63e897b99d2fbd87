//! Files that lose their last name while somebody may have them open.

use holdfast_proto::inode::FileKind;
use holdfast_proto::op::*;
use holdfast_proto::query::{GetInode, Query};
use holdfast_proto::status::Code;
use holdfast_state::limits::{MAX_DRAFTS, MAX_NAMELESS};

use crate::common::{BUCKET, SESSION, World, create, delete_objects, inline, inline_piece, put_object};

const MOUNT: u64 = 88;
const TERM: u64 = 5;

fn world() -> World {
    let mut world = World::new();
    world.open_with(MOUNT, true);
    world
}

fn unheld(world: &World, inos: &[u64]) -> Option<Unheld> {
    Some(Unheld { inos: inos.to_vec(), as_of: world.index, term: TERM })
}

fn state_of(world: &World, ino: u64) -> Code {
    world.ask_code(Query::GetInode(GetInode { ino, content: true, open: 0 }))
}

fn unlink(world: &mut World, name: &str, unheld: Option<Unheld>) {
    let parent = world.bucket();
    world.ok(Op::Unlink(Unlink { parent, name: name.to_owned().into(), unheld }));
}

fn free(world: &mut World, unheld: Option<Unheld>) -> u64 {
    world.lead(Op::FreeNameless(FreeNameless { unheld })).progress
}

fn file(world: &mut World, name: &str) -> u64 {
    let bucket = world.bucket();
    world.ok(create(bucket, name, FileKind::File)).inode.unwrap().ino
}

#[test]
fn without_a_session_that_holds_files_the_last_name_takes_the_file_along() {
    let mut world = World::new();
    let ino = file(&mut world, "f");
    unlink(&mut world, "f", None);
    assert_eq!(state_of(&world, ino), Code::StaleInode);
    world.put_text("a", "1");
    world.put_text("a", "2");
    assert_eq!(world.totals().inodes, 3);
}

#[test]
fn in_doubt_a_file_is_kept_and_stays_usable_by_number() {
    let mut world = world();
    let ino = file(&mut world, "f");
    unlink(&mut world, "f", None);
    assert!(world.lookup(world.bucket(), "f").is_none());
    let pieces = vec![inline_piece(0, b"still here")];
    world.ok(Op::Write(Write { ino, pieces, ..Write::default() }));
    assert_eq!(world.read_inode(ino), b"still here");
    world.ok(Op::SetAttr(SetAttr { ino, size: Some(5), mode: Some(0o600), ..SetAttr::default() }));
    assert_eq!(world.read_inode(ino), b"still");
    let link = Op::Link(Link { ino, parent: world.bucket(), name: "again".into() });
    world.refused(link, Code::NotFound);
    let known = unheld(&world, &[ino]);
    assert_eq!(free(&mut world, known.clone()), 1);
    assert_eq!(state_of(&world, ino), Code::StaleInode);
    let write = Write { ino, pieces: vec![inline_piece(0, b"x")], ..Write::default() };
    world.refused(Op::Write(write), Code::StaleInode);
    // Once more, as after a retry.
    assert_eq!(free(&mut world, known), 0);
}

#[test]
fn every_command_that_takes_a_last_name_keeps_or_frees_as_the_leader_says() {
    for known in [false, true] {
        let mut world = world();
        let bucket = world.bucket();
        let say = |world: &World, ino| if known { unheld(world, &[ino]) } else { None };
        let mut gone = Vec::new();

        let ino = file(&mut world, "unlinked");
        let claim = say(&world, ino);
        unlink(&mut world, "unlinked", claim);
        gone.push(ino);

        let ino = world.put_text("over", "old").ino;
        world.put_text("new", "new");
        let unheld = say(&world, ino);
        world.ok(Op::Rename(Rename {
            parent: bucket,
            name: "new".into(),
            new_parent: bucket,
            new_name: "over".into(),
            unheld,
            ..Rename::default()
        }));
        gone.push(ino);

        let ino = world.put_text("put", "old").ino;
        let Op::PutObject(op) = put_object("put", inline(b"new")) else { unreachable!() };
        let unheld = say(&world, ino);
        world.ok(Op::PutObject(PutObject { unheld, ..op }));
        gone.push(ino);

        let ino = world.put_text("copied", "old").ino;
        let unheld = say(&world, ino);
        world.ok(Op::CopyObject(CopyObject {
            source_bucket: BUCKET.into(),
            source_key: "put".into(),
            bucket: BUCKET.into(),
            key: "copied".into(),
            unheld,
            ..CopyObject::default()
        }));
        gone.push(ino);

        let ino = world.put_text("deleted", "old").ino;
        let Op::DeleteObjects(op) = delete_objects(&["deleted"]) else { unreachable!() };
        let unheld = say(&world, ino);
        world.ok(Op::DeleteObjects(DeleteObjects { unheld, ..op }));
        gone.push(ino);

        for ino in gone {
            assert_eq!(state_of(&world, ino), if known { Code::StaleInode } else { Code::Ok }, "{ino}");
        }
    }
}

#[test]
fn another_inode_than_the_one_looked_up_is_kept() {
    let mut world = world();
    let first = file(&mut world, "f");
    let known = unheld(&world, &[first]);
    unlink(&mut world, "f", known.clone());
    let second = file(&mut world, "f");
    unlink(&mut world, "f", known);
    assert_eq!(state_of(&world, first), Code::StaleInode);
    assert_eq!(state_of(&world, second), Code::Ok);
}

#[test]
fn a_file_opened_as_it_was_made_is_not_freed_by_an_older_statement() {
    let mut world = world();
    let parent = world.bucket();
    let older = file(&mut world, "older");
    let before = unheld(&world, &[older, older + 1]);
    let open = |name: &str| {
        Op::Create(Create {
            parent,
            name: name.to_owned().into(),
            kind: FileKind::File as i32,
            or_open: true,
            open: 3,
            ..Create::default()
        })
    };
    // One that is new and one that is found.
    let made = world.run_as(MOUNT, open("made")).inode.unwrap().ino;
    let found = world.run_as(MOUNT, open("older"));
    assert!(found.existed);
    assert_eq!((found.inode.unwrap().ino, made), (older, older + 1));
    for (name, ino) in [("made", made), ("older", older)] {
        unlink(&mut world, name, before.clone());
        assert_eq!(state_of(&world, ino), Code::Ok);
    }
    assert_eq!(free(&mut world, before), 0);
    let now = unheld(&world, &[made, older]);
    assert_eq!(free(&mut world, now), 2);
}

#[test]
fn what_a_leader_of_an_earlier_term_knew_frees_nothing() {
    let mut world = world();
    let ino = file(&mut world, "f");
    let old = unheld(&world, &[ino]);
    let next = Unheld { inos: Vec::new(), as_of: 0, term: TERM + 1 };
    free(&mut world, Some(next));
    unlink(&mut world, "f", old.clone());
    assert_eq!(state_of(&world, ino), Code::Ok);
    assert_eq!(free(&mut world, old), 0);
    let now = Unheld { inos: vec![ino], as_of: world.index, term: TERM + 1 };
    assert_eq!(free(&mut world, Some(now)), 1);
}

#[test]
fn the_end_of_the_last_session_that_holds_files_ends_the_doubt() {
    for end in [Op::CloseSession(CloseSession {}), Op::ExpireSession(ExpireSession { session: MOUNT })] {
        let mut world = world();
        let (first, second) = (file(&mut world, "first"), file(&mut world, "second"));
        unlink(&mut world, "first", None);
        match end {
            Op::CloseSession(_) => assert!(world.run_as(MOUNT, end).is_ok()),
            end => drop(world.lead(end)),
        }
        unlink(&mut world, "second", None);
        assert_eq!(state_of(&world, second), Code::StaleInode);
        // The leader finds what was kept before.
        assert_eq!(state_of(&world, first), Code::Ok);
        assert_eq!(free(&mut world, Some(Unheld { inos: vec![first], ..Unheld::default() })), 1);
    }
}

#[test]
fn other_names_keep_a_file_whoever_holds_it() {
    let mut world = world();
    let ino = file(&mut world, "f");
    let parent = world.bucket();
    world.ok(Op::Link(Link { ino, parent, name: "g".into() }));
    let known = unheld(&world, &[ino]);
    unlink(&mut world, "f", known.clone());
    assert_eq!(free(&mut world, known), 0);
    assert_eq!(world.lookup(parent, "g").unwrap().ino, ino);
}

#[test]
fn drafts_and_files_with_names_are_not_freed_as_nameless() {
    let mut world = world();
    let content = world.content(&[b"one", b"two"]);
    let inode = world.put("a", content).inode.unwrap();
    let plan =
        BeginDraft { source: inode.ino, source_version: inode.version, to: 6, ..BeginDraft::default() };
    let draft = world.ok(Op::BeginDraft(plan)).id;
    let known = unheld(&world, &[inode.ino, draft, 999_999]);
    assert_eq!(free(&mut world, known), 0);
    world.ok(Op::FillDraft(FillDraft { draft }));
    world.ok(Op::ReleaseInode(ReleaseInode { ino: draft }));
    // Giving it up once more, as after a retry by another command, is harmless; so is what is no draft.
    world.ok(Op::ReleaseInode(ReleaseInode { ino: draft }));
    let ino = file(&mut world, "f");
    unlink(&mut world, "f", None);
    world.ok(Op::ReleaseInode(ReleaseInode { ino }));
    assert_eq!(state_of(&world, ino), Code::Ok);
}

#[test]
fn a_session_ends_with_all_its_drafts() {
    let mut world = world();
    let content = world.content(&[b"one", b"two"]);
    let inode = world.put("a", content).inode.unwrap();
    let inodes = world.totals().inodes;
    for _ in 0..MAX_DRAFTS {
        let plan =
            BeginDraft { source: inode.ino, source_version: inode.version, to: 6, ..BeginDraft::default() };
        world.ok(Op::BeginDraft(plan));
    }
    assert_eq!(world.lead(Op::ExpireSession(ExpireSession { session: SESSION })).progress, 0);
    assert!(holdfast_state::work::ending_sessions(&world.table, 10).unwrap().is_empty());
    assert_eq!(world.totals().inodes, inodes);
}

#[test]
fn many_are_freed_by_one_command_and_large_ones_in_steps() {
    let mut world = world();
    world.checked = false;
    let pieces: Vec<Vec<u8>> = (0..100).map(|n| vec![n; 10]).collect();
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let content = world.content(&pieces);
    let large = world.put("large", content).inode.unwrap().ino;
    world.delete("large");
    let mut inos = vec![large];
    for n in 1..MAX_NAMELESS {
        let name = format!("f{n}");
        inos.push(file(&mut world, &name));
        unlink(&mut world, &name, None);
    }
    let most = MAX_NAMELESS as u64;
    let known = unheld(&world, &inos);
    assert_eq!(free(&mut world, known), most);
    world.check();
    assert_eq!(holdfast_state::work::inodes_to_free(&world.table, 10).unwrap(), [large]);
    inos.push(1);
    let known = unheld(&world, &inos);
    world.lead_refused(Op::FreeNameless(FreeNameless { unheld: known }), Code::TooLarge);
}

#[test]
fn the_leader_looks_up_what_a_command_may_leave_without_a_name() {
    let mut world = world();
    let bucket = world.bucket();
    let (a, b) = (world.put_text("a", "1").ino, world.put_text("d/b", "2").ino);
    let dir = world.lookup(bucket, "d").unwrap().ino;
    let losing = |op: &Op| holdfast_state::losing(&world.table, op).unwrap();
    assert_eq!(losing(&delete_objects(&["a", "none", "d/b", "none/b"])), [a, b]);
    assert_eq!(losing(&put_object("d/b", inline(b"3"))), [b]);
    assert_eq!(losing(&Op::Unlink(Unlink { parent: dir, name: "b".into(), unheld: None })), [b]);
    let rename = |mode: RenameMode| {
        Op::Rename(Rename {
            parent: bucket,
            name: "a".into(),
            new_parent: dir,
            new_name: "b".into(),
            mode: mode as i32,
            unheld: None,
        })
    };
    assert_eq!(losing(&rename(RenameMode::Replace)), [b]);
    assert!(losing(&rename(RenameMode::Exchange)).is_empty());
    let Op::PutObject(op) = put_object("a", inline(b"3")) else { unreachable!() };
    assert!(losing(&Op::PutObject(PutObject { bucket: "none".into(), ..op })).is_empty());
}
