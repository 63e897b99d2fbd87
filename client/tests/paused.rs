//! A commit that comes after the close of its grant: the client, a chunkserver or the leader stands still at every
//! step of a write, in turn; meanwhile the leader ends the session and has the records that nothing refers to
//! collected. Whatever was acknowledged is there whole, whatever was not is there whole or not at all, and metadata
//! names no chunk that is gone (DESIGN §3, "Chunk numbers and grants"; §5, "Orphans").

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fakes;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fakes::{BUCKET, ChunkNode, Cluster, Meta, Shape, by_leader, bytes, create_bucket, get, put};
use holdfast_client::{Client, PutOptions};
use holdfast_proto::ids::ChunkId;
use holdfast_proto::op::{ExpireSession, Op};
use holdfast_state::{keys, records};
use tokio::time::Instant;

const CHUNK: usize = 64 << 10;

/// Longer than any session, any deadline, any patience.
const AGES: Duration = Duration::from_secs(300);

/// Who stands still.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Paused {
    /// The client, all of it: for it, no time passes between the step and what the leader did meanwhile.
    Client,
    /// Whoever holds the message of this step; everybody else goes on, and the client works around it.
    Message,
    /// The network: every message from this step on arrives late, in a session that has ended.
    Network,
    /// The network, but the session lives, and so do its grants.
    Moment,
}

/// What a leader does when clients are silent for long enough.
fn ends_and_collects(meta: &Meta, nodes: &[Arc<ChunkNode>]) {
    ends(meta);
    collects(meta, nodes);
}

fn ends(meta: &Meta) {
    let state = &mut *meta.state.lock();
    let open: Vec<u64> = (state.table.iter())
        .filter(|(key, _)| key.first() == Some(&keys::SESSION))
        .map(|(key, value)| (key.clone(), records::decode::<records::Session>(key, value.clone()).unwrap()))
        .filter(|(_, session)| session.is_open())
        .map(|(key, _)| u64::from_be_bytes(key[1..9].try_into().unwrap()))
        .collect();
    for session in open {
        let reply = fakes::apply(
            &mut state.table,
            &mut state.index,
            &by_leader(Op::ExpireSession(ExpireSession { session })),
        );
        assert!(reply.is_ok(), "{reply:?}");
    }
}

/// Deletes the records whose grant is closed and which metadata does not know.
fn collects(meta: &Meta, nodes: &[Arc<ChunkNode>]) {
    let state = meta.state.lock();
    let has = |key: &Bytes| state.table.iter().any(|(found, _)| found == key);
    for node in nodes {
        let closed = |number: u64| !has(&keys::grant(number >> 24));
        let orphan = |pg: u32, number: u64| closed(number) && !has(&keys::chunk(ChunkId::new(pg, number)));
        node.store.lock().retain(|(_, pg, number), _| !orphan(*pg, *number));
    }
}

/// Every chunk that metadata names lies on every member that is not said to lack it.
fn nothing_named_is_gone(cluster: &Cluster, when: &str) {
    let replicas = cluster.replicas();
    let state = cluster.meta.state.lock();
    for (key, _) in state.table.iter().filter(|(key, _)| key.first() == Some(&keys::CHUNK)) {
        let pg = u32::from_be_bytes(key[1..5].try_into().unwrap());
        let number = u64::from_be_bytes(key[5..13].try_into().unwrap());
        let lacking = (state.table.iter())
            .filter(|(key, _)| key.first() == Some(&keys::MISSING) && key.ends_with(&number.to_be_bytes()))
            .count();
        let there = replicas.get(&(pg, number)).copied().unwrap_or_default();
        assert!(there + lacking >= 3, "{when}: chunk {number:x} lies on {there}, {lacking} lack it");
    }
}

/// Runs a write with a pause at its step `at`; how many steps it had.
async fn trial(paused: Paused, at: usize) -> usize {
    let when = format!("{paused:?} paused at step {at}");
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client_with(|config| config.grant_age = Duration::from_secs(5)).await;
    client.mutate(create_bucket()).await.unwrap();
    let (old, new) = (bytes(2 * CHUNK + 10, 1), bytes(3 * CHUNK, 2));
    put(&client, "key", &old).await;
    let (meta, nodes) = (Arc::downgrade(&cluster.meta), cluster.chunks.clone());
    let mut until = None;
    cluster.meta.watch_steps(move |step| {
        let late = until.map_or(Duration::ZERO, |until: Instant| until.duration_since(Instant::now()));
        let Some(meta) = meta.upgrade().filter(|_| step == at) else { return late };
        if paused == Paused::Client {
            ends_and_collects(&meta, &nodes);
            return Duration::ZERO;
        }
        if paused != Paused::Message {
            until = Some(Instant::now() + AGES);
        }
        let nodes = nodes.clone();
        tokio::spawn(async move {
            tokio::time::sleep(AGES / 2).await;
            if paused != Paused::Moment {
                ends(&meta);
            }
            collects(&meta, &nodes);
        });
        AGES
    });
    let result = client.put_bytes(BUCKET, b"key", new.clone(), PutOptions::default()).await;
    // Whatever was held up arrives.
    tokio::time::sleep(2 * AGES).await;
    let steps = cluster.meta.steps();
    nothing_named_is_gone(&cluster, &when);
    ends_and_collects(&cluster.meta, &cluster.chunks);
    nothing_named_is_gone(&cluster, &when);
    let reader: Client = cluster.client_with(|_| {}).await;
    let found = get(&reader, "key").await;
    match &result {
        Ok(_) => assert!(found == new, "{when}: the acknowledged write is not there"),
        Err(_) => assert!(found == old || found == new, "{when}: half a write"),
    }
    steps
}

async fn at_every_step(paused: Paused) {
    let mut at = 1;
    loop {
        let steps = trial(paused, at).await;
        if at >= steps {
            break;
        }
        at += 1;
    }
    // Nine writes and a commit, each with an arrival and an answer, unless the network stood still.
    assert!(at >= 10, "only {at} steps");
}

#[tokio::test(start_paused = true)]
async fn a_client_pauses_at_every_step_of_a_write() {
    at_every_step(Paused::Client).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_is_held_up_at_every_step_of_a_write() {
    at_every_step(Paused::Message).await;
}

#[tokio::test(start_paused = true)]
async fn every_message_arrives_after_the_end_of_its_session() {
    at_every_step(Paused::Network).await;
}

/// Records of a grant that is open are not collected, however old they are.
#[tokio::test(start_paused = true)]
async fn every_message_arrives_late_in_a_session_that_lives() {
    at_every_step(Paused::Moment).await;
}
