//! The trash against a state in memory: what one leader after another lets go of, and when.

use holdfast_proto::ids::NodeId;
use holdfast_proto::inode::Content;
use holdfast_proto::map::{Liveness, Redundancy};
use holdfast_proto::op::{
    Command, CreateBucket, DeleteObjects, Genesis, PutClass, PutObject, PutSetting, RegisterNode, Reply,
};
use holdfast_proto::session::OpenSession;
use holdfast_state::{check, settings, work};

use super::super::testing::{Meta, Servers, cluster};
use super::*;

type Boss = Leader<Meta, Servers>;

const SESSION: u64 = 5;
/// Seconds for which files are kept here.
const KEPT: u64 = 100;

struct World {
    meta: Arc<Meta>,
    seq: u64,
}

impl World {
    fn new() -> Self {
        let meta = Arc::new(Meta::default());
        let node = RegisterNode {
            nonce: vec![1; 16].into(),
            address: "n1:1".into(),
            roles: 3,
            ..Default::default()
        };
        let class = PutClass {
            name: "default".into(),
            redundancy: Some(Redundancy::replicated(1, 1)),
            inline_limit: 4096,
            chunk_bytes: 8 << 20,
            ..PutClass::default()
        };
        meta.run(Op::Genesis(Genesis {
            cluster: vec![1; 16].into(),
            node: Some(node),
            class: Some(class),
            state_version: holdfast_state::limits::STATE_VERSION,
            ..Genesis::default()
        }));
        for (name, value) in [(settings::TRASH_SECONDS, KEPT), (settings::TRASH_MIN_AGE_SECONDS, 0)] {
            meta.run(Op::PutSetting(PutSetting { name: name.into(), value: value.to_string() }));
        }
        let mut world = Self { meta, seq: 0 };
        world.send(0, Op::CreateBucket(CreateBucket { name: "box".into(), ..CreateBucket::default() }));
        world
    }

    fn send(&mut self, up_s: u32, op: Op) -> Reply {
        self.seq += 1;
        let (session, seq) = (SESSION, self.seq);
        let open = Some(OpenSession { ttl_ms: 10_000, ..OpenSession::default() });
        let command = Command { session, seq, up_s, open, op: Some(op), now_ns: 1, ..Command::default() };
        self.meta.apply(&command).into_result().unwrap()
    }

    /// Files of a kibibyte that are deleted, as the leader's service would have it.
    fn trash(&mut self, boss: &Boss, files: u32) {
        for number in 0..files {
            let key = bytes::Bytes::from(format!("{}-{number}", self.seq));
            let inline = Some(bytes::Bytes::from(vec![7; 1024]));
            let content = Some(Content { size: 1024, inline, ..Content::default() });
            let put = PutObject { bucket: "box".into(), key: key.clone(), content, ..PutObject::default() };
            self.send(0, Op::PutObject(put));
            let delete = DeleteObjects { bucket: "box".into(), keys: vec![key], ..DeleteObjects::default() };
            self.send(boss.uptime.uncounted_s(), Op::DeleteObjects(delete));
        }
    }

    fn boss(&self, term: u64) -> Boss {
        let boss = Leader::new(self.meta.clone(), Servers::default(), NodeId(1), term);
        *boss.cluster.lock() = cluster(&[1, 1, 1], 3);
        boss
    }

    fn kept(&self) -> u64 {
        let table = self.meta.table();
        let report = check(&table).unwrap();
        assert!(report.is_clean(), "{:?}", report.problems);
        work::state(&table).unwrap().trashed
    }
}

async fn look(boss: &Boss) -> Emptied {
    round(boss, &mut Squeeze::default()).await.unwrap()
}

/// A round that finds room short, and another one when that has lasted.
async fn squeezed(boss: &Boss, squeeze: &mut Squeeze) -> Emptied {
    assert_eq!(round(boss, squeeze).await.unwrap().early, 0, "it may be for a moment only");
    pass(9).await;
    round(boss, squeeze).await.unwrap()
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn files_go_when_the_leaders_led_for_long_enough() {
    let mut world = World::new();
    let boss = world.boss(1);
    pass(50).await;
    // More than one command lets go of.
    let many = 2 * MAX_EMPTIED as u32 + 10;
    world.trash(&boss, many);
    let done = look(&boss).await;
    assert_eq!((done.due, done.kept, done.bytes), (0, u64::from(many), u64::from(many) * 1024));
    assert_eq!(done.next, Some(Duration::from_secs(KEPT)));
    pass(KEPT - 1).await;
    assert_eq!(look(&boss).await.due, 0);
    // What it had not brought into the log goes with it: the files stay longer.
    let next = world.boss(2);
    pass(KEPT + 50 - 1).await;
    assert_eq!(look(&next).await.due, 0);
    pass(1).await;
    let done = look(&next).await;
    assert_eq!((done.due, done.kept, world.kept()), (u64::from(many), 0, 0));
    assert_eq!(work::state(&world.meta.table()).unwrap().uptime_s, KEPT + 50);
}

#[tokio::test(start_paused = true)]
async fn a_deposed_leader_lets_go_of_nothing() {
    let mut world = World::new();
    let boss = world.boss(1);
    world.trash(&boss, 3);
    pass(2 * KEPT).await;
    world.meta.deposed.store(true, Ordering::Release);
    round(&boss, &mut Squeeze::default()).await.unwrap_err();
    assert_eq!(world.kept(), 3);
}

#[tokio::test(start_paused = true)]
async fn for_lack_of_room_files_go_early_and_only_then() {
    let mut world = World::new();
    let boss = world.boss(1);
    world.trash(&boss, 300);
    assert_eq!(look(&boss).await.early, 0);
    boss.cluster.lock().disks.values_mut().for_each(|disk| disk.capacity = 1 << 30);
    boss.cluster.lock().disks.get_mut(&2).unwrap().liveness = Liveness::Full;
    let mut squeeze = Squeeze::default();
    assert_eq!(squeezed(&boss, &mut squeeze).await.early, 0, "this leader does not know yet who is there");
    pass(10).await;
    // What is over before it has lasted begins anew.
    assert_eq!(round(&boss, &mut squeeze).await.unwrap().early, 0);
    boss.cluster.lock().disks.get_mut(&2).unwrap().liveness = Liveness::Alive;
    pass(5).await;
    assert_eq!(round(&boss, &mut squeeze).await.unwrap().early, 0);
    boss.cluster.lock().disks.get_mut(&2).unwrap().liveness = Liveness::Full;
    let done = squeezed(&boss, &mut squeeze).await;
    assert_eq!((done.early, world.kept()), (300, 0), "less than one slice");
    world.trash(&boss, 10);
    assert_eq!(round(&boss, &mut squeeze).await.unwrap().early, 0, "that room has not come back yet");
    pass(6).await;
    assert_eq!(round(&boss, &mut squeeze).await.unwrap().early, 10);
    // Metadata without room is a lack of room, too.
    boss.cluster.lock().disks.get_mut(&2).unwrap().liveness = Liveness::Alive;
    world.trash(&boss, 5);
    assert_eq!(look(&boss).await.early, 0);
    boss.short_of_room.store(true, Ordering::Relaxed);
    assert_eq!(squeezed(&boss, &mut Squeeze::default()).await.early, 5);
}

#[tokio::test(start_paused = true)]
async fn slices_begin_small_and_grow_and_those_due_first_go_first() {
    let mut world = World::new();
    let boss = world.boss(1);
    boss.short_of_room.store(true, Ordering::Relaxed);
    world.trash(&boss, 50);
    pass(16).await;
    world.trash(&boss, 50);
    // A slice of so many files that the last command is cut short.
    let mut squeeze = Squeeze { slice: 20 * (1024 + RECORDS), ..Squeeze::default() };
    let done = squeezed(&boss, &mut squeeze).await;
    assert_eq!((done.early, world.kept()), (40, 60));
    let left = facts::trash(&world.meta.table(), u64::MAX, 100).unwrap();
    assert_eq!(left.iter().filter(|kept| kept.due_s == KEPT).count(), 10);
    assert_eq!(squeeze.next_slice(0, 0), 80 * (1024 + RECORDS));
    assert_eq!(Squeeze::default().next_slice(1 << 20, 0), SLICE_BYTES);
    assert_eq!(Squeeze::default().next_slice(1 << 40, 0), (1 << 40) / SLICE_DIVISOR);
    assert_eq!(Squeeze::default().next_slice(1 << 40, 1 << 40), (1 << 40) / COPIES);
}

#[tokio::test(start_paused = true)]
async fn the_next_slice_waits_for_the_garbage_of_the_last() {
    let mut squeeze = Squeeze::default();
    assert!(squeeze.had_its_time(Instant::now(), 7), "the first waits for nothing");
    squeeze.begun(1);
    pass(10).await;
    assert!(!squeeze.had_its_time(Instant::now(), 7));
    assert!(!squeeze.had_its_time(Instant::now(), 0), "disks need a moment");
    pass(5).await;
    assert!(squeeze.had_its_time(Instant::now(), 0));
    squeeze.begun(2);
    pass(40).await;
    assert!(squeeze.had_its_time(Instant::now(), 7), "a disk that is away holds nobody up");
}
