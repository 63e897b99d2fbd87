//! The default class follows the size of the cluster: what one machine can promise differs from what three can.
//!
//! What always holds: an automatic change only ever adds copies. Fewer copies are an administrator's decision.

use holdfast_proto::map::{FailureDomain, Redundancy, Standing, StorageClass, redundancy::Kind};
use holdfast_proto::op::PutClass;

use super::cluster::{Cluster, DiskFacts};

/// What a cluster of this many hosts and disks can promise.
///
/// | hosts | disks | copies | min copies | apart by |
/// |---|---|---|---|---|
/// | 1 | 1 | 1 | 1 | disk |
/// | 1 | 2 or more | 2 | 1 | disk |
/// | 2 | | 2 | 1 | host |
/// | 3 or more | | 3 | 2 | host |
pub fn redundancy_for(hosts: usize, disks: usize) -> (Redundancy, FailureDomain) {
    match (hosts, disks) {
        (0 | 1, 0 | 1) => (Redundancy::replicated(1, 1), FailureDomain::Disk),
        (0 | 1, _) => (Redundancy::replicated(2, 1), FailureDomain::Disk),
        (2, _) => (Redundancy::replicated(2, 1), FailureDomain::Host),
        _ => (Redundancy::replicated(3, 2), FailureDomain::Host),
    }
}

/// The change that the default class needs, if any.
pub fn grow_class(cluster: &Cluster, class: &StorageClass) -> Option<PutClass> {
    let counts = |disk: &DiskFacts| disk.standing == Standing::In && disk.share() > 0;
    let hosts = cluster.domains(FailureDomain::Host, counts);
    let disks = cluster.disks.values().filter(|disk| counts(disk)).count();
    let (redundancy, domain) = redundancy_for(hosts, disks);
    let now = match class.redundancy.and_then(|r| r.kind) {
        Some(Kind::Replicated(now)) => now,
        Some(Kind::Erasure(_)) | None => return None,
    };
    let Some(Kind::Replicated(then)) = redundancy.kind else { return None };
    let more = then.copies > now.copies;
    let wider = then.copies == now.copies
        && then.min_copies == now.min_copies
        && domain == FailureDomain::Host
        && class.domain() == FailureDomain::Disk;
    (more || wider).then(|| PutClass {
        id: class.id,
        name: class.name.clone(),
        redundancy: Some(redundancy),
        // A level that an administrator chose wider than the table's stays.
        domain: class.domain().max(domain) as i32,
        inline_limit: class.inline_limit,
        chunk_bytes: class.chunk_bytes,
        companion: class.companion,
        if_epoch: class.epoch,
    })
}

#[cfg(test)]
mod tests {
    use super::super::cluster::tests::cluster;
    use super::*;

    fn grown(
        layout: &[u32],
        copies: u32,
        min: u32,
        domain: FailureDomain,
    ) -> Option<(u32, u32, FailureDomain)> {
        let c = cluster(layout, Redundancy::replicated(copies, min), domain);
        let put = grow_class(&c, &c.classes[&1])?;
        let redundancy = put.redundancy.unwrap();
        Some((redundancy.members(), redundancy.min_acks(), put.domain()))
    }

    #[test]
    fn copies_follow_the_hosts_and_never_shrink() {
        use FailureDomain::{Disk, Host, Rack};
        assert_eq!(grown(&[1], 1, 1, Disk), None);
        assert_eq!(grown(&[2], 1, 1, Disk), Some((2, 1, Disk)));
        assert_eq!(grown(&[1, 1], 1, 1, Disk), Some((2, 1, Host)));
        assert_eq!(grown(&[2, 2], 2, 1, Disk), Some((2, 1, Host)));
        assert_eq!(grown(&[1, 1, 1], 2, 1, Host), Some((3, 2, Host)));
        assert_eq!(grown(&[1, 1, 1], 2, 1, Rack), Some((3, 2, Rack)));
        assert_eq!(grown(&[1], 3, 2, Host), None);
        assert_eq!(grown(&[1, 1, 1, 1], 3, 2, Host), None);
    }
}
