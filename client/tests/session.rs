//! Sessions: exactly once, through lost replies, changes of leader and expiry; and what heartbeats protect.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod fakes;

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use fakes::{BUCKET, Cluster, Fate, Shape, bytes, create_bucket, eventually, put};
use holdfast_client::{ClientError, PutOptions};
use holdfast_proto::ids::NodeId;
use holdfast_proto::op::{CreateBucket, Op};
use holdfast_proto::query::{ListBuckets, Query};
use holdfast_proto::status::{Code, Status};
use tokio::time::Instant;

fn bucket(name: String) -> Op {
    Op::CreateBucket(CreateBucket { name, ..CreateBucket::default() })
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_reply_was_lost_is_carried_out_once() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|_| {}).await;
    let mut lost = 0;
    cluster.meta.intercept(move |_, _, _| {
        lost += 1;
        if lost <= 2 { Fate::LoseReply } else { Fate::Go }
    });
    // Executed twice, this would be refused as existing.
    client.mutate(create_bucket()).await.unwrap();
    let state = cluster.meta.state.lock();
    let numbers: HashSet<_> = state.arrived.iter().map(|command| (command.session, command.seq)).collect();
    assert_eq!((state.arrived.len(), numbers.len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_found_without_the_caller_noticing() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    for round in 0..6 {
        cluster.meta.leader.store(round % 2, Ordering::SeqCst);
        if round == 4 {
            cluster.network.stop("meta1");
        }
        let started = Instant::now();
        client.mutate(bucket(format!("bucket{round}"))).await.unwrap();
        client.ask(Query::ListBuckets(ListBuckets {})).await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
        if round == 4 {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_command_is_unknown_not_failed() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await.within(Duration::from_secs(3));
    cluster.meta.intercept(|_, _, _| Fate::LoseReply);
    let error = client.mutate(bucket("other".into())).await.unwrap_err();
    assert!(error.outcome_unknown(), "{error}");
    cluster.meta.intercept(|_, _, _| Fate::Go);
    let error = client.mutate(bucket("other".into())).await.unwrap_err();
    assert_eq!(error.code(), Code::Exists, "it was carried out");
}

#[tokio::test(start_paused = true)]
async fn after_expiry_work_goes_on_in_a_new_session_but_the_lost_command_does_not() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.heartbeat = Duration::from_secs(3600)).await;
    client.mutate(create_bucket()).await.unwrap();
    let first = client.session();
    cluster.meta.expire(first.0);
    let error = client.mutate(bucket("lost".into())).await.unwrap_err();
    assert_eq!(error, ClientError::SessionLost(first));
    assert!(error.outcome_unknown());

    let data = bytes(200_000, 1);
    put(&client, "file", &data).await;
    assert_ne!(client.session(), first);
    assert!(cluster.meta.session_is_open(client.session().0));
    let buckets = client.ask(Query::ListBuckets(ListBuckets {})).await.unwrap();
    let names: Vec<_> = buckets.reply.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
    assert_eq!(names, [BUCKET], "the lost command was not executed behind the caller's back");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_slept_asks_before_it_acts() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.heartbeat = Duration::from_secs(3600)).await;
    client.mutate(create_bucket()).await.unwrap();
    let first = client.session();
    tokio::time::sleep(Duration::from_secs(60)).await;
    cluster.meta.expire(first.0);
    client.mutate(bucket("fine".into())).await.unwrap();
    assert_ne!(client.session(), first);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_belongs_to_a_session_goes_with_it() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.heartbeat = Duration::from_secs(3600)).await;
    client.mutate(create_bucket()).await.unwrap();
    let first = client.session();
    let bound = client.only_in(first);
    bound.mutate(bucket("while".into())).await.unwrap();
    // Whether it was silent for long and asks first, is refused, or knows already.
    tokio::time::sleep(Duration::from_secs(60)).await;
    cluster.meta.expire(first.0);
    for _ in 0..2 {
        let error = bound.mutate(bucket("after".into())).await.unwrap_err();
        assert_eq!(error, ClientError::SessionLost(first));
        assert_ne!(client.session(), first);
    }
    client.mutate(bucket("others".into())).await.unwrap();
    let second = client.session();
    cluster.meta.expire(second.0);
    let error = client.only_in(second).mutate(bucket("after".into())).await.unwrap_err();
    assert_eq!(error, ClientError::SessionLost(second));
    let listed = client.ask(Query::ListBuckets(ListBuckets::default())).await.unwrap();
    let names: Vec<_> = listed.reply().buckets.iter().map(|found| found.name.clone()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(!names.contains(&"after".into()), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn content_written_in_a_session_that_ended_is_committed_in_the_next() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let data = bytes(300_000, 9);
    let mut writer = client.put(BUCKET, b"file", PutOptions::default()).await.unwrap();
    writer.write(data.clone()).await.unwrap();
    cluster.meta.expire(client.session().0);
    // A heartbeat notices.
    let first = client.session();
    eventually(|| client.session() != first).await;
    writer.finish().await.unwrap();
    assert_eq!(fakes::get(&client, "file").await, data);
}

#[tokio::test(start_paused = true)]
async fn questions_survive_expiry_unnoticed() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.heartbeat = Duration::from_secs(3600)).await;
    client.mutate(create_bucket()).await.unwrap();
    let data = bytes(100_000, 1);
    put(&client, "file", &data).await;
    cluster.meta.expire(client.session().0);
    client.ask(Query::ListBuckets(ListBuckets {})).await.unwrap();
    cluster.meta.expire(client.open_object(BUCKET, b"file", None).await.map(|_| client.session()).unwrap().0);
    assert_eq!(fakes::get(&client, "file").await, data);
}

#[tokio::test(start_paused = true)]
async fn three_thousand_commands_fit_through_the_window() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    cluster.network.set_faults(holdfast_rpc::fake::Faults {
        delay: (Duration::ZERO, Duration::from_millis(20)),
        ..Default::default()
    });
    let commands = (0..3000).map(|at| {
        let client = client.clone();
        tokio::spawn(async move { client.mutate(bucket(format!("bucket{at}"))).await.map(drop) })
    });
    for command in commands.collect::<Vec<_>>() {
        command.await.unwrap().unwrap();
    }
    let state = cluster.meta.state.lock();
    assert!(state.arrived.iter().all(|command| command.seq - command.lowest_unanswered < 1024));
    assert_eq!(state.arrived.len(), 3001, "nothing was sent twice");
}

#[tokio::test(start_paused = true)]
async fn many_first_commands_open_one_session() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|_| {}).await;
    let commands: Vec<_> = (0..50)
        .map(|at| {
            let client = client.clone();
            tokio::spawn(async move { client.mutate(bucket(format!("bucket{at}"))).await.map(drop) })
        })
        .collect();
    for command in commands {
        command.await.unwrap().unwrap();
    }
    let state = cluster.meta.state.lock();
    assert_eq!(state.arrived.iter().filter(|command| command.open.is_some()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refused_first_command_opens_the_session_all_the_same() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|_| {}).await;
    let error = client.mutate(bucket("!".into())).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "{error}");
    client.mutate(create_bucket()).await.unwrap();
    let state = cluster.meta.state.lock();
    assert_eq!(state.arrived.iter().filter(|command| command.open.is_some()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn heartbeats_report_the_oldest_reply_still_in_use() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    put(&client, "file", &bytes(200_000, 1)).await;
    let file = client.open_object(BUCKET, b"file", None).await.unwrap();
    let opened = cluster.meta.state.lock().index;
    for round in 0..5 {
        put(&client, "file", &bytes(1000, round)).await;
    }
    let last = || cluster.meta.state.lock().beats.last().map(|beat| beat.oldest_index);
    let before = cluster.meta.state.lock().beats.len();
    eventually(|| cluster.meta.state.lock().beats.len() >= before + 3).await;
    assert_eq!(last(), Some(opened));
    drop(file);
    eventually(|| last() > Some(opened)).await;
    let newest = cluster.meta.state.lock().index;
    eventually(|| last() == Some(newest)).await;
}

#[tokio::test(start_paused = true)]
async fn grants_rotate_and_close_once_their_chunks_are_committed() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.grant_age = Duration::from_secs(10)).await;
    client.mutate(create_bucket()).await.unwrap();
    let grants = || {
        let state = cluster.meta.state.lock();
        let key = |key: &Bytes| key.first() == Some(&holdfast_state::keys::GRANT);
        state.table.iter().filter(|(k, _)| key(k)).map(|(k, _)| k.clone()).collect::<Vec<_>>()
    };
    let mut writer = client.put(BUCKET, b"slow", PutOptions::default()).await.unwrap();
    writer.write(bytes(100_000, 1)).await.unwrap();
    let first = grants();
    assert_eq!(first.len(), 1);
    eventually(|| grants().len() == 2).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(grants().contains(&first[0]), "its chunks are not committed yet");
    writer.finish().await.unwrap();
    eventually(|| !grants().contains(&first[0])).await;
    assert_eq!(grants().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_ends_the_session_and_the_client() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let session = client.session();
    assert!(cluster.meta.session_is_open(session.0));
    client.close().await.unwrap();
    assert!(!cluster.meta.session_is_open(session.0));
    assert_eq!(client.mutate(bucket("late".into())).await.unwrap_err(), ClientError::Closed);
    client.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cut_off_client_is_told_by_its_deadline() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await.within(Duration::from_secs(2));
    cluster.network.cut(NodeId(0), NodeId(1));
    let started = Instant::now();
    let error = client.ask(Query::ListBuckets(ListBuckets {})).await.unwrap_err();
    assert_eq!(error.code(), Code::Timeout, "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
    cluster.network.heal();
    client.ask(Query::ListBuckets(ListBuckets {})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_busy_leader_is_asked_again() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let mut refused = 0;
    cluster.meta.intercept(move |_, _, _| {
        refused += 1;
        match refused {
            1..=3 => Fate::Refuse(Status::busy(Duration::from_millis(50), "later")),
            _ => Fate::Go,
        }
    });
    client.mutate(bucket("other".into())).await.unwrap();
}
