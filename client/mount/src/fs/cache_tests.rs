use holdfast_proto::op::{Create, RemoveDir, Unlink};

use super::*;

const TERM: u64 = 5;
const DIR: u64 = 10;

fn inode(ino: u64, kind: FileKind) -> Inode {
    Inode { ino, kind: kind as i32, ..Inode::default() }
}

fn begun() -> Cache {
    let cache = Cache::new(4, 8);
    cache.clear(TERM);
    cache
}

fn told(cache: &Cache, index: u64) -> Told {
    Told { began: cache.began(), index, lease: TERM }
}

fn name(cache: &Cache, name: &[u8]) -> Option<Named> {
    cache.state.lock().known.get(&DIR).and_then(|known| known.named(name))
}

fn knows(cache: &Cache, ino: u64) -> bool {
    cache.state.lock().known.get(&ino).is_some_and(|known| known.inode.is_some())
}

fn bytes(name: &'static [u8]) -> Bytes {
    Bytes::from_static(name)
}

fn changed(ino: u64, index: u64, name: Option<&'static [u8]>) -> Changed {
    Changed { ino, index, name: name.map(Bytes::from_static) }
}

fn create(name: &'static [u8]) -> Op {
    Op::Create(Create { parent: DIR, name: bytes(name), ..Create::default() })
}

fn reply(index: u64, inode: Option<Inode>) -> Reply {
    Reply { index, inode, lease_term: TERM, parents_index: index, ..Reply::default() }
}

#[test]
fn only_what_will_be_taken_back_is_kept() {
    let cache = begun();
    let good = told(&cache, 20);
    for bad in [Told { lease: 0, ..good }, Told { lease: TERM + 1, ..good }] {
        cache.keep_inode(bad, &inode(1, FileKind::File));
        cache.keep_name(bad, DIR, &bytes(b"a"), Named::Free);
    }
    assert!(!knows(&cache, 1) && name(&cache, b"a").is_none());
    cache.clear(TERM);
    cache.keep_inode(good, &inode(1, FileKind::File));
    assert!(!knows(&cache, 1), "asked before everything became void");
    cache.keep_inode(told(&cache, 20), &inode(1, FileKind::File));
    assert!(knows(&cache, 1));
}

#[test]
fn news_overtake_answers() {
    let cache = begun();
    let late = told(&cache, 20);
    cache.apply(&[changed(1, 21, None), changed(DIR, 21, Some(b"a"))]);
    cache.keep_inode(late, &inode(1, FileKind::File));
    cache.keep_name(late, DIR, &bytes(b"a"), Named::Is(1));
    cache.keep_name(late, DIR, &bytes(b"b"), Named::Is(2));
    assert!(!knows(&cache, 1));
    assert_eq!((name(&cache, b"a"), name(&cache, b"b")), (None, Some(Named::Is(2))));
    cache.keep_name(told(&cache, 21), DIR, &bytes(b"a"), Named::Is(1));
    assert_eq!(name(&cache, b"a"), Some(Named::Is(1)));
    cache.apply(&[changed(DIR, 22, Some(b"a"))]);
    assert_eq!(name(&cache, b"a"), None);
}

#[test]
fn a_directory_is_whole_until_somebody_touches_a_name() {
    let cache = begun();
    let first = told(&cache, 20);
    let listing = cache.begin_listing(first, DIR).unwrap();
    cache.keep_name(first, DIR, &bytes(b"a"), Named::Is(1));
    cache.end_listing(listing);
    assert_eq!(name(&cache, b"free"), Some(Named::Free));
    assert_eq!(name(&cache, b".hf~fa"), None, "never known without a question");
    cache.apply(&[changed(DIR, 23, Some(b"new"))]);
    assert_eq!((name(&cache, b"new"), name(&cache, b"free")), (None, Some(Named::Free)));
    // Something happened while it was listed.
    let listing = cache.begin_listing(told(&cache, 23), DIR).unwrap();
    cache.state.lock().known.pop(&DIR);
    cache.keep_name(told(&cache, 23), DIR, &bytes(b"a"), Named::Is(1));
    cache.end_listing(listing);
    assert_eq!(name(&cache, b"free"), None, "it was dropped in between");
    let listing = cache.begin_listing(told(&cache, 23), DIR).unwrap();
    cache.apply(&[changed(DIR, 24, Some(b"x"))]);
    cache.end_listing(listing);
    assert_eq!(name(&cache, b"free"), None);
}

#[test]
fn own_commands_are_known_in_whatever_order_their_replies_come() {
    let cache = begun();
    let began = cache.began();
    cache.own(began, &create(b"a"), &reply(30, Some(inode(1, FileKind::File))));
    assert_eq!(name(&cache, b"a"), Some(Named::Is(1)));
    let unlink = Op::Unlink(Unlink { parent: DIR, name: bytes(b"a"), unheld: None });
    cache.own(began, &unlink, &reply(32, Some(inode(1, FileKind::File))));
    assert_eq!(name(&cache, b"a"), Some(Named::Free));
    // An earlier command's reply, late.
    cache.own(began, &create(b"a"), &reply(31, Some(inode(1, FileKind::File))));
    assert_eq!(name(&cache, b"a"), None);
}

#[test]
fn a_new_directory_is_whole() {
    let cache = begun();
    let began = cache.began();
    cache.own(began, &create(b"d"), &reply(30, Some(inode(2, FileKind::Directory))));
    assert_eq!(cache.state.lock().known.get(&2).and_then(|known| known.named(b"x")), Some(Named::Free));
}

#[test]
fn renames_move_and_exchange() {
    let cache = begun();
    let began = cache.began();
    cache.own(began, &create(b"a"), &reply(30, Some(inode(1, FileKind::File))));
    cache.own(began, &create(b"b"), &reply(31, Some(inode(2, FileKind::File))));
    let rename = |mode: RenameMode| {
        let (name, new_name) = (bytes(b"a"), bytes(b"b"));
        let mode = mode as i32;
        Op::Rename(Rename { parent: DIR, name, new_parent: DIR, new_name, mode, unheld: None })
    };
    cache.own(began, &rename(RenameMode::Exchange), &reply(32, None));
    assert_eq!((name(&cache, b"a"), name(&cache, b"b")), (Some(Named::Is(2)), Some(Named::Is(1))));
    assert!(!knows(&cache, 1) && !knows(&cache, 2), "their times changed");
    cache.own(began, &rename(RenameMode::Replace), &reply(33, None));
    // What moved is not known to be a file: a directory may have hidden an object of its name.
    assert_eq!((name(&cache, b"a"), name(&cache, b"b")), (None, Some(Named::Is(2))));
}

#[test]
fn what_a_removed_directory_hid_is_asked_for() {
    let cache = begun();
    let began = cache.began();
    cache.own(began, &create(b"a"), &reply(30, Some(inode(2, FileKind::Directory))));
    let remove = Op::RemoveDir(RemoveDir { parent: DIR, name: bytes(b"a") });
    cache.own(began, &remove, &reply(31, None));
    assert_eq!(name(&cache, b"a"), None);
}

#[test]
fn nobody_is_led_to_what_is_gone() {
    let cache = begun();
    cache.own(cache.began(), &create(b"a"), &reply(30, Some(inode(1, FileKind::File))));
    cache.gone(1);
    assert!(cache.state.lock().gone.contains(&1) && !knows(&cache, 1));
    // A number that was told of again was taken for gone by mistake.
    cache.keep_inode(told(&cache, 31), &inode(1, FileKind::File));
    assert!(!cache.state.lock().gone.contains(&1));
}

#[test]
fn what_is_not_used_goes_and_the_leader_hears_of_it() {
    let cache = begun();
    for ino in 1..=5 {
        cache.keep_inode(told(&cache, 20), &inode(ino, FileKind::File));
    }
    assert_eq!(cache.forgotten(|_| false), [1]);
    // On its way to the leader, who will drop the lease.
    cache.keep_inode(told(&cache, 20), &inode(1, FileKind::File));
    assert!(!knows(&cache, 1));
    cache.apply(&[]);
    cache.keep_inode(told(&cache, 20), &inode(1, FileKind::File));
    assert!(knows(&cache, 1));
    for number in 0..9_u8 {
        cache.keep_name(told(&cache, 20), DIR, &Bytes::copy_from_slice(&[number]), Named::Free);
    }
    assert!(cache.state.lock().names <= 8);
}
