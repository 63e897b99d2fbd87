//! Snapshots: made under load, sent to members that are far behind, broken off half-way, crashed into.

use std::sync::atomic::Ordering;

use super::harness::{Cluster, command, eventually};
use crate::raft::GroupConfig;

/// Snapshots after every few entries and a log that keeps next to nothing.
fn eager(config: &mut GroupConfig) {
    config.snapshots.log_entries = 50;
    config.snapshots.keep_entries = 10;
    config.snapshots.purge_batch = 10;
    config.store.log_file_bytes = 16 << 10;
    config.batch.commands = 4;
}

/// Puts commands until the leader's log no longer reaches back to `index`.
async fn until_purged_past(cluster: &Cluster, session: u64, index: u64) -> u64 {
    let mut seq = 0;
    loop {
        for _ in 0..100 {
            seq += 1;
            cluster.put(session, seq).await;
        }
        let leader = cluster.ready().await;
        if cluster.groups[&leader].status().purged > index {
            return seq;
        }
        assert!(seq < 100_000, "the log is never purged");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_far_behind_gets_a_snapshot() {
    let mut cluster = Cluster::of_three(eager).await;
    let leader = cluster.ready().await;
    let away = if leader == 3 { 2 } else { 3 };
    let behind = cluster.groups[&away].status().applied;
    cluster.kill(away).await;
    until_purged_past(&cluster, 1, behind).await;
    cluster.start(away).await;
    cluster.converged().await;
    assert!(cluster.fabric.pieces_sent.load(Ordering::SeqCst) > 0, "it came from the log after all");
    // And again, from its own disk.
    cluster.kill(away).await;
    cluster.start(away).await;
    cluster.converged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let mut cluster = Cluster::of_three(eager).await;
    let leader = cluster.ready().await;
    let away = if leader == 3 { 2 } else { 3 };
    let behind = cluster.groups[&away].status().applied;
    cluster.kill(away).await;
    until_purged_past(&cluster, 1, behind).await;
    for pieces in 1..8 {
        // The link breaks after some pieces, then the receiver dies with half a snapshot on its disk.
        cluster.fabric.pieces_left.store(pieces, Ordering::SeqCst);
        cluster.start(away).await;
        let left = cluster.fabric.pieces_left.clone();
        eventually("the link breaks", || left.load(Ordering::SeqCst) == 0).await;
        assert_eq!(
            cluster.groups[&away].status().snapshot.max(behind),
            behind.max(cluster.groups[&away].status().snapshot)
        );
        cluster.kill(away).await;
    }
    cluster.fabric.pieces_left.store(u64::MAX, Ordering::SeqCst);
    cluster.start(away).await;
    cluster.converged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_receiving_and_before_installing_is_made_good_at_the_start() {
    let mut cluster = Cluster::of_three(eager).await;
    let leader = cluster.ready().await;
    let away = if leader == 3 { 2 } else { 3 };
    let behind = cluster.groups[&away].status().applied;
    cluster.kill(away).await;
    until_purged_past(&cluster, 1, behind).await;
    let source = cluster.groups[&leader].shared.places.snapshots.current().unwrap();
    // What the receiver leaves right after the rename: a complete snapshot beside an old table and an old log.
    let target = cluster.dir(away).join("snapshots").join(source.path.file_name().unwrap());
    copy_tree(&source.path, &target);
    cluster.start(away).await;
    assert!(cluster.groups[&away].local_view().index().0 > 0);
    assert!(cluster.groups[&away].shared.applier.marker().applied >= source.marker.applied);
    cluster.converged().await;
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_snapshot_is_not_adopted() {
    let mut cluster = Cluster::new(eager);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    until_purged_past(&cluster, 1, 0).await;
    let before = cluster.converged().await;
    let snapshot = cluster.groups[&1].shared.places.snapshots.current().unwrap();
    cluster.kill(1).await;
    let file = cluster.dir(1).join("snapshots").join(snapshot.path.file_name().unwrap()).join("MANIFEST");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[20] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    // The table does not need it; Raft makes a new one when it must.
    cluster.start(1).await;
    assert_eq!(cluster.converged().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_newest_snapshot_stays_on_disk() {
    let mut cluster = Cluster::new(eager);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    until_purged_past(&cluster, 1, 300).await;
    let dir = cluster.dir(1).join("snapshots");
    eventually("one snapshot is left", || {
        let names = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
        names.iter().filter(|n| *n != "building").count() == 1
    })
    .await;
}
