//! Who is there: the leader's memory of heartbeats and complaints.
//!
//! What always holds:
//! - Time is the leader's monotonic clock, handed in by the caller. Silence counts from the leader's own election at
//!   the earliest, and from the end of its own last stall: nobody is blamed for what the leader slept through.
//! - This is soft state: it decides where new data goes and when repair begins, never what a group's members are.
//!
//! Fed by the heartbeat and report services, read by every loop.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_proto::cluster::{DiskCondition, DiskReport, Heartbeat, ScrubRound};
use holdfast_proto::map::{Liveness, NodeLiveness};
use holdfast_proto::op::DiskRef;
use tokio::time::Instant;

/// When silence means what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// New writes avoid a node from here on.
    pub suspect: Duration,
    /// Counts as gone for now.
    pub down: Duration,
    /// With a complaint of somebody else, this much silence suffices for `suspect`.
    pub doubted: Duration,
    /// How long a complaint counts.
    pub complaint: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            suspect: Duration::from_secs(3),
            down: Duration::from_secs(10),
            // One heartbeat was missed.
            doubted: Duration::from_millis(1200),
            complaint: Duration::from_secs(5),
        }
    }
}

/// Complainers remembered per node; more say nothing new.
const MOST_COMPLAINERS: usize = 16;

/// Different complainers that make a node suspect although it still sends heartbeats (its data network is cut).
const ENOUGH_COMPLAINERS: usize = 3;

/// For how long a node counts as without room after it said so: several times as long as it takes to say it again.
const NO_ROOM: Duration = Duration::from_secs(8);

/// Rounds of scrub remembered per disk.
const MOST_ROUNDS: usize = 16;

#[derive(Debug)]
struct NodeState {
    heard: Instant,
    ever: bool,
    map_epoch: u64,
    disks: BTreeMap<u32, DiskReport>,
    /// When it first spoke to us.
    first: Instant,
    /// When it last named each disk.
    named: BTreeMap<u32, Instant>,
    complaints: BTreeMap<u64, Instant>,
    /// When it last said that its metadata has no room.
    no_room: Option<Instant>,
    /// The last rounds of scrub of each disk, with the life it lived: told only when they change.
    rounds: BTreeMap<u32, (u64, Vec<ScrubRound>)>,
}

impl NodeState {
    /// Takes the rounds out of a report, if it tells them.
    fn keep_rounds(&mut self, disk: DiskRef, report: &mut DiskReport) {
        let told = report.scrub.as_mut().map(|scrub| std::mem::take(&mut scrub.history)).unwrap_or_default();
        if !told.is_empty() {
            let first = told.len().saturating_sub(MOST_ROUNDS);
            self.rounds.insert(disk.disk, (disk.incarnation, told.into_iter().skip(first).collect()));
        }
    }
}

/// What is known of one disk right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskNow {
    /// How it seems.
    pub liveness: Liveness,
    /// Milliseconds of silence; 0 while alive.
    pub silent_ms: u64,
    /// Bytes it keeps.
    pub used: u64,
    /// Bytes it can still take.
    pub free: u64,
}

/// Heartbeats and complaints since this node was elected.
#[derive(Debug)]
pub struct Hearing {
    since: Instant,
    patience: Patience,
    nodes: BTreeMap<u64, NodeState>,
}

impl Hearing {
    /// Nothing heard yet; silence counts from `now`.
    pub fn new(now: Instant, patience: Patience) -> Self {
        Self { since: now, patience, nodes: BTreeMap::new() }
    }

    /// Settings changed.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    fn entry(&mut self, node: u64) -> &mut NodeState {
        let since = self.since;
        self.nodes.entry(node).or_insert_with(|| NodeState {
            heard: since,
            ever: false,
            map_epoch: 0,
            disks: BTreeMap::new(),
            first: since,
            named: BTreeMap::new(),
            complaints: BTreeMap::new(),
            no_room: None,
            rounds: BTreeMap::new(),
        })
    }

    /// A sign of life.
    pub fn beat(&mut self, now: Instant, beat: &Heartbeat) {
        let state = self.entry(beat.node);
        state.heard = now;
        if !state.ever {
            state.first = now;
        }
        state.ever = true;
        state.map_epoch = beat.map_epoch;
        state.disks.clear();
        for report in &beat.disks {
            let Some(disk) = report.disk else { continue };
            let mut report = report.clone();
            state.keep_rounds(disk, &mut report);
            state.disks.insert(disk.disk, report);
        }
        state.named.extend(state.disks.keys().map(|disk| (*disk, now)));
    }

    /// Somebody cannot reach `node`. `by` tells complainers apart (a node id or a session).
    pub fn complain(&mut self, now: Instant, by: u64, node: u64) {
        let keep = self.patience.complaint;
        // Complaints about nodes nobody has heard of are not kept: they come from outside.
        let Some(state) = self.nodes.get_mut(&node) else { return };
        state.complaints.retain(|_, at| now.duration_since(*at) < keep);
        if state.complaints.len() < MOST_COMPLAINERS || state.complaints.contains_key(&by) {
            state.complaints.insert(by, now);
        }
    }

    /// The metaserver of this node says that its metadata has no room.
    pub fn no_room(&mut self, now: Instant, node: u64) {
        self.entry(node).no_room = Some(now);
    }

    /// Nodes that said so lately.
    pub fn without_room(&self, now: Instant) -> impl Iterator<Item = u64> {
        let lately =
            move |state: &NodeState| state.no_room.is_some_and(|at| now.duration_since(at) < NO_ROOM);
        self.nodes.iter().filter(move |(_, state)| lately(state)).map(|(node, _)| *node)
    }

    /// The leader itself stood still: silence counts anew.
    pub fn forgive(&mut self, now: Instant) {
        self.since = now;
        for state in self.nodes.values_mut() {
            state.heard = now;
            state.first = now;
            state.named.values_mut().for_each(|named| *named = now);
            state.complaints.clear();
        }
    }

    /// Forgets nodes that are not in the map any more.
    pub fn keep_only(&mut self, known: impl Fn(u64) -> bool) {
        self.nodes.retain(|node, _| known(*node));
    }

    /// How a node seems.
    pub fn node(&self, now: Instant, node: u64) -> NodeLiveness {
        let (heard, complainers) = match self.nodes.get(&node) {
            Some(state) => {
                let fresh =
                    state.complaints.values().filter(|at| now.duration_since(**at) < self.patience.complaint);
                (state.heard, fresh.count())
            }
            None => (self.since, 0),
        };
        let silent = now.duration_since(heard);
        let doubted =
            complainers >= ENOUGH_COMPLAINERS || (complainers > 0 && silent >= self.patience.doubted);
        let liveness = if silent >= self.patience.down {
            Liveness::Down
        } else if silent >= self.patience.suspect || doubted {
            Liveness::Suspect
        } else {
            Liveness::Alive
        };
        let silent_ms = if liveness == Liveness::Alive { 0 } else { silent.as_millis() as u64 };
        NodeLiveness { node, liveness: liveness as i32, silent_ms }
    }

    /// How one disk seems, in the life that the map knows.
    pub fn disk(&self, now: Instant, node: u64, disk: u32, incarnation: u64) -> DiskNow {
        let whole = self.node(now, node);
        let report = self
            .nodes
            .get(&node)
            .and_then(|state| state.disks.get(&disk))
            .filter(|report| report.disk.is_some_and(|d| d.incarnation == incarnation));
        let (used, free) = report.map_or((0, 0), |report| (report.used, report.free));
        let heard = self.nodes.get(&node).is_some_and(|state| state.ever);
        let liveness = match (whole.liveness(), report.map(DiskReport::condition)) {
            (Liveness::Down, _) => Liveness::Down,
            // A node that speaks but does not name the disk has lost it, for now.
            (_, None) if heard => Liveness::Down,
            (_, Some(DiskCondition::Failed)) => Liveness::Failed,
            (Liveness::Alive, Some(DiskCondition::Full)) => Liveness::Full,
            (Liveness::Alive, Some(DiskCondition::Good | DiskCondition::Recovering)) => Liveness::Alive,
            _ => Liveness::Suspect,
        };
        let silent = match liveness {
            Liveness::Alive | Liveness::Full | Liveness::Failed => 0,
            // A node that restarts speaks before its disks are open: their silence counts from when it last named
            // them, or from its first word if it never did.
            _ if heard && report.is_none() => self.nodes.get(&node).map_or(0, |state| {
                let named = state.named.get(&disk).copied().unwrap_or(state.first);
                now.duration_since(named).as_millis() as u64
            }),
            _ => {
                now.duration_since(self.nodes.get(&node).map_or(self.since, |state| state.heard)).as_millis()
                    as u64
            }
        };
        DiskNow { liveness, silent_ms: silent, used, free }
    }

    /// The last report of a disk.
    pub fn report(&self, node: u64, disk: u32) -> Option<&DiskReport> {
        self.nodes.get(&node)?.disks.get(&disk)
    }

    /// The last rounds of scrub of a disk in this life, oldest first.
    pub fn scrub_rounds(&self, node: u64, disk: u32, incarnation: u64) -> &[ScrubRound] {
        let rounds = self.nodes.get(&node).and_then(|state| state.rounds.get(&disk));
        rounds.filter(|(life, _)| *life == incarnation).map_or(&[], |(_, rounds)| rounds)
    }

    /// Every last report.
    pub fn reports(&self) -> impl Iterator<Item = &DiskReport> {
        self.nodes.values().flat_map(|state| state.disks.values())
    }

    /// The last reports of nodes that were heard within the time after which they count as down.
    pub fn fresh_reports(&self, now: Instant) -> impl Iterator<Item = &DiskReport> {
        let heard = move |(id, _): &(&u64, _)| self.node(now, **id).liveness() != Liveness::Down;
        self.nodes.iter().filter(heard).flat_map(|(_, state)| state.disks.values())
    }

    /// When silence began to count.
    pub fn since(&self) -> Instant {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::cluster::ScrubReport;

    use super::*;

    fn beat(node: u64, condition: DiskCondition) -> Heartbeat {
        let report = DiskReport {
            disk: Some(DiskRef { disk: 1, incarnation: 5 }),
            free: 10,
            condition: condition as i32,
            ..DiskReport::default()
        };
        Heartbeat { node, disks: vec![report], ..Heartbeat::default() }
    }

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn silence_makes_suspect_then_down_and_counts_from_the_election() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start, Patience::default());
        let seen = |h: &Hearing, ms| h.node(after(start, ms), 7).liveness();
        assert_eq!(seen(&hearing, 2999), Liveness::Alive, "a new leader has not listened long enough");
        assert_eq!(seen(&hearing, 3000), Liveness::Suspect);
        assert_eq!(seen(&hearing, 10_000), Liveness::Down);
        hearing.beat(after(start, 10_000), &beat(7, DiskCondition::Good));
        assert_eq!(seen(&hearing, 12_999), Liveness::Alive);
        assert_eq!(seen(&hearing, 13_000), Liveness::Suspect);
        hearing.forgive(after(start, 60_000));
        assert_eq!(seen(&hearing, 62_999), Liveness::Alive, "the leader slept, not the node");
    }

    #[test]
    fn complaints_make_suspect_sooner_but_never_down() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start, Patience::default());
        hearing.beat(start, &beat(7, DiskCondition::Good));
        hearing.complain(start, 1, 7);
        assert_eq!(hearing.node(after(start, 1199), 7).liveness(), Liveness::Alive);
        assert_eq!(hearing.node(after(start, 1200), 7).liveness(), Liveness::Suspect);
        hearing.complain(start, 2, 7);
        hearing.complain(start, 3, 7);
        assert_eq!(hearing.node(after(start, 10), 7).liveness(), Liveness::Suspect);
        hearing.beat(after(start, 5000), &beat(7, DiskCondition::Good));
        assert_eq!(hearing.node(after(start, 5000), 7).liveness(), Liveness::Alive, "complaints grow old");
        hearing.complain(start, 3, 99);
        assert_eq!(hearing.node(after(start, 10), 99).liveness(), Liveness::Alive);
    }

    #[test]
    fn a_disk_is_judged_in_its_present_life() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start, Patience::default());
        assert_eq!(hearing.disk(start, 7, 1, 5).liveness, Liveness::Suspect, "not heard of yet");
        hearing.beat(start, &beat(7, DiskCondition::Good));
        assert_eq!(
            hearing.disk(start, 7, 1, 5),
            DiskNow { liveness: Liveness::Alive, silent_ms: 0, used: 0, free: 10 }
        );
        assert_eq!(hearing.disk(start, 7, 1, 4).liveness, Liveness::Down, "another life of it");
        assert_eq!(hearing.disk(start, 7, 2, 5).liveness, Liveness::Down, "the node does not name it");
        hearing.beat(start, &beat(7, DiskCondition::Failed));
        assert_eq!(hearing.disk(start, 7, 1, 5).liveness, Liveness::Failed);
        assert_eq!(hearing.disk(after(start, 10_000), 7, 1, 5).liveness, Liveness::Down);
    }

    #[test]
    fn rounds_of_scrub_are_kept_until_others_are_told() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start, Patience::default());
        let telling = |rounds: std::ops::Range<u64>| {
            let mut beat = beat(7, DiskCondition::Good);
            let history = rounds.map(|number| ScrubRound { number, ..ScrubRound::default() }).collect();
            beat.disks[0].scrub = Some(ScrubReport { history, ..ScrubReport::default() });
            beat
        };
        let known = |hearing: &Hearing, life| {
            hearing.scrub_rounds(7, 1, life).iter().map(|round| round.number).collect::<Vec<_>>()
        };
        hearing.beat(start, &telling(1..3));
        hearing.beat(start, &telling(0..0));
        assert_eq!(known(&hearing, 5), [1, 2], "a report without rounds takes none away");
        assert!(hearing.report(7, 1).unwrap().scrub.as_ref().unwrap().history.is_empty());
        assert!(known(&hearing, 4).is_empty(), "another life of the disk");
        hearing.beat(start, &telling(1..100));
        assert_eq!(known(&hearing, 5), (84..100).collect::<Vec<_>>(), "bounded, whatever a node tells");
    }

    #[test]
    fn a_disk_that_opens_late_after_a_reboot_has_its_grace() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut hearing = Hearing::new(start, Patience::default());
        hearing.beat(at(3600), &beat(1, DiskCondition::Good));
        assert_eq!(hearing.disk(at(3600), 1, 1, 5).silent_ms, 0);
        // It was away for a minute; its disk is still being opened.
        let without = Heartbeat { disks: Vec::new(), ..beat(1, DiskCondition::Good) };
        hearing.beat(at(3660), &without);
        let now = hearing.disk(at(3660), 1, 1, 5);
        assert_eq!((now.liveness, now.silent_ms), (Liveness::Down, 60_000));
        // One that this leader never heard of counts from the node's first word.
        hearing.beat(at(3600), &Heartbeat { node: 2, ..without.clone() });
        assert_eq!(hearing.disk(at(3607), 2, 9, 5).silent_ms, 7_000);
    }

    #[test]
    fn a_node_without_room_is_remembered_while_it_says_so() {
        let start = Instant::now();
        let mut hearing = Hearing::new(start, Patience::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        let without = |hearing: &Hearing, now| hearing.without_room(now).collect::<Vec<_>>();
        assert!(without(&hearing, start).is_empty());
        hearing.no_room(start, 3);
        assert_eq!(without(&hearing, at(5)), [3]);
        hearing.no_room(at(5), 3);
        assert_eq!(without(&hearing, at(12)), [3]);
        assert!(without(&hearing, at(14)).is_empty());
    }
}
