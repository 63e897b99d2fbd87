//! Files held open: what the leader is told of them, when, and after what.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

mod fakes;

use std::time::Duration;

use fakes::{BUCKET, Cluster, Fate, Shape, bytes, create_bucket, eventually, put};
use holdfast_client::Client;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{Create, Op, Unlink};
use holdfast_proto::session::{KeepOpens, Open};
use holdfast_proto::status::Code;
use tokio::time::{Instant, sleep};

async fn mount(cluster: &Cluster) -> Client {
    let client = cluster.client_with(|config| config.holds_files = true).await;
    client.mutate(create_bucket()).await.unwrap();
    client
}

async fn root(client: &Client) -> u64 {
    client.stat(&format!("/{BUCKET}")).await.unwrap().ino
}

fn told(cluster: &Cluster) -> Vec<KeepOpens> {
    cluster.meta.state.lock().told.clone()
}

/// All closes told so far.
fn closes(cluster: &Cluster) -> Vec<Open> {
    told(cluster).into_iter().flat_map(|page| page.closes).collect()
}

fn assertions(cluster: &Cluster) -> Vec<KeepOpens> {
    told(cluster).into_iter().filter(|page| page.assertion > 0).collect()
}

fn create(parent: u64, name: &str) -> Create {
    Create {
        parent,
        name: name.to_owned().into(),
        kind: FileKind::File as i32,
        or_open: true,
        ..Create::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_close_is_told_with_the_highest_number() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = mount(&cluster).await;
    let data = bytes(100_000, 1);
    let ino = put(&client, "file", &data).await.inode.unwrap().ino;
    let (file, first) = client.open_inode_held(Ino(ino)).await.unwrap();
    assert_eq!(file.read_at(0, u64::MAX).await.unwrap(), data);
    let (answer, second) = client.hold_inode(Ino(ino), false).await.unwrap();
    assert_eq!(answer.reply().inode.as_ref().unwrap().size, 100_000);
    let opened = cluster.meta.state.lock().opened.clone();
    assert_eq!(opened.len(), 2);
    assert!(opened[0].1 < opened[1].1);
    assert_eq!((first.ino(), first.session()), (Ino(ino), client.session()));
    drop(second);
    sleep(Duration::from_secs(5)).await;
    assert!(closes(&cluster).is_empty());
    drop(first);
    eventually(|| !closes(&cluster).is_empty()).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(closes(&cluster), [Open { ino, number: opened[1].1 }], "once");
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_made_is_held_and_one_that_was_not_is_not() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = mount(&cluster).await;
    let root = root(&client).await;
    let (reply, hold) = client.create_held(create(root, "f")).await.unwrap();
    let (again, same) = client.create_held(create(root, "f")).await.unwrap();
    assert!(again.existed && !reply.existed);
    assert_eq!((hold.ino(), same.ino()), (Ino(reply.inode.unwrap().ino), hold.ino()));
    let refused = client.create_held(Create { or_open: false, ..create(root, "f") }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Exists);
    let gone = client.open_inode_held(Ino(99_999)).await.unwrap_err();
    assert_eq!(gone.code(), Code::StaleInode);
    eventually(|| !closes(&cluster).is_empty()).await;
    assert_eq!(closes(&cluster).iter().map(|close| close.ino).collect::<Vec<_>>(), [99_999]);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_is_told_everything() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = mount(&cluster).await;
    let root = root(&client).await;
    let (_, first) = client.create_held(create(root, "1")).await.unwrap();
    let (_, second) = client.create_held(create(root, "2")).await.unwrap();
    eventually(|| !assertions(&cluster).is_empty()).await;
    let before = assertions(&cluster).len();
    sleep(Duration::from_secs(20)).await;
    assert_eq!(assertions(&cluster).len(), before, "nothing new, nothing said");
    drop(first);
    {
        let mut state = cluster.meta.state.lock();
        (state.terms, state.wants_opens) = (1, true);
    }
    eventually(|| !cluster.meta.state.lock().wants_opens).await;
    let said = assertions(&cluster).pop().unwrap();
    assert_eq!((said.term, said.last), (2, true));
    assert_eq!(said.opens.iter().map(|open| Ino(open.ino)).collect::<Vec<_>>(), [second.ino()]);
    assert!(said.upto >= said.opens[0].number);
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_waits_for_creates_that_the_old_one_may_have_carried_out() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = mount(&cluster).await;
    let root = root(&client).await;
    eventually(|| !assertions(&cluster).is_empty()).await;
    let (cut, mut lost) = (Instant::now() + Duration::from_secs(10), 0);
    cluster.meta.intercept(move |command, _, _| match &command.op {
        Some(Op::Create(_)) if Instant::now() < cut => {
            lost += 1;
            if lost == 1 { Fate::LoseReply } else { Fate::Refuse(busy()) }
        }
        _ => Fate::Go,
    });
    let making = tokio::spawn({
        let client = client.clone();
        async move { client.create_held(create(root, "f")).await.unwrap() }
    });
    sleep(Duration::from_secs(1)).await;
    {
        let mut state = cluster.meta.state.lock();
        (state.terms, state.wants_opens) = (1, true);
    }
    sleep(Duration::from_secs(5)).await;
    assert!(cluster.meta.state.lock().wants_opens, "it was made, and nobody here knows its number");
    let (_, hold) = making.await.unwrap();
    eventually(|| !cluster.meta.state.lock().wants_opens).await;
    assert_eq!(assertions(&cluster).pop().unwrap().opens.first().map(|open| Ino(open.ino)), Some(hold.ino()));
}

fn busy() -> holdfast_proto::status::Status {
    holdfast_proto::status::Status::busy(Duration::from_millis(100), "later")
}

#[tokio::test(start_paused = true)]
async fn the_close_of_a_file_without_a_name_is_told_soon() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster
        .client_with(|config| (config.holds_files, config.heartbeat) = (true, Duration::from_secs(10)))
        .await;
    client.mutate(create_bucket()).await.unwrap();
    let root = root(&client).await;
    let (_, hold) = client.create_held(create(root, "f")).await.unwrap();
    sleep(Duration::from_secs(21)).await;
    let unlink = Unlink { parent: root, name: "f".into(), unheld: None };
    client.mutate(Op::Unlink(unlink)).await.unwrap();
    let (file, again) = client.open_inode_held(hold.ino()).await.unwrap();
    assert_eq!(file.inode().nlink, 0);
    drop((hold, again));
    let dropped = Instant::now();
    eventually(|| !closes(&cluster).is_empty()).await;
    assert!(dropped.elapsed() < Duration::from_secs(2), "{:?}", dropped.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_is_asserted_in_the_next_session() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = mount(&cluster).await;
    let root = root(&client).await;
    let (_, hold) = client.create_held(create(root, "f")).await.unwrap();
    let first = client.session();
    cluster.meta.expire(first.0);
    eventually(|| client.session() != first).await;
    assert_eq!(hold.session(), first);
    client.open_inode(hold.ino()).await.unwrap();
    let session = client.session().0;
    eventually(|| assertions(&cluster).iter().any(|said| said.session == session)).await;
    assert_eq!(assertions(&cluster).pop().unwrap().opens.first().map(|open| Ino(open.ino)), Some(hold.ino()));
}

#[tokio::test(start_paused = true)]
async fn only_a_client_that_says_so_holds_files() {
    let cluster = Cluster::start(Shape::default()).await;
    let client = cluster.client().await;
    let root = root(&client).await;
    assert_eq!(client.open_inode_held(Ino(root)).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(client.create_held(create(root, "f")).await.unwrap_err().code(), Code::InvalidArgument);
    sleep(Duration::from_secs(5)).await;
    assert!(told(&cluster).is_empty());
    let opened: Vec<bool> = (cluster.meta.state.lock().arrived.iter())
        .filter_map(|command| command.open.as_ref())
        .map(|open| open.holds_files)
        .collect();
    assert_eq!(opened, [false]);
}
