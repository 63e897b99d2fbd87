//! The loops against a state in memory and chunkservers in memory: what is repaired, what is deleted, what must not be.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::ids::{ChunkId, ChunkNumber, Grant, NodeId};
use holdfast_proto::inode::{ChunkAck, ChunkCommit, Content, Extent};
use holdfast_proto::map::{FailureDomain, Pg, Redundancy, Standing};
use holdfast_proto::op::{
    BeginDraft, ChangePg, Command, CreateBucket, CreatePgs, CreateUpload, DeleteObjects, DiskRef, FillDraft,
    Genesis, NewPg, Noop, Op, PutClass, PutObject, PutPart, PutSetting, RegisterDisk, RegisterNode,
    RenewGrant, Reply, SetDisk,
};
use holdfast_proto::session::OpenSession;
use holdfast_proto::status::Code;
use holdfast_state::plan::repair::Risk;
use holdfast_state::{check, keys, records, settings, work};
use tokio::time::Instant;

use super::context::Leader;
use super::liveness::{Hearing, Patience};
use super::measure::Measure;
use super::orphans::{Swept, sweep_disk};
use super::repair::{repair_group, survey};
use super::testing::{Meta, Servers, beat_all};
use super::{drafts, expiry, facts, findings, gc, groups, uptime};

#[path = "tests/procedures.rs"]
mod procedures_tests;

#[path = "tests/crosscheck.rs"]
mod crosscheck_tests;

type Boss = Leader<Meta, Servers>;

/// A cluster with one disk per node, and what a test does to it.
struct World {
    meta: Arc<Meta>,
    servers: Servers,
    disks: Vec<DiskRef>,
    seq: u64,
    grant: u64,
    counter: u32,
}

const WRITER: u64 = 5;

fn register(node: u8) -> RegisterNode {
    RegisterNode {
        nonce: Bytes::from(vec![node; 16]),
        address: format!("n{node}:1"),
        roles: 3,
        ..RegisterNode::default()
    }
}

impl World {
    fn new(nodes: u8, copies: u32) -> Self {
        let meta = Arc::new(Meta::default());
        let class = PutClass {
            name: "default".into(),
            redundancy: Some(Redundancy::replicated(copies, copies.min(2))),
            domain: if copies > 1 { FailureDomain::Host } else { FailureDomain::Disk } as i32,
            inline_limit: 4096,
            chunk_bytes: 8 << 20,
            ..PutClass::default()
        };
        meta.run(Op::Genesis(Genesis {
            cluster: Bytes::from(vec![1; 16]),
            node: Some(register(1)),
            class: Some(class),
            state_version: holdfast_state::limits::STATE_VERSION,
            ..Genesis::default()
        }));
        let mut world =
            Self { meta, servers: Servers::default(), disks: Vec::new(), seq: 0, grant: 0, counter: 0 };
        for node in 1..=nodes {
            world.join(node);
        }
        // What is deleted here is to be collected.
        world
            .meta
            .run(Op::PutSetting(PutSetting { name: settings::TRASH_SECONDS.into(), value: "0".into() }));
        let opened = world.send(Op::Noop(Noop {}));
        world.grant = opened.grant;
        world.send(Op::CreateBucket(CreateBucket { name: "box".into(), owner: "me".into(), class: 0 }));
        world
    }

    fn join(&mut self, node: u8) {
        let id = if node == 1 { 1 } else { self.meta.run(Op::RegisterNode(register(node))).id };
        let disk = RegisterDisk {
            node: id,
            fingerprint: Bytes::from(vec![100 + node; 16]),
            capacity: 1 << 40,
            path: "/d".into(),
            ..RegisterDisk::default()
        };
        let reply = self.meta.run(Op::RegisterDisk(disk));
        self.disks.push(DiskRef { disk: reply.id as u32, incarnation: reply.incarnation });
    }

    /// A command of the writing session; refusals are shown to the caller.
    fn try_send(&mut self, op: Op) -> Reply {
        self.seq += 1;
        let open = OpenSession { ttl_ms: 10_000, grant: self.seq == 1, ..OpenSession::default() };
        self.meta.apply(&Command {
            session: WRITER,
            seq: self.seq,
            lowest_unanswered: self.seq,
            now_ns: 1,
            open: Some(open),
            op: Some(op),
            ..Command::default()
        })
    }

    fn send(&mut self, op: Op) -> Reply {
        self.try_send(op).into_result().unwrap()
    }

    fn boss(&self, term: u64) -> Boss {
        Leader::new(self.meta.clone(), self.servers.clone(), NodeId(1), term)
    }

    /// One that has listened long enough to know who is silent.
    fn seasoned_boss(&self, term: u64) -> Boss {
        let boss = self.boss(term);
        let since = Instant::now().checked_sub(Duration::from_secs(20)).unwrap();
        *boss.hearing.lock() = Hearing::new(since, Patience::default());
        boss
    }

    fn group(&self, disks: &[usize]) -> u32 {
        let new = NewPg { class: 1, disks: disks.iter().map(|d| self.disks[*d]).collect() };
        self.meta.run(Op::CreatePgs(CreatePgs { pgs: vec![new] })).id as u32
    }

    fn pg(&self, pg: u32) -> Pg {
        records::load(&self.meta.table(), &keys::pg(pg)).unwrap().unwrap()
    }

    fn epoch(&self) -> u64 {
        work::state(&self.meta.table()).unwrap().epoch
    }

    fn number(&mut self) -> u64 {
        self.counter += 1;
        ChunkNumber::from_grant(Grant(self.grant), self.counter).unwrap().0
    }

    /// Puts the bytes on these disks and says so, as of now.
    fn write(&mut self, pg: u32, disks: &[usize]) -> ChunkCommit {
        let number = self.number();
        let epoch = self.epoch();
        let ack = |disk: &usize| {
            let disk = self.disks[*disk];
            self.servers.put(disk, pg, number);
            ChunkAck { disk: disk.disk, incarnation: disk.incarnation, epoch }
        };
        let acks = disks.iter().map(ack).collect();
        ChunkCommit { pg, number, length: 10_000, blake3: Bytes::from(vec![7; 32]), acks }
    }

    fn commit(&mut self, key: &str, chunk: &ChunkCommit) -> Reply {
        let extent = Extent {
            length: chunk.length,
            pg: chunk.pg,
            number: chunk.number,
            chunk_bytes: chunk.length,
            ..Extent::default()
        };
        let content =
            Content { size: chunk.length, inline: None, chunks: vec![chunk.clone()], extents: vec![extent] };
        self.try_send(Op::PutObject(PutObject {
            bucket: "box".into(),
            key: Bytes::copy_from_slice(key.as_bytes()),
            content: Some(content),
            ..PutObject::default()
        }))
    }

    fn store(&mut self, key: &str, pg: u32, disks: &[usize]) -> u64 {
        let chunk = self.write(pg, disks);
        self.commit(key, &chunk).into_result().unwrap();
        chunk.number
    }

    fn remove(&mut self, key: &str) -> u64 {
        let keys = vec![Bytes::copy_from_slice(key.as_bytes())];
        self.send(Op::DeleteObjects(DeleteObjects { bucket: "box".into(), keys, ..DeleteObjects::default() }))
            .index
    }

    fn has(&self, disk: usize, pg: u32, number: u64) -> bool {
        self.servers.has(self.disks[disk], pg, number)
    }

    /// The invariants of the whole state, and that every chunk is on every clean member that is not known to lack it.
    fn check(&self) {
        let table = self.meta.table();
        let report = check(&table).unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
        let epoch_of = |id: ChunkId| work::chunk(&table, id).unwrap().is_some();
        for pg in holdfast_state::map_view::pgs(&table).unwrap() {
            for member in pg.members.iter().filter(|m| m.clean) {
                let disk = DiskRef { disk: member.disk, incarnation: member.incarnation };
                let missing = work::missing_in(&table, member.disk, pg.id, 0, 10_000).unwrap();
                for counter in 1..=self.counter {
                    let number = ChunkNumber::from_grant(Grant(self.grant), counter).unwrap();
                    let id = ChunkId { pg: holdfast_proto::ids::PgId(pg.id), number };
                    if epoch_of(id) && !missing.contains(&number.0) {
                        assert!(self.servers.has(disk, pg.id, number.0), "{id} is not on clean {disk:?}");
                    }
                }
            }
        }
    }
}

/// Repairs until nothing is left to do.
async fn settle(world: &World, boss: &Boss) {
    for _ in 0..40 {
        beat_all(boss).await;
        let pgs: Vec<u32> = boss.cluster.lock().pgs.keys().copied().collect();
        let mut idle = true;
        for seen in survey(boss, &pgs).await.unwrap() {
            let work =
                seen.found.step.is_some() || !seen.found.backfill.is_empty() || !seen.lacking.is_empty();
            boss.outlook.lock().note(seen.pg.id, Some(&seen));
            if work {
                idle = false;
                // A repair may fail; the next round tries again.
                let _ = repair_group(boss, &seen, true).await;
            }
        }
        world.check();
        if idle {
            return;
        }
    }
    panic!("repair does not come to an end");
}

fn stand(world: &World, disk: usize, standing: Standing) {
    world.meta.run(Op::SetDisk(SetDisk {
        id: world.disks[disk].disk,
        standing: Some(standing as i32),
        ..SetDisk::default()
    }));
}

#[tokio::test]
async fn a_given_up_disk_is_replaced_and_its_data_is_whole_again() {
    let mut world = World::new(4, 3);
    let pg = world.group(&[0, 1, 2]);
    let numbers: Vec<u64> = (0..600).map(|i| world.store(&format!("f{i}"), pg, &[0, 1, 2])).collect();
    let boss = world.seasoned_boss(1);
    beat_all(&boss).await;
    stand(&world, 2, Standing::Out);
    settle(&world, &boss).await;
    let members: Vec<u32> = world.pg(pg).members.iter().map(|m| m.disk).collect();
    assert_eq!(members, [world.disks[0].disk, world.disks[1].disk, world.disks[3].disk]);
    assert!(world.pg(pg).members.iter().all(|m| m.clean && !m.temporary));
    assert!(numbers.iter().all(|n| world.has(3, pg, *n)));
    assert_eq!(*world.servers.pulled.lock(), 600);
    boss.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    // A leader of a moment ago does not know yet who else is silent: it gives up no copy.
    let young = world.boss(2);
    beat_all(&young).await;
    young.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    gc::round(&young, &mut gc::Place::default()).await.unwrap();
    assert!(world.has(2, pg, numbers[0]));
    // The old disk drops what it holds once nobody can read there any more.
    boss.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    gc::round(&boss, &mut gc::Place::default()).await.unwrap();
    assert!(!world.has(2, pg, numbers[0]));
    assert!(work::leaving(&world.meta.table(), (0, 0), 10).unwrap().is_empty());
}

#[tokio::test]
async fn a_member_that_joins_between_acknowledgement_and_commit_gets_the_chunk() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1]);
    let early = world.write(pg, &[0, 1]);
    let group = world.pg(pg);
    let add = ChangePg { pg, if_epoch: group.epoch, add: Some(world.disks[2]), ..ChangePg::default() };
    world.meta.run(Op::ChangePg(add));
    let boss = world.boss(1);
    settle(&world, &boss).await;
    assert!(world.pg(pg).members.iter().all(|m| m.clean));
    // Only now, after the member was filled and called clean, the commit arrives.
    world.commit("late", &early).into_result().unwrap();
    assert_eq!(
        work::missing_in(&world.meta.table(), world.disks[2].disk, pg, 0, 10).unwrap(),
        [early.number]
    );
    settle(&world, &boss).await;
    assert!(world.has(2, pg, early.number));
}

#[tokio::test]
async fn an_acknowledgement_from_before_a_rejoin_does_not_count() {
    let mut world = World::new(4, 3);
    let pg = world.group(&[0, 1, 2]);
    let early = world.write(pg, &[1, 2]);
    let boss = world.seasoned_boss(1);
    beat_all(&boss).await;
    // Disk 2 leaves and is dropped, disk 3 takes its place; then 3 leaves and 2 comes back.
    for (out, _) in [(2, 3), (3, 2)] {
        stand(&world, out, Standing::Draining);
        settle(&world, &boss).await;
        boss.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
        gc::round(&boss, &mut gc::Place::default()).await.unwrap();
        stand(&world, out, Standing::In);
    }
    settle(&world, &boss).await;
    assert!(!world.has(2, pg, early.number), "what it had went with its leaving");
    let refused = world.commit("late", &early);
    assert_eq!(refused.rejected, [0], "one counted acknowledgement is not two");
    world.check();
}

#[tokio::test]
async fn garbage_waits_for_readers_and_for_absent_disks() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let number = world.store("f", pg, &[0, 1, 2]);
    let boss = world.boss(1);
    beat_all(&boss).await;
    let before = work::state(&world.meta.table()).unwrap();
    assert_eq!(before.garbage, 0);
    boss.sessions.lock().beat(Instant::now(), WRITER, 1);
    let died = world.remove("f");
    let mut place = gc::Place::default();
    // The writer still reads by what it saw before.
    gc::round(&boss, &mut place).await.unwrap();
    assert!(world.has(0, pg, number) && world.has(1, pg, number));
    boss.sessions.lock().beat(Instant::now(), WRITER, died - 1);
    gc::round(&boss, &mut place).await.unwrap();
    assert!(world.has(0, pg, number), "one index short is too early");
    world.servers.dead.lock().insert(3);
    boss.sessions.lock().beat(Instant::now(), WRITER, died);
    let third = world.pg(pg).members[2];
    world.servers.dead.lock().clear();
    let node = boss.cluster.lock().disks[&third.disk].node;
    world.servers.dead.lock().insert(node);
    gc::round(&boss, &mut place).await.unwrap();
    assert!(!world.has(0, pg, number) && !world.has(1, pg, number));
    assert!(world.has(2, pg, number));
    assert_eq!(work::state(&world.meta.table()).unwrap().garbage, 1, "the batch waits for the absent disk");
    world.servers.dead.lock().clear();
    gc::round(&boss, &mut place).await.unwrap();
    assert!(!world.has(2, pg, number));
    assert_eq!(work::state(&world.meta.table()).unwrap().garbage, 0);
    world.check();
}

#[tokio::test]
async fn a_new_leader_does_not_collect_what_an_unheard_session_may_read() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let number = world.store("f", pg, &[0, 1, 2]);
    let old = world.boss(1);
    old.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    world.remove("f");
    let new = world.boss(2);
    beat_all(&new).await;
    gc::round(&new, &mut gc::Place::default()).await.unwrap();
    assert!(world.has(0, pg, number), "this leader has not heard of the session yet");
    let index = expiry::barrier(&new).await.unwrap();
    new.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    assert!(expiry::barrier(&new).await.unwrap() > index);
    gc::round(&new, &mut gc::Place::default()).await.unwrap();
    assert!(!world.has(0, pg, number));
}

#[tokio::test]
async fn an_orphan_goes_only_when_its_grant_is_closed_and_no_reader_can_need_it() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let abandoned = world.write(pg, &[0, 1, 2]);
    let dead = world.store("f", pg, &[0, 1, 2]);
    let alive = world.store("g", pg, &[0, 1, 2]);
    world.remove("f");
    let boss = world.boss(1);
    beat_all(&boss).await;
    let mut swept = Swept::default();
    sweep_disk(&boss, world.disks[0], Duration::ZERO, &mut swept).await.unwrap();
    assert_eq!(swept, Swept::default(), "its commit may still come");
    let close = RenewGrant { close: vec![world.grant], open: false };
    world.send(Op::RenewGrant(close));
    sweep_disk(&boss, world.disks[0], Duration::ZERO, &mut swept).await.unwrap();
    assert!(!world.has(0, pg, abandoned.number));
    assert!(world.has(0, pg, dead), "it waits in gc/ for readers");
    assert!(world.has(0, pg, alive));
    assert_eq!(swept.deleted, 1);
    // The commit that was delayed past the close of its grant is refused: nothing refers to what is gone.
    assert_eq!(world.commit("late", &abandoned).rejected, [0]);
}

#[tokio::test]
async fn a_lost_replica_is_found_and_copied_anew() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let number = world.store("f", pg, &[0, 1, 2]);
    let kept = world.store("g", pg, &[0, 1, 2]);
    world.servers.lose(world.disks[1], pg, number);
    let boss = world.boss(1);
    beat_all(&boss).await;
    let mut swept = Swept::default();
    sweep_disk(&boss, world.disks[1], Duration::ZERO, &mut swept).await.unwrap();
    assert_eq!(swept.lost, 1);
    settle(&world, &boss).await;
    assert!(world.has(1, pg, number) && world.has(1, pg, kept));
    // A reader's word alone changes nothing; the disk's own does.
    world.servers.lose(world.disks[0], pg, kept);
    let told = findings::look_into(&boss, world.disks[0], pg, [number, kept, 99].into()).await.unwrap();
    assert_eq!(told, 1);
    assert!(world.has(0, pg, kept));
    assert_eq!(work::state(&world.meta.table()).unwrap().missing, 0);
}

#[tokio::test]
async fn the_next_leader_goes_on_with_a_repair_and_copies_nothing_twice() {
    let mut world = World::new(4, 3);
    let pg = world.group(&[0, 1, 2]);
    for i in 0..300 {
        world.store(&format!("f{i}"), pg, &[0, 1, 2]);
    }
    let first = world.boss(1);
    beat_all(&first).await;
    stand(&world, 2, Standing::Out);
    beat_all(&first).await;
    let seen = survey(&first, &[pg]).await.unwrap().remove(0);
    assert_eq!(seen.found.risk, Risk::Misplaced);
    repair_group(&first, &seen, true).await.unwrap();
    // The first leader copied half of it and died.
    let numbers: Vec<u64> =
        (1..=150).map(|c| ChunkNumber::from_grant(Grant(world.grant), c).unwrap().0).collect();
    numbers.iter().for_each(|n| world.servers.put(world.disks[3], pg, *n));
    let second = world.boss(2);
    settle(&world, &second).await;
    assert_eq!(*world.servers.pulled.lock(), 150);
    assert!(world.pg(pg).members.iter().all(|m| m.clean && m.disk != world.disks[2].disk));
}

#[tokio::test]
async fn data_of_the_one_node_days_becomes_replicated_as_nodes_join() {
    let mut world = World::new(1, 1);
    let boss = world.boss(1);
    let mut measure = Measure::default();
    beat_all(&boss).await;
    groups::round(&boss, &mut measure).await.unwrap();
    let groups_now = boss.cluster.lock().pgs.len();
    assert_eq!(groups_now, 32);
    let pg = *boss.cluster.lock().pgs.keys().next().unwrap();
    let number = world.store("f", pg, &[0]);
    for node in [2, 3] {
        world.join(node);
        beat_all(&boss).await;
        groups::round(&boss, &mut measure).await.unwrap();
        settle(&world, &boss).await;
    }
    let group = world.pg(pg);
    assert_eq!(group.members.len(), 3);
    assert!(group.members.iter().all(|m| m.clean && !m.temporary));
    assert!((0..3).all(|disk| world.has(disk, pg, number)));
    let class = boss.cluster.lock().classes[&1].clone();
    assert_eq!(class.redundancy, Some(Redundancy::replicated(3, 2)));
    assert_eq!(class.domain(), FailureDomain::Host);
}

#[tokio::test]
async fn a_deposed_leader_gives_no_orders() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let number = world.store("f", pg, &[0, 1, 2]);
    let boss = world.boss(1);
    beat_all(&boss).await;
    boss.sessions.lock().beat(Instant::now(), WRITER, u64::MAX);
    world.remove("f");
    world.meta.deposed.store(true, std::sync::atomic::Ordering::Release);
    assert!(gc::round(&boss, &mut gc::Place::default()).await.is_err());
    assert!(world.has(0, pg, number));
}

#[tokio::test]
async fn a_draft_that_nobody_goes_on_with_is_given_up() {
    let mut world = World::new(3, 3);
    let pg = world.group(&[0, 1, 2]);
    let chunk = world.write(pg, &[0, 1, 2]);
    let source = world.commit("f", &chunk).inode.unwrap();
    let boss = world.boss(1);
    let plan = BeginDraft {
        source: source.ino,
        source_version: source.version,
        to: source.size,
        ..BeginDraft::default()
    };
    let draft = world.send(Op::BeginDraft(plan)).id;
    let mut seen = drafts::Seen::new();
    let forever = Duration::from_secs(3600);
    assert_eq!(drafts::round(&boss, &mut seen, forever).await.unwrap(), 0);
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [draft]);
    // It grew since: its time begins anew.
    world.send(Op::FillDraft(FillDraft { draft }));
    assert_eq!(drafts::round(&boss, &mut seen, Duration::from_nanos(1)).await.unwrap(), 0);
    assert_eq!(drafts::round(&boss, &mut seen, Duration::from_nanos(1)).await.unwrap(), 1);
    assert_eq!(drafts::round(&boss, &mut seen, Duration::ZERO).await.unwrap(), 0, "it is gone");
    assert_eq!(world.try_send(Op::FillDraft(FillDraft { draft })).status.unwrap().kind(), Code::StaleInode);
    world.check();
}

#[tokio::test]
async fn a_forgotten_upload_is_ended_after_its_time_of_uptime() {
    let mut world = World::new(3, 3);
    let boss = world.boss(1);
    let create = |key: &str| {
        Op::CreateUpload(CreateUpload {
            bucket: "box".into(),
            key: key.to_owned().into(),
            ..CreateUpload::default()
        })
    };
    let forgotten = world.send(create("forgotten")).id;
    let busy = world.send(create("busy")).id;
    let part = |upload| {
        let content = Content { size: 1, inline: Some(Bytes::from_static(b"x")), ..Content::default() };
        Op::PutPart(PutPart { upload, part: 1, content: Some(content), ..PutPart::default() })
    };
    let hour = Duration::from_secs(3600);
    for at in 0..7 * 24 {
        assert_eq!(uptime::round(&boss, hour).await.unwrap(), u64::from(at == 7 * 24 - 1), "hour {at}");
        if at == 100 {
            world.send(part(busy));
        }
    }
    let gone = world.try_send(part(forgotten)).status.unwrap();
    assert_eq!(gone.kind(), Code::NoSuchUpload);
    world.send(part(busy));
    for _ in 0..7 * 24 {
        uptime::round(&boss, 100 * hour).await.unwrap();
    }
    assert_eq!(world.try_send(part(busy)).status.unwrap().kind(), Code::NoSuchUpload);
    assert_eq!(
        facts::state(&world.meta.table()).unwrap().uptime_s,
        2 * 7 * 24 * 3600,
        "at most an hour at once"
    );
    world.check();
}
