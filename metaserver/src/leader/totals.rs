//! Capacity and fill of the whole cluster, as heartbeats tell.

use holdfast_proto::map::Standing;
use holdfast_proto::query::Totals;
use holdfast_state::plan::cluster::Cluster;

/// Adds what only heartbeats know.
pub(crate) fn fill(cluster: &Cluster, totals: &mut Totals) {
    let here =
        || cluster.disks.values().filter(|disk| !matches!(disk.standing, Standing::Out | Standing::Removed));
    totals.raw_capacity = here().map(|disk| disk.capacity).sum();
    totals.raw_used = here().map(|disk| disk.used).sum();
    let free: u64 = here().filter(|disk| disk.takes_new()).map(|disk| disk.free).sum();
    let copies = cluster
        .classes
        .get(&1)
        .and_then(|class| class.redundancy)
        .map_or(1, |r| u64::from(r.members()).div_ceil(u64::from(r.min_readable().max(1))));
    totals.available = free / copies.max(1);
}
