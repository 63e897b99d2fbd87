//! Three members: elections, fail-over, reads after a change of leader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::harness::{Cluster, command, eventually, key, put};
use crate::raft::{MetaError, ReadPolicy};

fn as_is(_: &mut crate::raft::GroupConfig) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_genesis_happens_once() {
    let mut cluster = Cluster::new(as_is);
    cluster.start(1).await;
    let reply = cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    assert_eq!(reply.index, 1, "the first command stands at index 1");
    let again = cluster.groups[&1].initialize_single(command(0, 0, 0)).await;
    assert!(matches!(again, Err(MetaError::Refused(_))), "{again:?}");
    cluster.kill(1).await;
    cluster.start(1).await;
    let again = cluster.groups[&1].initialize_single(command(0, 0, 0)).await;
    assert!(matches!(again, Err(MetaError::Refused(_))), "{again:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_names_the_leader() {
    let cluster = Cluster::of_three(as_is).await;
    let leader = cluster.ready().await;
    let follower = *cluster.groups.keys().find(|n| **n != leader).unwrap();
    for error in [
        cluster.groups[&follower].propose(command(1, 1, 0)).await.map(|_| ()).unwrap_err(),
        cluster.groups[&follower].read_index().await.map(|_| ()).unwrap_err(),
    ] {
        let MetaError::NotLeader { leader: Some(named), address } = error else { panic!("{error}") };
        assert_eq!((named.0, address), (leader, super::harness::address(leader)));
    }
}

/// Writers that retry until answered; returns what was acknowledged when `stop` is set.
fn writers(
    cluster: &Cluster,
    stop: &Arc<AtomicBool>,
    count: u64,
) -> Vec<tokio::task::JoinHandle<Vec<(u64, u64, u64)>>> {
    let writer = |session: u64| {
        let groups: Vec<_> = cluster.groups.values().cloned().collect();
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for seq in 1.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                acknowledged.push((session, seq, put(groups.clone(), session, seq).await));
            }
            acknowledged
        })
    };
    (100..100 + count).map(writer).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_leaders_die() {
    let mut cluster = Cluster::of_three(as_is).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        stop.store(false, Ordering::Relaxed);
        let writers = writers(&cluster, &stop, 8);
        let leader = cluster.ready().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        let killed = Instant::now();
        cluster.kill(leader).await;
        let seq = 1_000_000 + round;
        acknowledged.push((1, seq, cluster.put(1, seq).await));
        let gap = killed.elapsed();
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            acknowledged.extend(writer.await.unwrap());
        }
        println!("round {round}: {gap:?} from the kill to the next acknowledged command");
        cluster.start(leader).await;
        cluster.converged().await;
    }
    let leader = cluster.ready().await;
    let view = cluster.groups[&leader].read_index().await.unwrap();
    for (session, seq, index) in &acknowledged {
        let value = view.lookup(&key(*session, *seq)).unwrap();
        assert_eq!(value.unwrap()[..8], index.to_be_bytes(), "command {session}/{seq}");
    }
    assert!(acknowledged.len() > 200, "only {} commands", acknowledged.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_off_leader_serves_no_stale_read() {
    let policies = [ReadPolicy::Quorum, ReadPolicy::Lease];
    let restarts = policies.into_iter().flat_map(|policy| [(policy, false, false), (policy, true, false)]);
    // Voters that still answer what they stand by, and nothing else.
    let half_cut = (ReadPolicy::Quorum, false, true);
    for (policy, restart, confirms_pass) in restarts.chain([half_cut]) {
        let mut cluster = Cluster::of_three(as_is).await;
        cluster.fabric.confirms_pass.store(confirms_pass, Ordering::SeqCst);
        let old = cluster.ready().await;
        cluster.groups.values().for_each(|g| g.set_read_policy(policy));
        let others: Vec<u64> = cluster.groups.keys().copied().filter(|n| *n != old).collect();
        cluster.fabric.isolate(old, others.clone());
        if restart {
            // It has forgotten when it last heard from the old leader, and must not vote as if it never had.
            cluster.kill(others[0]).await;
            cluster.start(others[0]).await;
        }
        let groups: Vec<_> = others.iter().map(|n| cluster.groups[n].clone()).collect();
        let index = put(groups, 5, 1).await;
        // The old leader may believe in itself for a while, but must not answer a read without the new command.
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            if let Ok(view) =
                cluster.groups[&old].read_index_by(Instant::now() + Duration::from_millis(50)).await
            {
                let case = (policy, restart, confirms_pass);
                assert!(view.index().0 >= index, "{case:?}: a stale read");
            }
        }
        cluster.fabric.heal();
        cluster.converged().await;
    }
}

/// The vote of its earlier life names it as the leader, but what it acknowledged then may have to be replayed first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_restarts_serves_nothing_before_it_leads_again() {
    let late = |config: &mut crate::raft::GroupConfig| {
        config.timers.election_min_ms = 2_000;
        config.timers.election_max_ms = 2_500;
    };
    let mut cluster = Cluster::new(late);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    for round in 1..=5 {
        let mut index = 0;
        for seq in 0..20 {
            index = cluster.put(round, seq + 1).await;
        }
        cluster.kill(1).await;
        cluster.start(1).await;
        let soon = Instant::now() + Duration::from_millis(300);
        while Instant::now() < soon {
            if let Ok(view) =
                cluster.groups[&1].read_index_by(Instant::now() + Duration::from_millis(20)).await
            {
                assert!(view.index().0 >= index, "round {round}: {} of {index}", view.index().0);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_after_a_change_of_leader_shows_what_was_acknowledged() {
    let mut cluster = Cluster::of_three(as_is).await;
    for round in 1..=5 {
        let index = cluster.put(7, round).await;
        let leader = cluster.ready().await;
        if round % 2 == 0 {
            cluster.kill(leader).await;
        } else {
            cluster.groups[&leader].transfer(None).await.unwrap();
        }
        let next = cluster.ready().await;
        let view = cluster.groups[&next].read_index().await.unwrap();
        assert!(view.index().0 >= index && view.lookup(&key(7, round)).unwrap().is_some());
        if round % 2 == 0 {
            cluster.start(leader).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orderly_shutdown_hands_over() {
    let cluster = Cluster::of_three(as_is).await;
    let leader = cluster.ready().await;
    let index = cluster.put(3, 1).await;
    let others: Vec<_> = cluster.groups.values().filter(|g| g.node().0 != leader).cloned().collect();
    assert!(cluster.groups[&leader].shutdown().await, "by hand-over, not after failed elections");
    cluster.fabric.disconnect(leader);
    eventually("another leads", || others.iter().any(|g| g.leadership().borrow().is_leader)).await;
    assert!(put(others.clone(), 3, 2).await > index);
    assert!(cluster.aborted.lock().is_empty(), "a shutdown is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_callers_get_an_answer_in_time() {
    let cluster = Cluster::of_three(as_is).await;
    let leader = cluster.ready().await;
    for node in [1, 2, 3] {
        cluster.fabric.isolate(node, [1, 2, 3].into_iter().filter(|n| *n != node));
    }
    let began = Instant::now();
    let deadline = began + Duration::from_millis(500);
    let (written, read) = tokio::join!(
        cluster.groups[&leader].propose_by(command(9, 1, 0), deadline),
        cluster.groups[&leader].read_index_by(deadline)
    );
    assert!(written.is_err() && read.is_err());
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_too_large_is_refused() {
    let mut cluster = Cluster::new(|config| config.batch.bytes = 2000);
    cluster.start(1).await;
    cluster.groups[&1].initialize_single(command(0, 0, 0)).await.unwrap();
    let bytes = bytes::Bytes::from(vec![0; 3000]);
    let mut large = command(1, 1, 0);
    large.op = Some(holdfast_proto::op::Op::SetXattr(holdfast_proto::op::SetXattr {
        value: bytes,
        ..Default::default()
    }));
    let error = cluster.groups[&1].propose(large).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, MetaError::TooLarge { .. }), "{error}");
}
