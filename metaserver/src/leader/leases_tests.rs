use bytes::Bytes;
use holdfast_state::Touched;

use super::*;

const A: u64 = 1;
const B: u64 = 2;

fn touch(index: u64, session: u64, ino: u64, name: Option<&'static [u8]>) -> Touch {
    Touch { index, session, what: Touched { ino, name: name.map(Bytes::from_static) } }
}

fn watch(session: u64, term: u64, seq: u64) -> Watch {
    Watch { session, term, seq, forget: Vec::new() }
}

/// Leases of term 3 from index 10 on, with both sessions watching and told so.
fn begun() -> Leases {
    let leases = Leases::new(3);
    leases.begin(10);
    for session in [A, B] {
        assert!(
            leases.poll(Instant::now(), &watch(session, 0, 0)).is_none(),
            "the first is answered at once"
        );
        let first = leases.take(session);
        assert_eq!((first.term, first.seq, first.all), (3, 1, true));
    }
    leases
}

fn news(leases: &Leases, session: u64, seq: u64) -> Vec<(u64, u64)> {
    let _ = leases.poll(Instant::now(), &watch(session, 3, seq));
    let changes = leases.take(session);
    assert!(!changes.all);
    changes.changes.iter().map(|changed| (changed.ino, changed.index)).collect()
}

#[test]
fn whoever_was_told_hears_of_changes_but_not_of_its_own() {
    let leases = begun();
    assert!(leases.grant(A, 12, [7, 8].into_iter()));
    assert!(leases.grant(B, 12, [7].into_iter()));
    leases.changed(vec![touch(13, B, 7, None), touch(14, B, 8, Some(b"x")), touch(15, 9, 9, None)]);
    assert_eq!(news(&leases, A, 1), [(7, 13), (8, 14)]);
    assert_eq!(news(&leases, B, 1), []);
}

#[test]
fn an_answer_that_is_not_true_any_more_is_no_lease() {
    let leases = begun();
    leases.changed(vec![touch(13, 9, 7, None)]);
    assert!(!leases.grant(A, 12, [7].into_iter()));
    assert!(leases.grant(A, 13, [7].into_iter()));
    assert!(!leases.grant(A, 9, [5].into_iter()), "before the term began");
    assert!(!leases.grant(99, 13, [7].into_iter()), "it does not watch");
}

#[test]
fn a_lost_answer_is_given_again() {
    let leases = begun();
    assert!(leases.grant(A, 12, [7].into_iter()));
    leases.changed(vec![touch(13, B, 7, None)]);
    assert_eq!(news(&leases, A, 1), [(7, 13)]);
    leases.changed(vec![touch(14, B, 7, None)]);
    // Number 2 did not arrive.
    assert_eq!(news(&leases, A, 1), [(7, 13), (7, 14)]);
    assert_eq!(news(&leases, A, 3), []);
    // A number out of turn: nobody knows what it saw.
    let _ = leases.poll(Instant::now(), &watch(A, 3, 1));
    assert!(leases.take(A).all);
    assert_eq!(leases.leases(), 0);
}

#[test]
fn too_much_to_tell_becomes_everything() {
    let leases = begun();
    assert!(leases.grant(A, 12, [7].into_iter()));
    for index in 0..=MOST_PENDING as u64 {
        leases.changed(vec![touch(13 + index, B, 7, None)]);
    }
    let _ = leases.poll(Instant::now(), &watch(A, 3, 1));
    let changes = leases.take(A);
    assert!(changes.all && changes.changes.is_empty());
    assert_eq!(leases.leases(), 0);
}

#[test]
fn what_is_forgotten_or_silent_costs_nothing() {
    let leases = begun();
    assert!(leases.grant(A, 12, [7, 8].into_iter()));
    assert!(leases.grant(B, 12, [7].into_iter()));
    let forget = Watch { forget: vec![8], ..watch(A, 3, 1) };
    assert!(leases.poll(Instant::now(), &forget).is_some());
    assert_eq!(leases.leases(), 2);
    // Whoever was silent has nothing left, also the one who asks now.
    let _ = leases.poll(Instant::now() + SILENT, &watch(B, 3, 1));
    assert!(!leases.watches(A) && leases.take(B).all);
    assert_eq!(leases.leases(), 0);
}

#[test]
fn a_full_table_grants_nothing_more() {
    let leases = Leases::with_room(3, 2);
    leases.begin(10);
    let _ = leases.poll(Instant::now(), &watch(A, 0, 0));
    let _ = leases.take(A);
    assert!(leases.grant(A, 12, [1, 2].into_iter()));
    assert!(!leases.grant(A, 12, [3].into_iter()));
    assert!(leases.grant(A, 12, [1].into_iter()));
}

#[tokio::test]
async fn who_waits_is_woken() {
    let leases = begun();
    assert!(leases.grant(A, 12, [7].into_iter()));
    let waiting = leases.poll(Instant::now(), &watch(A, 3, 1)).unwrap();
    leases.changed(vec![touch(13, B, 7, None)]);
    tokio::time::timeout(Duration::from_secs(10), waiting.notified()).await.unwrap();
    leases.missed(20);
    tokio::time::timeout(Duration::from_secs(10), waiting.notified()).await.unwrap();
    assert!(leases.take(A).all);
}
