//! Rounds on a disk in memory, over restarts, orders and damage.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::ids::PgId;
use holdfast_support::crc::block_crcs;

use super::*;
use crate::disk::mem::MemDisk;
use crate::metrics::Metrics;
use crate::store::{IndexMemory, Put, StoreOptions};

const HOUR: Duration = Duration::from_secs(3600);
const SEGMENT: &str = "0000000000000001.seg";

/// A store on a disk in memory, and the directory that the position lies in.
struct Rig {
    dir: tempfile::TempDir,
    disk: MemDisk,
    store: Store,
    home: DiskHome,
    desk: ScrubDesk,
}

fn config() -> StoreConfig {
    StoreConfig {
        segment_bytes: 512 << 10,
        scrub_rate: 1 << 40,
        scrub_period: HOUR,
        ..StoreConfig::default()
    }
}

fn put(store: &Store, number: u64, force: bool) {
    let payload = Bytes::from(vec![number as u8; 20_000]);
    let put = Put {
        chunk: ChunkId::new(1, number),
        shard: 0,
        chunk_bytes: payload.len() as u64,
        table: block_crcs(&payload).into(),
        blake3: Some(*blake3::hash(&payload).as_bytes()),
        payload,
        epoch: 1,
        joined: 1,
        force,
    };
    store.put_blocking(put).unwrap();
}

impl Rig {
    /// With so many records.
    fn new(records: u64) -> Self {
        let (dir, disk) = (tempfile::tempdir().unwrap(), MemDisk::new(8 << 20));
        let options = StoreOptions {
            config: config(),
            capacity: 0,
            leave: 0,
            fingerprint: [7; 16],
            memory: IndexMemory::new(8 << 20, 4 << 20),
            reads: 1,
            background_reads: 1,
            metrics: Metrics::global().disk("scrubbing"),
        };
        let (store, _) = Store::open(Arc::new(disk.clone()), &dir.path().join("index"), options).unwrap();
        (0..records).for_each(|number| put(&store, number, false));
        let home = DiskHome::open(&dir.path().join("disk")).unwrap();
        let desk = ScrubDesk::default();
        desk.tell(ScrubTold::default());
        Self { dir, disk, store, home, desk }
    }

    /// As a process begins.
    fn scrub(&self) -> Scrubbing<'_> {
        Scrubbing::go_on(&self.home, &self.desk, &config())
    }

    fn order(&self, order: u64) {
        self.desk.tell(ScrubTold { order, ..ScrubTold::default() });
    }

    /// Looks at `most` records of the round, if there is one; whether there was.
    fn read(&self, scrub: &mut Scrubbing<'_>, most: usize) -> bool {
        scrub.follow(&self.store).unwrap();
        let wants = scrub.wants(&self.store, Duration::ZERO);
        if wants {
            let mut left = most;
            let reached = self.store.scrub_step(scrub.cursor(), |looked| {
                scrub.looked(looked);
                left -= 1;
                left > 0
            });
            scrub.reached(reached.unwrap());
            scrub.debt = Debt::none(Instant::now());
        }
        scrub.pause(&self.store);
        wants
    }

    fn report(&self) -> ScrubReport {
        self.desk.report().unwrap()
    }

    fn history(&self) -> Vec<ScrubRound> {
        self.report().history
    }
}

#[test]
fn an_ordered_round_is_gone_on_with_and_not_repeated() {
    let rig = Rig::new(10);
    let mut scrub = rig.scrub();
    assert!(!rig.read(&mut scrub, 100), "a new disk has a whole period");
    rig.order(41);
    assert!(rig.read(&mut scrub, 4));
    scrub.save();
    // The process dies here, and the next one looks at the map before it goes on.
    let mut scrub = rig.scrub();
    assert_eq!(scrub.cursor(), Some(ChunkId::new(1, 3)));
    rig.order(41);
    assert!(rig.read(&mut scrub, 3));
    let round = rig.report().round.unwrap();
    assert_eq!((round.order, round.chunks, round.number), (41, 7, 1));
    assert_eq!(round.bytes * 10, round.to_do * 7);
    assert!(rig.read(&mut scrub, 100));
    let ended = rig.history();
    assert_eq!(ended.len(), 1);
    assert_eq!((ended[0].order, ended[0].chunks, ended[0].bytes), (41, 10, ended[0].to_do));
    assert!(!rig.read(&mut scrub, 100), "carried out");
    assert!(!rig.read(&mut rig.scrub(), 100), "carried out, also for the next process");
    assert_eq!(rig.history(), ended, "the history survives the process");
    rig.order(7);
    assert!(rig.read(&mut rig.scrub(), 100), "an order from before a restore of the metadata is another one");
}

#[test]
fn a_kill_before_the_first_record_keeps_the_order() {
    let rig = Rig::new(3);
    let mut scrub = rig.scrub();
    rig.order(5);
    assert!(scrub.wants(&rig.store, Duration::ZERO));
    // Nothing was written yet: the next process finds the order in the map and begins.
    drop(scrub);
    assert!(rig.read(&mut rig.scrub(), 100));
    assert_eq!(rig.history().len(), 1);
}

#[test]
fn orders_cut_short_what_was_due_and_wait_for_what_was_ordered() {
    let rig = Rig::new(6);
    rig.desk.tell(ScrubTold { period: Some(Duration::ZERO), ..ScrubTold::default() });
    let mut scrub = rig.scrub();
    assert!(rig.read(&mut scrub, 2));
    assert_eq!(rig.report().round.unwrap().order, 0);
    rig.order(11);
    assert!(rig.read(&mut scrub, 2));
    assert_eq!(rig.report().round.unwrap().order, 11);
    assert!(rig.history()[0].cut_short && rig.history()[0].chunks == 2);
    rig.order(12);
    assert!(rig.read(&mut scrub, 2));
    assert_eq!(rig.report().round.map(|round| (round.order, round.chunks)), Some((11, 4)));
    rig.order(13);
    assert!(rig.read(&mut scrub, 100));
    assert!(rig.read(&mut scrub, 100));
    let orders: Vec<(u64, u64, bool)> =
        rig.history().iter().map(|round| (round.order, round.chunks, round.cut_short)).collect();
    assert_eq!(orders, [(0, 2, true), (11, 6, false), (13, 6, false)], "two that waited are one");
    assert!(!rig.read(&mut scrub, 100));
}

#[test]
fn the_period_goes_on_over_restarts_and_clocks_that_jump() {
    let rig = Rig::new(1);
    let at = |ended| ScrubPosition { ended, ..ScrubPosition::default() };
    rig.home.write_scrub(&at(now() - 3601)).unwrap();
    assert!(rig.read(&mut rig.scrub(), 1), "a restart does not begin the period anew");
    rig.home.write_scrub(&at(now() + 1_000_000)).unwrap();
    let mut scrub = rig.scrub();
    assert!(!rig.read(&mut scrub, 1));
    assert!(scrub.position.ended <= now(), "a clock that was ahead must not stop it");
    rig.desk.tell(ScrubTold { period: Some(Duration::ZERO), ..ScrubTold::default() });
    assert!(rig.read(&mut scrub, 1), "the cluster's period counts");
}

#[test]
fn a_position_that_cannot_be_read_costs_reading_everything() {
    let rig = Rig::new(5);
    let mut scrub = rig.scrub();
    rig.order(3);
    assert!(rig.read(&mut scrub, 3));
    scrub.save();
    let file = rig.dir.path().join("disk/scrub");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[30] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    rig.desk.tell(ScrubTold::default());
    let mut scrub = rig.scrub();
    assert!(rig.read(&mut scrub, 100), "at once, not after a whole period");
    assert_eq!(rig.history()[0].chunks, 5);
}

#[test]
fn the_history_is_bounded() {
    let rig = Rig::new(1);
    let mut scrub = rig.scrub();
    for order in 1..=40 {
        rig.order(order);
        assert!(rig.read(&mut scrub, 10) || rig.read(&mut scrub, 10));
    }
    let orders: Vec<u64> = rig.history().iter().map(|round| round.order).collect();
    assert_eq!(orders, (25..=40).collect::<Vec<_>>());
    let mut again = rig.scrub();
    rig.read(&mut again, 1);
    assert_eq!(rig.history().len(), MOST_HISTORY);
}

#[test]
fn nothing_is_read_without_a_word_of_the_leader_or_with_a_rate_of_0() {
    let mut rig = Rig::new(2);
    rig.desk = ScrubDesk::default();
    let mut scrub =
        Scrubbing::go_on(&rig.home, &rig.desk, &StoreConfig { scrub_period: Duration::ZERO, ..config() });
    assert!(!rig.read(&mut scrub, 1), "nobody could be told what is found");
    let told = ScrubTold { rate: Some(0), order: 9, ..ScrubTold::default() };
    rig.desk.tell(told);
    assert!(!rig.read(&mut scrub, 1));
    assert_eq!(rig.report().state(), ScrubState::Off);
    rig.desk.tell(ScrubTold { rate: Some(1 << 40), ..told });
    assert!(rig.read(&mut scrub, 1), "the order has waited");
    rig.desk.tell(told);
    assert!(!rig.read(&mut scrub, 1));
    assert!(rig.report().round.is_some(), "a round rests while the rate is 0");
}

#[test]
fn damage_is_followed_until_it_is_mended_or_gone() {
    let rig = Rig::new(6);
    // Records of 20,000 bytes take six blocks of 4 KiB each, behind the segment's header.
    for number in [1u64, 2, 4] {
        rig.disk.flip(SEGMENT, 8 * (4096 + number * 6 * 4096 + 10_000));
    }
    let mut scrub = rig.scrub();
    rig.order(1);
    assert!(rig.read(&mut scrub, 100));
    assert_eq!((rig.history()[0].damaged, rig.report().open), (3, 3));
    let damaged = [1, 2, 4].map(|number| ChunkId::new(1, number));
    assert_eq!(rig.store.take_damaged(), damaged);
    rig.read(&mut scrub, 100);
    assert!(rig.store.take_damaged().is_empty(), "told once");
    drop(scrub);
    // What was told may be forgotten by now.
    let mut scrub = rig.scrub();
    rig.read(&mut scrub, 100);
    assert_eq!(rig.store.take_damaged(), damaged);
    let revision = rig.report().revision;
    put(&rig.store, 1, true);
    rig.store.delete_blocking(PgId(1), 1, vec![4]).unwrap();
    rig.read(&mut scrub, 100);
    let round = rig.history()[0];
    assert_eq!((round.damaged, round.mended, round.gone, rig.report().open), (3, 1, 1, 1));
    rig.read(&mut scrub, 100);
    assert!(rig.report().revision > revision, "the leader is to hear of it");
    put(&rig.store, 2, true);
    rig.read(&mut rig.scrub(), 100);
    assert_eq!((rig.history()[0].mended, rig.report().open), (2, 0), "followed over restarts");
}
