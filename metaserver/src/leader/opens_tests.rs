//! The table of opens: when an inode counts as unheld, and what may not be forgotten.

use super::*;

const MOUNT: u64 = 5;
const OTHER: u64 = 6;
const TERM: u64 = 3;

/// A table of a leader that knows all sessions.
fn ready() -> OpenTable {
    let mut table = OpenTable::new(TERM);
    table.announced();
    table.all_known();
    table
}

fn with_mount() -> OpenTable {
    let mut table = ready();
    table.expect(Instant::now(), MOUNT);
    table
}

fn opens(list: &[(u64, u64)]) -> Vec<Open> {
    list.iter().map(|(ino, number)| Open { ino: *ino, number: *number }).collect()
}

fn page(assertion: u64, list: &[(u64, u64)], upto: u64, last: bool) -> KeepOpens {
    KeepOpens {
        session: MOUNT,
        term: TERM,
        assertion,
        opens: opens(list),
        last,
        upto,
        ..KeepOpens::default()
    }
}

fn closes(list: &[(u64, u64)]) -> KeepOpens {
    KeepOpens { session: MOUNT, closes: opens(list), ..KeepOpens::default() }
}

/// Which of the inodes are unheld; nothing stays claimed.
fn unheld(table: &mut OpenTable, inos: &[u64]) -> Vec<u64> {
    let Some(unheld) = table.claim(inos, 100) else { return Vec::new() };
    table.unclaim(&unheld.inos);
    unheld.inos
}

#[test]
fn a_new_leader_knows_nothing_until_everybody_spoke() {
    let now = Instant::now();
    let mut table = OpenTable::new(TERM);
    table.announced();
    // Opened while older sessions are still being looked for: it may be one of them.
    table.expect(now, OTHER);
    assert!(unheld(&mut table, &[1]).is_empty());
    table.found(now, MOUNT);
    table.all_known();
    assert!(table.wants(MOUNT) && table.wants(OTHER));
    table.keep(&page(1, &[(1, 4)], 9, true));
    assert!(!table.wants(MOUNT));
    assert!(unheld(&mut table, &[1, 2]).is_empty(), "the other may hold anything");
    assert!(table.ended(OTHER));
    assert_eq!(unheld(&mut table, &[1, 2]), [2]);
    // One that is opened now cannot hold anything yet.
    table.expect(now, 7);
    assert!(!table.wants(7));
    assert_eq!(unheld(&mut table, &[1, 2]), [2]);
}

#[test]
fn nothing_counts_before_sessions_are_known_and_the_term_is_announced() {
    let mut table = OpenTable::new(TERM);
    table.announced();
    assert!(unheld(&mut table, &[1]).is_empty(), "older sessions are not known yet");
    let mut table = OpenTable::new(TERM);
    table.all_known();
    assert!(unheld(&mut table, &[1]).is_empty());
    assert!(!table.may_read(1));
    table.announced();
    assert_eq!(unheld(&mut table, &[1]), [1]);
    assert!(table.may_read(1));
}

#[test]
fn an_inode_is_held_until_the_last_session_closes_or_ends() {
    let mut table = with_mount();
    table.expect(Instant::now(), OTHER);
    table.open(MOUNT, 1, 1);
    table.open(OTHER, 1, 1);
    table.open(OTHER, 2, 2);
    assert_eq!(unheld(&mut table, &[1, 2, 3]), [3]);
    assert!(!table.close(MOUNT, 1, 1), "the other holds it");
    assert_eq!(unheld(&mut table, &[1, 2, 3]), [3]);
    table.ended(OTHER);
    assert_eq!(unheld(&mut table, &[1, 2, 3]), [1, 2, 3]);
    assert_eq!(table.total, 0);
    // It is too late for these.
    table.open(OTHER, 1, 3);
    assert_eq!(unheld(&mut table, &[1]), [1]);
}

#[test]
fn a_close_does_not_undo_a_later_open() {
    let mut table = with_mount();
    table.open(MOUNT, 1, 5);
    table.open(MOUNT, 1, 8);
    table.keep(&closes(&[(1, 5), (2, 9)]));
    assert!(unheld(&mut table, &[1]).is_empty());
    // Opens may overtake each other.
    table.open(MOUNT, 1, 6);
    assert!(table.keep(&closes(&[(1, 8)])));
    assert_eq!(unheld(&mut table, &[1]), [1]);
}

#[test]
fn an_assertion_comes_in_pages_and_counts_with_the_last() {
    let mut table = ready();
    table.found(Instant::now(), MOUNT);
    table.open(MOUNT, 9, 12);
    table.keep(&page(1, &[(1, 1), (2, 2)], 10, false));
    assert!(unheld(&mut table, &[3]).is_empty());
    table.keep(&page(1, &[(3, 3)], 10, true));
    assert_eq!(unheld(&mut table, &[1, 2, 3, 4, 9]), [4]);
    // From scratch: what is not named is closed, what was opened since is not.
    table.open(MOUNT, 8, 21);
    table.keep(&page(2, &[(2, 2)], 20, false));
    assert!(unheld(&mut table, &[1, 2, 3]).is_empty(), "not before the last page");
    table.keep(&page(2, &[], 20, true));
    assert_eq!(unheld(&mut table, &[1, 2, 3, 8, 9]), [1, 3, 9]);
    // Late pages, of then and of now.
    table.keep(&page(1, &[(1, 1)], 10, true));
    table.keep(&page(2, &[(1, 1)], 20, false));
    assert_eq!(unheld(&mut table, &[1, 2, 3, 8, 9]), [1, 3, 9]);
    assert_eq!(table.total, 2);
}

#[test]
fn an_assertion_made_to_another_leader_does_not_count() {
    let mut table = ready();
    table.found(Instant::now(), MOUNT);
    let said = KeepOpens { term: TERM - 1, closes: opens(&[(1, 1)]), ..page(1, &[], 10, true) };
    table.open(MOUNT, 1, 1);
    assert!(table.keep(&said), "its closes do");
    assert!(table.wants(MOUNT));
    assert!(unheld(&mut table, &[1]).is_empty());
}

#[test]
fn what_is_claimed_is_not_read_and_claims_add_up() {
    let mut table = with_mount();
    let first = table.claim(&[1, 2, 2], 100).unwrap();
    assert_eq!((first.inos.as_slice(), first.as_of, first.term), (&[1, 2][..], 100, TERM));
    let second = table.claim(&[2], 100).unwrap();
    // It waits, and is counted meanwhile.
    table.open(MOUNT, 2, 1);
    assert!(!table.may_read(2) && table.may_read(3));
    assert!(table.claim(&[2], 100).is_none());
    table.unclaim(&first.inos);
    assert!(table.may_read(1) && !table.may_read(2));
    table.unclaim(&second.inos);
    assert!(table.may_read(2));
}

#[test]
fn a_create_on_its_way_dates_what_is_known() {
    let mut table = with_mount();
    table.begin_create(40);
    table.begin_create(40);
    table.begin_create(60);
    let as_of = |table: &mut OpenTable| table.claim(&[1], 100).unwrap().as_of;
    assert_eq!(as_of(&mut table), 40);
    table.end_create(40);
    assert_eq!(as_of(&mut table), 40);
    table.end_create(40);
    assert_eq!(as_of(&mut table), 60);
    table.end_create(60);
    assert_eq!(as_of(&mut table), 100);
}

#[test]
fn a_session_with_too_many_opens_holds_everything_until_it_says_less() {
    let mut table = with_mount();
    table.most = 4;
    for ino in 1..=5 {
        table.open(MOUNT, ino, ino);
    }
    assert_eq!(table.total, 4);
    assert!(unheld(&mut table, &[9]).is_empty());
    assert!(!table.wants(MOUNT), "there is no room");
    table.keep(&closes(&[(1, 1), (2, 2), (3, 3)]));
    assert!(table.wants(MOUNT));
    // Only an assertion that knows of that open ends it.
    table.keep(&page(1, &[(4, 4)], 4, true));
    assert!(unheld(&mut table, &[9]).is_empty());
    table.keep(&page(2, &[(4, 4), (5, 5)], 5, true));
    assert_eq!(unheld(&mut table, &[4, 5, 9]), [9]);
    table.keep(&page(3, &[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)], 5, true));
    assert!(unheld(&mut table, &[9]).is_empty());
}
