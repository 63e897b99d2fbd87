//! Inodes without names against a state in memory: what one leader after another frees, and when.

use holdfast_proto::ids::{NodeId, ROOT_INO};
use holdfast_proto::inode::FileKind;
use holdfast_proto::map::Redundancy;
use holdfast_proto::op::{Command, Create, ExpireSession, Genesis, Noop, PutClass, RegisterNode, Unlink};
use holdfast_proto::session::{KeepOpens, Open, OpenSession};
use holdfast_state::{check, keys};

use super::super::testing::{Meta, Servers};
use super::*;

type Boss = Leader<Meta, Servers>;

const MOUNT: u64 = 5;
const OTHER: u64 = 6;

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
        let mut world = Self { meta, seq: 0 };
        world.send(MOUNT, Op::Noop(Noop {}));
        world
    }

    /// A command of a session that holds files.
    fn send(&mut self, session: u64, op: Op) -> Reply {
        self.seq += 1;
        let open = OpenSession { ttl_ms: 10_000, holds_files: true, ..OpenSession::default() };
        let command =
            Command { session, seq: self.seq, open: Some(open), op: Some(op), ..Command::default() };
        self.meta.apply(&command).into_result().unwrap()
    }

    /// A file that was made, and lost its name again.
    fn nameless(&mut self, open: u64) -> u64 {
        let create = Create {
            parent: ROOT_INO.0,
            name: "f".into(),
            kind: FileKind::File as i32,
            open,
            ..Create::default()
        };
        let ino = self.send(MOUNT, Op::Create(create)).inode.unwrap().ino;
        self.send(MOUNT, Op::Unlink(Unlink { parent: ROOT_INO.0, name: "f".into(), unheld: None }));
        ino
    }

    fn boss(&self, term: u64) -> Boss {
        Leader::new(self.meta.clone(), Servers::default(), NodeId(1), term)
    }

    fn has(&self, ino: u64) -> bool {
        self.meta.table().iter().any(|(key, _)| *key == keys::inode(ino))
    }
}

/// What a round freed and kept.
async fn look(boss: &Boss) -> (u64, u64) {
    let done = round(boss, &mut None).await.unwrap();
    (done.freed, done.kept)
}

fn asserts(term: u64, session: u64, opens: &[u64]) -> KeepOpens {
    let opens = opens.iter().map(|ino| Open { ino: *ino, number: 1 }).collect();
    KeepOpens { session, term, assertion: 1, opens, upto: 1, last: true, ..KeepOpens::default() }
}

#[tokio::test]
async fn a_new_leader_frees_only_when_every_session_has_spoken_or_ended() {
    let mut world = World::new();
    world.send(OTHER, Op::Noop(Noop {}));
    let (held, free) = (world.nameless(0), world.nameless(0));
    let boss = world.boss(2);
    assert_eq!(look(&boss).await, (0, 2), "not announced");
    announce(&boss).await.unwrap();
    assert_eq!(look(&boss).await, (0, 2), "nobody spoke");
    boss.opens.keep(&asserts(2, MOUNT, &[held]));
    assert_eq!(look(&boss).await, (0, 2), "one did");
    world.meta.run(Op::ExpireSession(ExpireSession { session: OTHER }));
    assert_eq!(look(&boss).await, (1, 1), "the other ended");
    assert!(world.has(held) && !world.has(free));

    // The next one begins anew.
    let next = world.boss(3);
    announce(&next).await.unwrap();
    assert_eq!(look(&next).await, (0, 1));
    next.opens.keep(&asserts(2, MOUNT, &[]));
    assert_eq!(look(&next).await, (0, 1), "that was said to another leader");
    next.opens.keep(&asserts(3, MOUNT, &[held]));
    assert_eq!(look(&next).await, (0, 1));
    // The one before does not know that it was deposed, and believes that nobody holds the file.
    boss.opens.close(MOUNT, held, 1);
    assert_eq!(look(&boss).await, (0, 1));
    next.opens.close(MOUNT, held, 1);
    assert_eq!(look(&next).await, (1, 0));
    assert!(check(&world.meta.table()).unwrap().is_clean());
}

#[tokio::test]
async fn a_file_whose_opening_reply_is_on_its_way_is_kept() {
    let mut world = World::new();
    let boss = world.boss(1);
    announce(&boss).await.unwrap();
    boss.opens.keep(&asserts(1, MOUNT, &[]));
    assert_eq!(look(&boss).await, (0, 0));
    boss.opens.keep(&asserts(1, MOUNT, &[]));
    let creating = boss.opens.begin_create(boss.look(|index, _| Ok(index.0)).await.unwrap());
    let ino = world.nameless(3);
    assert_eq!(look(&boss).await, (0, 1));
    boss.opens.open(MOUNT, ino, 3);
    drop(creating);
    assert_eq!(look(&boss).await, (0, 1));
    boss.opens.close(MOUNT, ino, 3);
    assert_eq!(look(&boss).await, (1, 0));
}

#[tokio::test]
async fn the_end_of_a_session_frees_what_it_held() {
    let mut world = World::new();
    let boss = world.boss(1);
    announce(&boss).await.unwrap();
    let ino = world.nameless(0);
    boss.opens.found(MOUNT);
    boss.opens.keep(&asserts(1, MOUNT, &[ino]));
    assert_eq!(look(&boss).await, (0, 1));
    world.meta.run(Op::ExpireSession(ExpireSession { session: MOUNT }));
    assert_eq!(look(&boss).await, (1, 0));
    assert!(!world.has(ino));
    boss.opens.counted(0);
    assert!(boss.opens.is_idle());
}

#[tokio::test]
async fn nothing_is_announced_before_there_is_a_cluster() {
    let boss = Boss::new(Arc::new(Meta::default()), Servers::default(), NodeId(1), 1);
    announce(&boss).await.unwrap_err();
    assert_eq!(boss.meta.table().iter().count(), 0);
}

#[tokio::test]
async fn an_open_waits_for_what_relies_on_nobody_having_it() {
    let world = World::new();
    let boss = world.boss(1);
    let soon = || Instant::now() + Duration::from_millis(50);
    assert!(!boss.opens.readable(7, soon()).await, "the term is not announced");
    announce(&boss).await.unwrap();
    assert!(boss.opens.readable(7, soon()).await);
    round(&boss, &mut None).await.unwrap();
    boss.opens.keep(&asserts(1, MOUNT, &[]));
    let (claim, unheld) = boss.opens.claim(&[7, 8], 1).unwrap();
    assert_eq!(unheld.inos, [7, 8]);
    assert!(!boss.opens.readable(7, soon()).await);
    assert!(boss.opens.readable(9, soon()).await);
    let opens = boss.opens.clone();
    let waiting =
        tokio::spawn(async move { opens.readable(7, Instant::now() + Duration::from_secs(60)).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!waiting.is_finished());
    drop(claim);
    assert!(waiting.await.unwrap());
}
