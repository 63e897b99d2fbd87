//! The exactly-once window, grants, and the end of sessions.

use holdfast_proto::op::*;
use holdfast_proto::session::OpenSession;
use holdfast_proto::status::Code;

use crate::common::{SESSION, World, delete_objects, inline, put_object};

fn code(reply: &Reply) -> Code {
    reply.status.clone().unwrap_or_default().kind()
}

#[test]
fn a_repeated_command_returns_its_first_reply() {
    let mut world = World::new();
    let seq = world.next_seq(SESSION);
    let command =
        Command { session: SESSION, seq, op: Some(put_object("a", inline(b"1"))), ..Command::default() };
    let first = world.send(command.clone());
    world.open(88);
    assert!(world.run_as(88, put_object("a", inline(b"2"))).is_ok());
    let again = world.send(command);
    assert_eq!(first, again);
    assert_eq!(world.read("a"), b"2");
}

#[test]
fn a_refusal_is_repeated_too() {
    let mut world = World::new();
    let seq = world.next_seq(SESSION);
    let op = Op::DeleteBucket(DeleteBucket { name: "none".into() });
    let command = Command { session: SESSION, seq, op: Some(op), ..Command::default() };
    let first = world.send(command.clone());
    assert_eq!(code(&first), Code::NoSuchBucket);
    world.lead(Op::CreateBucket(CreateBucket { name: "none".into(), ..CreateBucket::default() }));
    assert_eq!(world.send(command), first);
}

#[test]
fn below_the_floor_nothing_is_executed() {
    let mut world = World::new();
    world.put_text("a", "1");
    let seq = world.next_seq(SESSION);
    let late = Command { session: SESSION, seq, op: Some(delete_objects(&["a"])), ..Command::default() };
    // The client gives up on `late` and says so with its next command.
    world.put_text("b", "2");
    assert_eq!(code(&world.send(late)), Code::OutOfWindow);
    assert!(world.object("a").is_some());
}

#[test]
fn the_window_is_bounded() {
    let mut world = World::new();
    world.checked = false;
    let first = world.next_seq(SESSION);
    let command = |seq, lowest_unanswered| Command {
        session: SESSION,
        seq,
        lowest_unanswered,
        op: Some(Op::Noop(Noop {})),
        ..Command::default()
    };
    for seq in first..first + 1024 {
        assert!(world.send(command(seq, first)).is_ok());
    }
    assert_eq!(code(&world.send(command(first + 1024, first))), Code::Busy);
    assert!(world.send(command(first + 1024, first + 1)).is_ok());
    assert_eq!(code(&world.send(command(first, 0))), Code::OutOfWindow);
    world.check();
}

#[test]
fn an_unknown_session_is_refused_and_an_ended_one_stays_ended() {
    let mut world = World::new();
    let unknown = Command { session: 5, seq: 1, op: Some(Op::Noop(Noop {})), ..Command::default() };
    assert_eq!(code(&world.send(unknown)), Code::SessionExpired);
    let first = Command {
        session: 6,
        seq: 1,
        open: Some(OpenSession { grant: true, ..OpenSession::default() }),
        op: Some(put_object("once", inline(b"x"))),
        ..Command::default()
    };
    let reply = world.send(first.clone());
    assert!(reply.is_ok() && reply.grant != 0);
    world.seqs.insert(6, 1);
    assert!(world.run_as(6, Op::CloseSession(CloseSession {})).is_ok());
    world.delete("once");
    assert_eq!(code(&world.send(first)), Code::SessionExpired);
    assert!(world.object("once").is_none());
}

#[test]
fn a_refused_first_command_still_opens_the_session() {
    let mut world = World::new();
    let first = Command {
        session: 9,
        seq: 1,
        open: Some(OpenSession { grant: true, ..OpenSession::default() }),
        op: Some(Op::DeleteBucket(DeleteBucket { name: "none".into() })),
        ..Command::default()
    };
    let reply = world.send(first.clone());
    assert_eq!(code(&reply), Code::NoSuchBucket);
    assert!(reply.grant != 0);
    assert_eq!(world.send(first), reply);
    world.seqs.insert(9, 1);
    assert!(world.run_as(9, Op::Noop(Noop {})).is_ok());
}

#[test]
fn opening_and_closing_in_one_command_leaves_nothing_open() {
    let mut world = World::new();
    let command = Command {
        session: 10,
        seq: 1,
        open: Some(OpenSession { grant: true, ..OpenSession::default() }),
        op: Some(Op::CloseSession(CloseSession {})),
        ..Command::default()
    };
    assert!(world.send(command.clone()).is_ok());
    assert_eq!(code(&world.send(command)), Code::SessionExpired);
}

#[test]
fn grants_close_on_request_and_with_their_session() {
    let mut world = World::new();
    let content = world.content(&[b"one"]);
    let grant = world.grant;
    let reply = world.ok(Op::RenewGrant(RenewGrant { close: vec![grant], open: true }));
    assert!(reply.grant > grant);
    let refused = world.refused(put_object("a", content), Code::GrantClosed);
    assert_eq!(refused.rejected, [0]);
    world.grant = reply.grant;
    let content = world.content(&[b"two"]);
    assert!(world.put("a", content).is_ok());
    // Another session's grant does not count.
    let other = world.open(88);
    world.grant = other.grant;
    let content = world.content(&[b"three"]);
    world.refused(put_object("b", content.clone()), Code::GrantClosed);
    world.lead(Op::ExpireSession(ExpireSession { session: 88 }));
    let late = world.run_as(88, put_object("b", content));
    assert_eq!(code(&late), Code::SessionExpired);
}
