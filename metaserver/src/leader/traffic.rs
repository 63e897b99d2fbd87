//! What clients and disks do: sums out of their heartbeats, rates of the last seconds, a course of the last hour and day,
//! and once in a while a record of how full and busy the cluster was.
//!
//! What always holds: sums are taken from differences, so that a client that began anew, or whose heartbeats overtook one
//! another, never counts twice; memory is bounded by the clients and disks there are. Nothing is decided by these figures.
//!
//! Fed by the services, read by `Condition` and `Recent`; the loop keeps the courses.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use holdfast_proto::admin::{DiskRates, NodeAbout, RecentReply};
use holdfast_proto::cluster::{DiskIo, Heartbeat};
use holdfast_proto::op::{NoteUsage, Op};
use holdfast_proto::query::Totals;
use holdfast_proto::session::ClientIo;
use holdfast_proto::status::Status;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::ports::{Chunkservers, Metadata};
use super::totals;

const NAME: &str = "traffic";
const ROUND: Duration = Duration::from_secs(1);
/// Rates are over so many rounds.
const LATELY: usize = 5;
/// A point of the fine course, and how many of them: an hour.
const FINE: (Duration, usize) = (Duration::from_secs(10), 360);
/// A point of the coarse one: a day.
const COARSE: (Duration, usize) = (Duration::from_secs(60), 1440);
/// How often usage is written down.
const NOTE: Duration = Duration::from_secs(600);
/// The first time a leader does, so that a new cluster has something to show.
const FIRST_NOTE: Duration = Duration::from_secs(60);
/// Clients that were silent for so long are forgotten.
const FORGET: Duration = Duration::from_secs(3600);
/// Clients remembered at most.
const MOST_CLIENTS: usize = 1 << 20;

/// See the module's first lines.
#[derive(Debug)]
pub struct Traffic {
    clients: HashMap<u64, (Instant, ClientIo)>,
    total: ClientIo,
    disks: HashMap<u32, Disk>,
    about: BTreeMap<u64, (String, u64)>,
    lately: VecDeque<(Instant, ClientIo)>,
    fine: Course,
    coarse: Course,
    noted: (Instant, ClientIo),
}

#[derive(Clone, Copy, Debug)]
struct Disk {
    at: Instant,
    sums: DiskIo,
    rates: DiskRates,
}

/// Points at equal distances.
#[derive(Debug)]
struct Course {
    step: Duration,
    most: usize,
    from: (Instant, ClientIo),
    points: VecDeque<ClientIo>,
}

impl Course {
    fn new(now: Instant, (step, most): (Duration, usize)) -> Self {
        Self { step, most, from: (now, ClientIo::default()), points: VecDeque::new() }
    }

    fn go_on(&mut self, now: Instant, total: ClientIo) {
        if now.duration_since(self.from.0) < self.step {
            return;
        }
        self.points.push_back(per_second(&total.since(&self.from.1), now.duration_since(self.from.0)));
        self.from = (now, total);
        while self.points.len() > self.most {
            self.points.pop_front();
        }
    }
}

/// Bytes and counts per second; times become means.
fn per_second(sums: &ClientIo, time: Duration) -> ClientIo {
    let ms = time.as_millis().max(1);
    let rate = |sum: u64| u64::try_from(u128::from(sum) * 1000 / ms).unwrap_or(u64::MAX);
    let mean = |time: u64, count: u64| time.checked_div(count).unwrap_or(0);
    ClientIo {
        read_bytes: rate(sums.read_bytes),
        write_bytes: rate(sums.write_bytes),
        // Rounded up: one read in ten seconds is not none.
        reads: rate(sums.reads).max(u64::from(sums.reads > 0)),
        writes: rate(sums.writes).max(u64::from(sums.writes > 0)),
        metas: rate(sums.metas).max(u64::from(sums.metas > 0)),
        read_us: mean(sums.read_us, sums.reads),
        write_us: mean(sums.write_us, sums.writes),
        meta_us: mean(sums.meta_us, sums.metas),
    }
}

impl Traffic {
    /// Nothing heard yet.
    pub fn new(now: Instant) -> Self {
        Self {
            clients: HashMap::new(),
            total: ClientIo::default(),
            disks: HashMap::new(),
            about: BTreeMap::new(),
            lately: VecDeque::new(),
            fine: Course::new(now, FINE),
            coarse: Course::new(now, COARSE),
            noted: (now, ClientIo::default()),
        }
    }

    /// What a client says it did.
    pub fn client(&mut self, now: Instant, session: u64, sums: &ClientIo) {
        let room = self.clients.len() < MOST_CLIENTS;
        match self.clients.get_mut(&session) {
            Some((heard, before)) => {
                let news = sums.since(before);
                self.total = self.total.plus(&news);
                *heard = now;
                *before = before.plus(&news);
            }
            // What it did before this leader heard of it is somebody else's to count.
            None if room => drop(self.clients.insert(session, (now, *sums))),
            None => {}
        }
    }

    /// What a node says of itself and its disks.
    pub fn node(&mut self, now: Instant, beat: &Heartbeat) {
        self.about.insert(beat.node, (beat.version.clone(), beat.uptime_ms));
        for report in &beat.disks {
            let (Some(disk), Some(sums)) = (report.disk, report.io) else { continue };
            let fresh = Disk { at: now, sums, rates: DiskRates { disk: disk.disk, ..DiskRates::default() } };
            let known = self.disks.entry(disk.disk).or_insert(fresh);
            let time = now.duration_since(known.at);
            if time >= Duration::from_millis(500) {
                let rates = disk_rates(disk.disk, &known.sums, &sums, time);
                *known = Disk { at: now, sums, rates };
            }
        }
    }

    /// What clients do, over the last seconds.
    pub fn now(&self) -> ClientIo {
        match (self.lately.front(), self.lately.back()) {
            (Some((from, before)), Some((to, now))) if to > from => {
                per_second(&now.since(before), to.duration_since(*from))
            }
            _ => ClientIo::default(),
        }
    }

    /// What disks do that were heard of lately.
    pub fn disks(&self, now: Instant) -> Vec<DiskRates> {
        let fresh = |disk: &&Disk| now.duration_since(disk.at) < Duration::from_secs(10);
        let mut all: Vec<DiskRates> = self.disks.values().filter(fresh).map(|disk| disk.rates).collect();
        all.sort_unstable_by_key(|rates| rates.disk);
        all
    }

    /// What nodes say of themselves.
    pub fn about(&self) -> Vec<NodeAbout> {
        let about = self.about.iter();
        about
            .map(|(node, (version, uptime_ms))| NodeAbout {
                node: *node,
                version: version.clone(),
                uptime_ms: *uptime_ms,
            })
            .collect()
    }

    /// The course of the last hour, or of the last day.
    pub fn recent(&self, fine: bool) -> RecentReply {
        let course = if fine { &self.fine } else { &self.coarse };
        let age = course.from.0.elapsed();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        RecentReply {
            step_s: course.step.as_secs(),
            last_s: now.saturating_sub(age).as_secs(),
            points: course.points.iter().copied().collect(),
        }
    }

    fn go_on(&mut self, now: Instant) {
        self.lately.push_back((now, self.total));
        while self.lately.len() > LATELY + 1 {
            self.lately.pop_front();
        }
        self.fine.go_on(now, self.total);
        self.coarse.go_on(now, self.total);
    }

    fn forget(&mut self, now: Instant, known: impl Fn(u32) -> bool, node: impl Fn(u64) -> bool) {
        self.clients.retain(|_, (heard, _)| now.duration_since(*heard) < FORGET);
        self.disks.retain(|disk, _| known(*disk));
        self.about.retain(|id, _| node(*id));
    }

    /// What clients did since the last note, and for how many seconds.
    fn news(&self, now: Instant) -> (ClientIo, u64) {
        (self.total.since(&self.noted.1), now.duration_since(self.noted.0).as_secs())
    }
}

fn disk_rates(disk: u32, before: &DiskIo, now: &DiskIo, time: Duration) -> DiskRates {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    let rate = |now: u64, before: u64| now.saturating_sub(before).saturating_mul(1000) / ms;
    let busy = now.busy_us.saturating_sub(before.busy_us) / ms;
    DiskRates {
        disk,
        read_bytes: rate(now.read_bytes, before.read_bytes),
        write_bytes: rate(now.write_bytes, before.write_bytes),
        reads: rate(now.reads, before.reads),
        writes: rate(now.writes, before.writes),
        load: u32::try_from(busy.min(1000)).unwrap_or(1000),
    }
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut due = FIRST_NOTE;
    while leader.pause(ROUND).await {
        let now = Instant::now();
        let since = {
            let mut traffic = leader.traffic.lock();
            traffic.go_on(now);
            now.duration_since(traffic.noted.0)
        };
        if since < due {
            continue;
        }
        due = NOTE;
        match note(&leader, now).await {
            Ok(()) => leader.board.set(NAME, Doing::Idle, "usage is written down"),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// Writes down how full and busy the cluster is.
pub(crate) async fn note<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    now: Instant,
) -> Result<(), Status> {
    let stored = leader.look(|_, view| Ok(facts::state(view)?.bytes)).await?;
    let mut totals = Totals::default();
    let (io, io_s) = {
        let cluster = leader.cluster.lock();
        let mut traffic = leader.traffic.lock();
        totals::fill(&cluster, &mut totals);
        traffic.forget(
            now,
            |disk| cluster.disks.contains_key(&disk),
            |node| cluster.nodes.contains_key(&node),
        );
        traffic.news(now)
    };
    let op = NoteUsage {
        hour: 0,
        raw: totals.raw_capacity,
        raw_used: totals.raw_used,
        stored,
        available: totals.available,
        io: Some(io),
        io_s,
    };
    leader.propose(Op::NoteUsage(op)).await?;
    let mut traffic = leader.traffic.lock();
    traffic.noted = (now, traffic.noted.1.plus(&io));
    Ok(())
}

#[cfg(test)]
mod tests {
    use holdfast_proto::cluster::DiskReport;
    use holdfast_proto::op::DiskRef;

    use super::*;

    fn sums(reads: u64) -> ClientIo {
        ClientIo { reads, read_bytes: reads * 100, read_us: reads * 7, ..ClientIo::default() }
    }

    #[test]
    fn sums_that_overtake_or_begin_anew_count_once() {
        let start = Instant::now();
        let mut traffic = Traffic::new(start);
        traffic.client(start, 1, &sums(1000));
        assert_eq!(traffic.total, ClientIo::default(), "what was before is not this leader's");
        traffic.client(start, 1, &sums(1010));
        traffic.client(start, 1, &sums(1005));
        traffic.client(start, 1, &sums(1010));
        assert_eq!(traffic.total.reads, 10);
        traffic.client(start, 2, &sums(0));
        traffic.client(start, 2, &sums(5));
        assert_eq!(traffic.total.reads, 15);
    }

    #[test]
    fn rates_are_of_the_last_seconds() {
        let start = Instant::now();
        let mut traffic = Traffic::new(start);
        traffic.client(start, 1, &sums(0));
        for second in 0..30 {
            let now = start + Duration::from_secs(second);
            traffic.client(now, 1, &sums(second.min(20) * 50));
            traffic.go_on(now);
            if second == 15 {
                let now = traffic.now();
                assert_eq!((now.reads, now.read_bytes, now.read_us), (50, 5000, 7));
            }
        }
        assert_eq!(traffic.now(), ClientIo::default(), "nobody reads any more");
        let recent = traffic.recent(true);
        assert_eq!((recent.step_s, recent.points.len()), (10, 2));
        assert_eq!(recent.points[0].reads, 50);
    }

    #[test]
    fn disks_have_rates_and_a_load() {
        let start = Instant::now();
        let mut traffic = Traffic::new(start);
        let beat = |read_bytes, busy_us| Heartbeat {
            node: 3,
            version: "1".into(),
            disks: vec![DiskReport {
                disk: Some(DiskRef { disk: 7, incarnation: 1 }),
                io: Some(DiskIo { read_bytes, busy_us, ..DiskIo::default() }),
                ..DiskReport::default()
            }],
            ..Heartbeat::default()
        };
        traffic.node(start, &beat(100, 0));
        let then = start + Duration::from_secs(2);
        traffic.node(then, &beat(4100, 500_000));
        let rates = traffic.disks(then);
        assert_eq!((rates[0].read_bytes, rates[0].load), (2000, 250));
        assert_eq!(traffic.about()[0].version, "1");
        assert!(traffic.disks(then + Duration::from_secs(11)).is_empty(), "silent for too long");
        // A node that began anew: no rate below nothing.
        traffic.node(then + Duration::from_secs(1), &beat(0, 0));
        assert_eq!(traffic.disks(then + Duration::from_secs(1))[0].read_bytes, 0);
    }
}
