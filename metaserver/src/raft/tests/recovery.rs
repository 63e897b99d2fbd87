//! Restarts: what was acknowledged comes back from the log, whatever of the table was flushed.

use std::time::Duration;

use super::harness::{Cluster, address, command, digest, key};
use crate::raft::{GroupConfig, MetaError};

fn as_is(_: &mut GroupConfig) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_replays_what_was_not_flushed() {
    let mut cluster = Cluster::new(as_is);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    let mut seq = 0;
    for round in 0..4 {
        for _ in 0..50 {
            seq += 1;
            cluster.put(1, seq).await;
        }
        let before = digest(&cluster.groups[&1].local_view());
        // A crash: the table was never flushed in this life, so all of it comes from the log.
        cluster.kill(1).await;
        cluster.start(1).await;
        cluster.ready().await;
        assert_eq!(digest(&cluster.groups[&1].local_view()), before, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_flushes_leaves_a_table_and_log_that_fit() {
    // Flushes every few commands, so that kills fall between and into them.
    let mut cluster = Cluster::new(|config| config.snapshots.flush_commands = 7);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    let mut seq = 0;
    for round in 0..8 {
        for _ in 0..(10 + round * 3) {
            seq += 1;
            cluster.put(1, seq).await;
        }
        let before = digest(&cluster.groups[&1].local_view());
        cluster.kill(1).await;
        cluster.start(1).await;
        cluster.ready().await;
        assert_eq!(digest(&cluster.groups[&1].local_view()), before, "round {round}");
    }
    let view = cluster.groups[&1].read_index().await.unwrap();
    assert!((1..=seq).all(|s| view.lookup(&key(1, s)).unwrap().is_some()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_restart_replays_nothing() {
    let mut cluster = Cluster::new(as_is);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    cluster.put(1, 1).await;
    cluster.groups[&1].shutdown().await;
    cluster.kill(1).await;
    cluster.start(1).await;
    assert_eq!(cluster.groups[&1].local_view().index().0, 2);
    cluster.ready().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_members_die_at_once_and_come_back() {
    let mut cluster = Cluster::of_three(as_is).await;
    let mut indexes = Vec::new();
    for round in 0..3 {
        for seq in 1..=30 {
            indexes.push((round, seq, cluster.put(round, seq).await));
        }
        for node in [1, 2, 3] {
            cluster.kill(node).await;
        }
        for node in [1, 2, 3] {
            cluster.start(node).await;
        }
        cluster.converged().await;
    }
    let leader = cluster.ready().await;
    let view = cluster.groups[&leader].read_index().await.unwrap();
    for (session, seq, index) in indexes {
        assert_eq!(view.lookup(&key(session, seq)).unwrap().unwrap()[..8], index.to_be_bytes());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_serves_one_member_only() {
    let mut cluster = Cluster::new(as_is);
    cluster.start(1).await;
    cluster.kill(1).await;
    std::fs::rename(cluster.dir(1), cluster.dir(2)).unwrap();
    let error = cluster.try_start(2).await.unwrap_err();
    assert!(matches!(error, MetaError::Refused(_)), "{error}");
    assert!(error.to_string().contains("n1"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_with_a_damaged_log_does_not_start() {
    let mut cluster = Cluster::of_three(as_is).await;
    for seq in 1..=20 {
        cluster.put(1, seq).await;
    }
    cluster.kill(3).await;
    let log = cluster.dir(3).join("log");
    let file =
        std::fs::read_dir(log).unwrap().map(|f| f.unwrap().path()).find(|p| p.extension().is_some()).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let error = cluster.try_start(3).await.unwrap_err();
    assert!(matches!(error, MetaError::Damaged { .. }), "{error}");
    // The others go on, and a new member takes its place under a new id.
    let leader = cluster.ready().await;
    cluster.start(4).await;
    let group = cluster.groups[&leader].clone();
    let place = address(4);
    let replace = group.replace(4.into(), &place, 3.into());
    tokio::time::timeout(Duration::from_secs(30), replace).await.unwrap().unwrap();
    cluster.converged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_voter_does_not_vote_at_once() {
    let mut cluster = Cluster::of_three(|config| {
        config.timers.election_min_ms = 2000;
        config.timers.election_max_ms = 4000;
        config.timers.heartbeat_ms = 100;
    })
    .await;
    let leader = cluster.ready().await;
    let (follower, other) = match leader {
        1 => (2, 3),
        2 => (1, 3),
        _ => (1, 2),
    };
    cluster.kill(follower).await;
    cluster.start(follower).await;
    let wire = cluster.fabric.wire(other);
    let vote = crate::raft::types::Vote::new(1000, other);
    let last = crate::raft::types::log_id(999, 1_000_000);
    let request = openraft::raft::VoteRequest::new(vote, Some(last));
    let body = crate::raft::codec::encode_vote(&request, false);
    let message = holdfast_proto::cluster::RaftEnvelope { from: other, to: follower, version: 1, body };
    let to = holdfast_rpc::Endpoint::new(follower.into(), address(follower));
    let answer = wire.send(crate::raft::Kind::Vote, &to, message, Duration::from_secs(1)).await;
    assert!(answer.is_err(), "it voted right after its restart: {answer:?}");
}
