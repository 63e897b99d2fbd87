//! The loop that gives disks up and takes them back: `out` after the grace, `in` when they return.
//!
//! What always holds:
//! - A silent disk goes out after the grace, never before; a failed one at once, because its node says so itself.
//! - When losses are too wide to be single failures, nothing goes out without an administrator.
//! - Going out loses nothing: groups keep the member until others hold everything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::map::{FailureDomain, Liveness, Standing};
use holdfast_proto::op::{Op, SetDisk};
use holdfast_state::plan::cluster::{Cluster, DiskFacts};
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::knobs::Knobs;
use super::ports::{Chunkservers, Metadata};

const NAME: &str = "liveness";
const ROUND: Duration = Duration::from_secs(1);

/// What should happen to disks' standing now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Give these up.
    pub(crate) out: Vec<u32>,
    /// Take these back.
    pub(crate) back: Vec<u32>,
    /// Losses are too wide: what was withheld.
    pub(crate) held: Vec<u32>,
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut lately: Vec<(u32, Instant)> = Vec::new();
    while leader.pause(ROUND).await {
        let knobs = leader.knobs.load_full();
        lately.retain(|(_, at)| at.elapsed() < knobs.grace);
        let gone: BTreeSet<u32> = lately.iter().map(|(disk, _)| *disk).collect();
        let verdict = judge(&leader.cluster.lock(), &knobs, &gone);
        note_hold(&leader, !verdict.held.is_empty());
        for disk in &verdict.out {
            if set(&leader, *disk, Standing::Out).await {
                tracing::warn!(disk, "a disk is given up; its data is rebuilt elsewhere");
                lately.push((*disk, Instant::now()));
            }
        }
        for disk in &verdict.back {
            if set(&leader, *disk, Standing::In).await {
                tracing::info!(disk, "a disk came back and takes part again");
            }
        }
        report(&leader, &verdict);
    }
}

fn note_hold<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, hold: bool) {
    let mut held = leader.held.lock();
    match (hold, held.is_some()) {
        (true, false) => *held = Some(Instant::now()),
        (false, true) => *held = None,
        _ => {}
    }
}

fn report<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, verdict: &Verdict) {
    if !verdict.held.is_empty() {
        let detail =
            format!("{} disks are silent: too many to give up without an administrator", verdict.held.len());
        leader.board.set(NAME, Doing::Waiting, detail);
    } else if verdict.out.is_empty() && verdict.back.is_empty() {
        leader.board.set(NAME, Doing::Idle, "");
    } else {
        let detail = format!("{} disks given up, {} taken back", verdict.out.len(), verdict.back.len());
        leader.board.set(NAME, Doing::Busy, detail);
    }
}

async fn set<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>, disk: u32, standing: Standing) -> bool {
    let Some(incarnation) = leader.cluster.lock().disks.get(&disk).map(|d| d.incarnation) else {
        return false;
    };
    let op =
        Op::SetDisk(SetDisk { id: disk, incarnation, standing: Some(standing as i32), ..SetDisk::default() });
    match leader.propose(op).await {
        Ok(_) => true,
        Err(status) => {
            tracing::warn!(disk, ?standing, %status, "cannot change a disk's standing");
            false
        }
    }
}

/// Decides from the cluster alone. `lately`: disks given up within the last grace.
pub(crate) fn judge(cluster: &Cluster, knobs: &Knobs, lately: &BTreeSet<u32>) -> Verdict {
    let grace_ms = knobs.grace.as_millis() as u64;
    let mut verdict = Verdict::default();
    // Its own, not what its node makes of it: one that was drained by itself is not taken back with its node.
    let given_up: BTreeSet<u32> =
        cluster.records().filter(|disk| disk.standing() == Standing::Out).map(|disk| disk.id).collect();
    let node_out = |id: u64| cluster.nodes.get(&id).is_some_and(|node| node.standing() == Standing::Out);
    for disk in cluster.disks.values() {
        match (disk.standing, disk.liveness) {
            (Standing::In, Liveness::Failed) => verdict.out.push(disk.id),
            (Standing::In, Liveness::Down) if disk.silent_ms >= grace_ms => verdict.out.push(disk.id),
            (Standing::Out, Liveness::Alive | Liveness::Full)
                if given_up.contains(&disk.id) && !node_out(disk.node) =>
            {
                verdict.back.push(disk.id);
            }
            _ => {}
        }
    }
    if !verdict.out.is_empty() && knobs.hold_percent < 100 && too_wide(cluster, knobs, lately) {
        verdict.held = std::mem::take(&mut verdict.out);
    }
    verdict
}

/// Whether so much is gone that it is more likely a network or power failure than disks dying: more than a quarter
/// of the disks on more than one host, or a whole zone of several hosts.
fn too_wide(cluster: &Cluster, knobs: &Knobs, lately: &BTreeSet<u32>) -> bool {
    let counts = |disk: &&DiskFacts| disk.standing == Standing::In || lately.contains(&disk.id);
    let gone = |disk: &&DiskFacts| matches!(disk.liveness, Liveness::Down | Liveness::Failed);
    let all: Vec<&DiskFacts> = cluster.disks.values().filter(counts).collect();
    let lost: Vec<&DiskFacts> = all.iter().copied().filter(gone).collect();
    let hosts = |disks: &[&DiskFacts]| -> usize {
        disks.iter().map(|disk| disk.domain(FailureDomain::Host)).collect::<BTreeSet<_>>().len()
    };
    if hosts(&lost) > 1 && lost.len() as u64 * 100 > all.len() as u64 * u64::from(knobs.hold_percent) {
        return true;
    }
    let zones: BTreeSet<_> = all.iter().map(|disk| disk.domain(FailureDomain::Zone)).collect();
    zones.len() > 1
        && zones.iter().any(|zone| {
            let there: Vec<&DiskFacts> =
                all.iter().copied().filter(|disk| disk.domain(FailureDomain::Zone) == *zone).collect();
            hosts(&there) > 1 && there.iter().all(gone)
        })
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::MapReply;

    use super::super::testing::cluster;
    use super::*;

    fn lose(c: &mut Cluster, disks: &[u32], liveness: Liveness, silent_ms: u64) {
        for disk in disks {
            let facts = c.disks.get_mut(disk).unwrap();
            facts.liveness = liveness;
            facts.silent_ms = silent_ms;
        }
    }

    /// What a disk's own record says.
    fn stand(c: &mut Cluster, disk: u32, standing: Standing) {
        let mut record = c.records().find(|record| record.id == disk).unwrap().clone();
        record.standing = standing as i32;
        c.absorb(&MapReply { epoch: c.epoch, disks: vec![record], ..MapReply::default() });
    }

    #[test]
    fn what_was_given_up_with_its_node_is_not_taken_back_without_it() {
        let mut c = cluster(&[2, 2, 2], 3);
        let mut node = c.nodes[&1].clone();
        node.standing = Standing::Out as i32;
        stand(&mut c, 2, Standing::Draining);
        c.absorb(&MapReply { epoch: c.epoch, nodes: vec![node], ..MapReply::default() });
        assert_eq!(c.disks[&1].standing, Standing::Out);
        assert_eq!(judge(&c, &Knobs::default(), &BTreeSet::new()), Verdict::default());
        stand(&mut c, 1, Standing::Out);
        assert_eq!(judge(&c, &Knobs::default(), &BTreeSet::new()), Verdict::default());
        let back = c.nodes[&1].clone();
        let back = holdfast_proto::map::Node { standing: Standing::In as i32, ..back };
        c.absorb(&MapReply { epoch: c.epoch, nodes: vec![back], ..MapReply::default() });
        assert_eq!(
            judge(&c, &Knobs::default(), &BTreeSet::new()).back,
            [1],
            "the drain of the other goes on"
        );
    }

    #[test]
    fn a_disk_goes_out_after_the_grace_and_comes_back() {
        let mut c = cluster(&[2, 2, 2, 2, 2], 3);
        let knobs = Knobs::default();
        lose(&mut c, &[1, 2], Liveness::Down, 299_999);
        assert_eq!(judge(&c, &knobs, &BTreeSet::new()), Verdict::default());
        lose(&mut c, &[1, 2], Liveness::Down, 300_000);
        assert_eq!(judge(&c, &knobs, &BTreeSet::new()).out, [1, 2]);
        stand(&mut c, 1, Standing::Out);
        lose(&mut c, &[1, 2], Liveness::Alive, 0);
        assert_eq!(judge(&c, &knobs, &BTreeSet::new()).back, [1]);
        lose(&mut c, &[3], Liveness::Failed, 0);
        assert_eq!(judge(&c, &knobs, &BTreeSet::new()).out, [3], "a failed disk does not wait");
    }

    #[test]
    fn one_host_of_three_may_go_but_two_wait_for_an_administrator() {
        let mut c = cluster(&[1, 1, 1], 3);
        let knobs = Knobs::default();
        lose(&mut c, &[3], Liveness::Down, 400_000);
        assert_eq!(judge(&c, &knobs, &BTreeSet::new()).out, [3]);
        lose(&mut c, &[2], Liveness::Down, 10_000);
        let verdict = judge(&c, &knobs, &BTreeSet::new());
        assert_eq!((verdict.out.len(), verdict.held), (0, vec![3]));
        let sure = Knobs { hold_percent: 100, ..knobs };
        assert_eq!(judge(&c, &sure, &BTreeSet::new()).out, [3]);
    }

    #[test]
    fn losses_within_one_grace_add_up() {
        let mut c = cluster(&[1, 1, 1, 1, 1, 1], 3);
        lose(&mut c, &[1, 2], Liveness::Down, 400_000);
        c.disks.get_mut(&1).unwrap().standing = Standing::Out;
        assert_eq!(judge(&c, &Knobs::default(), &BTreeSet::from([1])).held, [2]);
        assert_eq!(judge(&c, &Knobs::default(), &BTreeSet::new()).out, [2], "the first loss is long past");
    }
}
