//! Membership at run time.

use std::time::Duration;

use super::harness::{Cluster, address, command};
use crate::raft::{GroupConfig, MetaError};

fn as_is(_: &mut GroupConfig) {}

fn ids(peers: &[holdfast_proto::cluster::Peer]) -> Vec<u64> {
    peers.iter().map(|p| p.node).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grows_to_three_without_a_pause_and_one_is_replaced() {
    let mut cluster = Cluster::new(as_is);
    cluster.start(1).await;
    let first = cluster.groups[&1].clone();
    first.initialize_single(command(0, 0, 0)).await.unwrap();
    // Somebody writes all the time and never sees an error.
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (writer, halt) = (first.clone(), stop.clone());
    let writing = tokio::spawn(async move {
        let mut seq = 0;
        while !halt.load(std::sync::atomic::Ordering::Relaxed) {
            seq += 1;
            writer.propose(command(1, seq, 0)).await.unwrap();
        }
        seq
    });
    cluster.start(2).await;
    first.add(2.into(), &address(2)).await.unwrap();
    let status = first.status();
    assert_eq!(
        (ids(&status.voters), ids(&status.learners)),
        (vec![1], vec![2]),
        "two voters would be no gain"
    );
    cluster.start(3).await;
    first.add(3.into(), &address(3)).await.unwrap();
    let status = first.status();
    assert_eq!((ids(&status.voters), ids(&status.learners)), (vec![1, 2, 3], vec![]));
    cluster.start(4).await;
    first.replace(4.into(), &address(4), 2.into()).await.unwrap();
    assert_eq!(ids(&first.status().voters), [1, 3, 4]);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(writing.await.unwrap() > 0);
    cluster.kill(2).await;
    cluster.converged().await;
    // The new ones carry the group on their own.
    cluster.kill(1).await;
    cluster.put(2, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_member_is_replaced() {
    let mut cluster = Cluster::of_three(as_is).await;
    cluster.put(1, 1).await;
    let leader = cluster.ready().await;
    let dead = if leader == 3 { 2 } else { 3 };
    cluster.kill(dead).await;
    cluster.start(9).await;
    cluster.groups[&leader].replace(9.into(), &address(9), dead.into()).await.unwrap();
    assert!(!ids(&cluster.groups[&leader].status().voters).contains(&dead));
    cluster.put(1, 2).await;
    cluster.converged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_to_go_hands_over_first() {
    let cluster = Cluster::of_three(as_is).await;
    let leader = cluster.ready().await;
    let answer = cluster.groups[&leader].remove(leader.into()).await;
    let Err(MetaError::NotLeader { leader: Some(next), .. }) = answer else { panic!("{answer:?}") };
    assert_ne!(next.0, leader);
    // Whoever leads by now takes it out; on a busy machine leadership may move once more.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let leads = cluster.ready().await;
        let group = cluster.groups[&leads].clone();
        if group.remove(leader.into()).await.is_ok() && !ids(&group.status().voters).contains(&leader) {
            assert_eq!(group.status().voters.len(), 2);
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "it is never taken out");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_the_same_time_are_made_one_after_another() {
    let mut cluster = Cluster::new(as_is);
    for node in 1..=5 {
        cluster.start(node).await;
    }
    let first = cluster.groups[&1].clone();
    first.initialize_single(command(0, 0, 0)).await.unwrap();
    let adding: Vec<_> = (2..=5)
        .map(|node: u64| {
            let group = first.clone();
            tokio::spawn(async move { group.add(node.into(), &address(node)).await })
        })
        .collect();
    for done in adding {
        tokio::time::timeout(Duration::from_secs(60), done).await.unwrap().unwrap().unwrap();
    }
    assert_eq!(ids(&first.status().voters), [1, 2, 3, 4, 5]);
    cluster.converged().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_voter_stays() {
    let mut cluster = Cluster::new(as_is);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    let answer = cluster.groups[&1].remove(1.into()).await;
    assert!(matches!(answer, Err(MetaError::Membership(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_moved_is_reached_at_its_new_place() {
    for moves_leader in [false, true] {
        let mut cluster = Cluster::of_three(as_is).await;
        cluster.start(4).await;
        let leader = cluster.ready().await;
        cluster.groups[&leader].add(4.into(), &address(4)).await.unwrap();
        let voter = if moves_leader { leader } else { (1..=3).find(|node| *node != leader).unwrap() };
        for (node, place) in [(voter, "voter-moved:1"), (4, "learner-moved:1")] {
            cluster.fabric.relocate(node, place);
            let leader = cluster.ready().await;
            cluster.groups[&leader].move_to(node.into(), place).await.unwrap();
            cluster.put(node, 1).await;
            cluster.converged().await;
        }
        // Every other member finds it, too, when it leads.
        for next in [1, 2, 3] {
            let leader = cluster.ready().await;
            cluster.groups[&leader].transfer(Some(next.into())).await.unwrap();
            cluster.put(9, next).await;
            cluster.converged().await;
        }
    }
}
