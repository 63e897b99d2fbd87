//! The audit log: what is noted, the chain, pages of it, letting go of what is old.

use bytes::Bytes;
use holdfast_proto::audit::{
    Actor, ActorKind, AuditEnds, AuditEntry, AuditKind, AuditNote, SealedEntry, VerifyAuditReply,
};
use holdfast_proto::map::Standing;
use holdfast_proto::op::*;
use holdfast_proto::query::*;
use holdfast_proto::status::Code;
use holdfast_state::{keys, records, verify_audit};
use prost::Message;

use super::common::*;

fn log(world: &World) -> Vec<AuditEntry> {
    page(world, ListAudit { most: 1000, ..ListAudit::default() })
}

fn page(world: &World, ask: ListAudit) -> Vec<AuditEntry> {
    let reply = world.ask(Query::ListAudit(ask));
    reply.audit.into_iter().map(|sealed| AuditEntry::decode(sealed.body).unwrap()).collect()
}

fn newest(world: &World) -> AuditNote {
    log(world).remove(0).note.unwrap()
}

fn somebody() -> Option<Actor> {
    Some(Actor { kind: ActorKind::Account as i32, name: "root".into(), from: "10.0.0.9".into() })
}

fn as_somebody(world: &mut World, op: Op) -> Reply {
    let seq = world.next_seq(SESSION);
    let actor = somebody();
    world.send(Command {
        session: SESSION,
        seq,
        lowest_unanswered: seq,
        actor,
        op: Some(op),
        ..Command::default()
    })
}

fn set_disk(id: u32, standing: Standing) -> Op {
    Op::SetDisk(SetDisk { id, standing: Some(standing as i32), ..SetDisk::default() })
}

fn detail(note: &AuditNote, key: &str) -> Option<String> {
    note.details.iter().find(|detail| detail.key == key).map(|detail| detail.value.clone())
}

fn verify(world: &World) -> VerifyAuditReply {
    verify_audit(&world.table, 0).unwrap()
}

#[test]
fn what_administers_the_cluster_is_noted_with_who_did_it() {
    let mut world = World::new();
    as_somebody(&mut world, set_disk(2, Standing::Draining));
    let note = newest(&world);
    assert_eq!((note.action.as_str(), note.target.as_str()), ("disk.drain", "d2"));
    assert_eq!(note.actor, somebody());
    assert_eq!(note.kind(), AuditKind::Change);

    // A client that does not say for whom is named as it named itself.
    world.ok(Op::PutSetting(PutSetting { name: "grace_seconds".into(), value: "100".into() }));
    world.ok(Op::PutSetting(PutSetting { name: "grace_seconds".into(), value: "200".into() }));
    let note = newest(&world);
    assert_eq!(note.actor.clone().unwrap().kind(), ActorKind::Client);
    assert_eq!(note.actor.clone().unwrap().name, "test");
    assert_eq!((detail(&note, "value"), detail(&note, "before")), (Some("200".into()), Some("100".into())));

    // What the leader does by itself is an event.
    world.lead(set_disk(1, Standing::Out));
    let note = newest(&world);
    assert_eq!((note.kind(), note.action.as_str()), (AuditKind::Event, "disk.out"));
}

#[test]
fn what_users_do_is_not_noted_unless_for_somebody() {
    let mut world = World::new();
    let before = log(&world).len();
    world.put_text("a/b", "content");
    world.delete("a/b");
    assert_eq!(log(&world).len(), before);
    as_somebody(&mut world, put_object("a/b", inline(b"content")));
    let note = newest(&world);
    assert_eq!((note.action.as_str(), note.target.as_str()), ("file.write", "/bucket/a/b"));
    as_somebody(&mut world, delete_objects(&["a/b"]));
    assert_eq!(newest(&world).action, "file.delete");
}

#[test]
fn a_refusal_is_noted_and_says_why() {
    let mut world = World::new();
    let reply =
        as_somebody(&mut world, Op::PutSetting(PutSetting { name: "nonsense".into(), value: "1".into() }));
    assert!(!reply.is_ok());
    let note = newest(&world);
    assert!(note.refused && note.message.contains("nonsense"), "{note:?}");
    // The leader's own tries that came too late are nobody's business.
    let before = log(&world).len();
    world.try_lead(set_disk(99, Standing::Out));
    assert_eq!(log(&world).len(), before);
}

#[test]
fn a_command_that_is_sent_again_is_noted_once() {
    let mut world = World::new();
    let seq = world.next_seq(SESSION);
    let command = Command {
        session: SESSION,
        seq,
        lowest_unanswered: seq,
        op: Some(set_disk(2, Standing::Draining)),
        ..Command::default()
    };
    world.send(command.clone());
    let before = log(&world).len();
    world.send(command);
    assert_eq!(log(&world).len(), before);
}

#[test]
fn no_secret_is_in_the_log() {
    let mut world = World::new();
    let key = PutKey { access_key: "AKIA1".into(), secret_key: "sesame-open".into(), ..PutKey::default() };
    world.ok(Op::PutKey(key));
    let hash = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2VzYW1l";
    world.ok(Op::PutAccount(PutAccount {
        name: "root".into(),
        create: true,
        role: Some(3),
        password: Some(hash.into()),
        ..PutAccount::default()
    }));
    for entry in log(&world) {
        let text = format!("{entry:?}");
        assert!(!text.contains("sesame") && !text.contains("argon2"), "{text}");
    }
}

#[test]
fn pages_and_what_is_asked_for() {
    let mut world = World::new();
    for value in 100..130 {
        world.ok(Op::PutSetting(PutSetting { name: "grace_seconds".into(), value: value.to_string() }));
        as_somebody(&mut world, set_disk(2, Standing::Draining));
    }
    let total = log(&world).len();
    let (mut seen, mut before) = (Vec::new(), 0);
    loop {
        let reply = world.ask(Query::ListAudit(ListAudit { before, most: 7, ..ListAudit::default() }));
        seen.extend(reply.audit.iter().map(|e| AuditEntry::decode(e.body.clone()).unwrap().seq));
        if !reply.more {
            break;
        }
        before = std::str::from_utf8(&reply.next).unwrap().parse().unwrap();
    }
    assert_eq!(seen.len(), total);
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1] + 1), "newest first, each once");

    let count = |ask: ListAudit| page(&world, ListAudit { most: 1000, ..ask }).len();
    assert_eq!(count(ListAudit { actor: "root".into(), ..ListAudit::default() }), 30);
    assert_eq!(count(ListAudit { action: "setting".into(), ..ListAudit::default() }), 30);
    assert_eq!(count(ListAudit { action: "set".into(), ..ListAudit::default() }), 0, "whole words only");
    assert_eq!(count(ListAudit { text: "GRACE_".into(), ..ListAudit::default() }), 30);
    assert_eq!(
        count(ListAudit { text: "117".into(), ..ListAudit::default() }),
        2,
        "as a value, and as the one before"
    );
    assert_eq!(count(ListAudit { target: "d2".into(), ..ListAudit::default() }), 31);
    assert_eq!(count(ListAudit { from_ns: world.now, ..ListAudit::default() }), 1);
    assert_eq!(count(ListAudit { kinds: vec![AuditKind::Access as i32], ..ListAudit::default() }), 0);
}

#[test]
fn long_texts_are_cut_where_a_character_ends() {
    let mut world = World::new();
    let note = AuditNote { action: "x".into(), message: "é".repeat(5000), ..AuditNote::default() };
    world.ok(Op::NoteAudit(NoteAudit { notes: vec![note; 3] }));
    assert_eq!(newest(&world).message.len(), 1024);
    let many = NoteAudit { notes: vec![AuditNote::default(); 101] };
    world.refused(Op::NoteAudit(many), Code::TooLarge);
}

/// Every entry of the chain, whatever is done to it.
#[test]
fn any_tampering_is_found() {
    let mut world = World::new();
    world.checked = false;
    for value in 100..120 {
        world.ok(Op::PutSetting(PutSetting { name: "grace_seconds".into(), value: value.to_string() }));
    }
    let whole = verify(&world);
    assert!(whole.problems.is_empty(), "{:?}", whole.problems);
    let last = whole.ends.unwrap().last;
    assert_eq!((whole.entries, whole.upto), (last, last));
    let clean = world.table.clone();
    let sealed = |world: &World, seq| -> SealedEntry {
        records::load(&world.table, &keys::audit(seq)).unwrap().unwrap()
    };
    let put = |world: &mut World, seq: u64, entry: &SealedEntry| {
        world.table.write([(keys::audit(seq), Some(records::encode(entry)))]);
    };
    for seq in 1..=last {
        // Changed, with and without a hash that fits it.
        let old = sealed(&world, seq);
        let mut entry = AuditEntry::decode(old.body.clone()).unwrap();
        entry.note.as_mut().unwrap().target = "forged".into();
        let body = Bytes::from(entry.encode_to_vec());
        put(&mut world, seq, &SealedEntry { body: body.clone(), hash: old.hash.clone() });
        assert_eq!(verify(&world).problems[0].seq, seq, "changed");
        let hash = Bytes::copy_from_slice(blake3::hash(&body).as_bytes());
        put(&mut world, seq, &SealedEntry { body, hash });
        assert!(!verify(&world).problems.is_empty(), "changed with another hash");
        world.table = clean.clone();
        // Gone.
        world.table.write([(keys::audit(seq), None)]);
        assert!(verify(&world).problems.iter().any(|p| p.code == "missing" && p.seq == seq), "gone");
        world.table = clean.clone();
        // Exchanged with the one before.
        if seq > 1 {
            let (a, b) = (sealed(&world, seq - 1), sealed(&world, seq));
            put(&mut world, seq, &a);
            put(&mut world, seq - 1, &b);
            assert!(!verify(&world).problems.is_empty(), "exchanged");
            world.table = clean.clone();
        }
        // Not even a record.
        world.table.write([(keys::audit(seq), Some(Bytes::from_static(b"\xff")))]);
        assert!(verify(&world).problems.iter().any(|p| p.code == "changed" && p.seq == seq), "garbage");
        world.table = clean.clone();
    }
    // Cut off at its end, or something put behind it.
    world.table.write([(keys::audit(last), None)]);
    let mut ends: AuditEnds = records::load(&world.table, &keys::audit_ends()).unwrap().unwrap();
    ends.last -= 1;
    world.table.write([(keys::audit_ends(), Some(records::encode(&ends)))]);
    assert!(verify(&world).problems.iter().any(|p| p.code == "end"));
    world.table = clean.clone();
    let old = sealed(&world, last);
    put(&mut world, last + 5, &old);
    assert!(verify(&world).problems.iter().any(|p| p.code == "misplaced"));
}

#[test]
fn what_is_old_goes_and_the_rest_stays_chained() {
    let mut world = World::new();
    for value in 100..110 {
        world.ok(Op::PutSetting(PutSetting { name: "grace_seconds".into(), value: value.to_string() }));
    }
    let old = verify(&world).ends.unwrap().last;
    world.lead(Op::CountUptime(CountUptime { seconds: 1000 }));
    for value in 110..115 {
        world.ok(Op::PutSetting(PutSetting { name: "grace_seconds".into(), value: value.to_string() }));
    }
    world.lead(Op::TrimAudit(TrimAudit { before_s: 1000 }));
    let now = verify(&world);
    assert!(now.problems.is_empty(), "{:?}", now.problems);
    assert_eq!(now.ends.clone().unwrap().trimmed, old);
    assert_eq!(newest(&world).action, "audit.trim");
    assert_eq!(log(&world).len(), 6);
    // The last one stays, however old: there must be something to go on from.
    world.lead(Op::TrimAudit(TrimAudit { before_s: u64::MAX }));
    assert!(!log(&world).is_empty());
    world.ok(Op::PutSetting(PutSetting { name: "grace_seconds".into(), value: "300".into() }));
    assert!(verify(&world).problems.is_empty());
}

#[test]
fn usage_is_kept_by_the_hour() {
    let mut world = World::new();
    let io = |read_bytes| {
        Some(holdfast_proto::session::ClientIo { read_bytes, ..holdfast_proto::session::ClientIo::default() })
    };
    world.now = 3_600_000_000_000 * 10_000;
    world.lead(Op::NoteUsage(NoteUsage { raw: 5, io: io(10), io_s: 60, ..NoteUsage::default() }));
    world.lead(Op::NoteUsage(NoteUsage { raw: 6, io: io(20), io_s: 60, ..NoteUsage::default() }));
    world.now += 3_600_000_000_000;
    world.lead(Op::NoteUsage(NoteUsage { raw: 7, io: io(1), io_s: 60, ..NoteUsage::default() }));
    let usage = world.ask(Query::ListUsage(ListUsage { from_hour: 0 })).usage;
    let seen: Vec<_> = usage.iter().map(|u| (u.hour, u.raw, u.io.unwrap().read_bytes, u.io_s)).collect();
    assert_eq!(seen, [(10_000, 6, 30, 120), (10_001, 7, 1, 60)]);
    world.now += 3_600_000_000_000 * 400 * 24;
    world.lead(Op::NoteUsage(NoteUsage::default()));
    let usage = world.ask(Query::ListUsage(ListUsage { from_hour: 0 })).usage;
    assert_eq!(usage.len(), 2, "what is older than 400 days goes");
}
