//! Files that a client holds open while others take their names away, against three real nodes: they stay readable and
//! writable by number, also when the leader dies, and go when they are closed or when their holder's session ends.
//!
//! The client library stands in for a mount.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use holdfast_client::{Client, ClientConfig, ClientError, Hold};
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{Extent, FileKind};
use holdfast_proto::op::{Create, Op, Piece, Rename, RenameMode, SetAttr, Unlink, Write};
use holdfast_proto::query::{GetInode, Lookup, Query};
use holdfast_proto::status::Code;
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::wait;

const BIG: Content = Content { seed: 3, size: 300_000 };

async fn client(cluster: &Cluster, holds_files: bool, session_ttl: Duration) -> Result<Client> {
    let config = ClientConfig {
        metaservers: cluster.addresses().split(',').map(str::to_owned).collect(),
        description: "test of open files".into(),
        holds_files,
        session_ttl,
        ..ClientConfig::default()
    };
    Ok(Client::connect(config).await?)
}

/// What the metadata says of an inode, by number.
async fn state(client: &Client, ino: Ino) -> Result<Code> {
    match client.ask(Query::GetInode(GetInode { ino: ino.0, content: false, open: 0 })).await {
        Ok(_) => Ok(Code::Ok),
        Err(error) if error.code() == Code::StaleInode => Ok(Code::StaleInode),
        Err(error) => Err(error.into()),
    }
}

async fn wait_gone(client: &Client, ino: Ino, most: Duration) -> Result<()> {
    wait::until("the inode to be freed", most, || async {
        match state(client, ino).await {
            Ok(Code::StaleInode) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

fn create(parent: u64, name: &str) -> Create {
    Create {
        parent,
        name: Bytes::copy_from_slice(name.as_bytes()),
        kind: FileKind::File as i32,
        mode: 0o644,
        or_open: true,
        ..Create::default()
    }
}

fn rename(parent: u64, from: &str, to: &str) -> Op {
    Op::Rename(Rename {
        parent,
        name: Bytes::copy_from_slice(from.as_bytes()),
        new_parent: parent,
        new_name: Bytes::copy_from_slice(to.as_bytes()),
        mode: RenameMode::Replace as i32,
        unheld: None,
    })
}

fn write(ino: Ino, text: &'static [u8]) -> Op {
    let source = Extent { inline: Some(Bytes::from_static(text)), ..Extent::default() };
    let piece = Piece { offset: 0, length: text.len() as u64, source: Some(source) };
    Op::Write(Write { ino: ino.0, pieces: vec![piece], ..Write::default() })
}

/// Reads and writes a file by number.
async fn use_it(mount: &Client, ino: Ino, text: &'static [u8]) -> Result<()> {
    mount.mutate(write(ino, text)).await?;
    let file = mount.open_inode(ino).await?;
    ensure!(file.inode().nlink == 0, "it has a name: {:?}", file.inode());
    let bytes = file.read_at(0, u64::MAX).await?;
    let expected = [text, &BIG.bytes()[text.len()..]].concat();
    ensure!(bytes == expected, "what is read by number is not what was written");
    mount.mutate(Op::SetAttr(SetAttr { ino: ino.0, mode: Some(0o600), ..SetAttr::default() })).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn open_files_outlive_their_names_and_their_leader() -> Result<()> {
    let mut cluster = Builder::new("opens").nodes(3).start().await?;
    let s3 = cluster.s3();
    s3.create_bucket("bkt").await?;
    let mount = client(&cluster, true, Duration::from_secs(30)).await?;
    let other = client(&cluster, false, Duration::from_secs(30)).await?;
    let parent = other.stat("/bkt").await?.ino;
    let mut holds = Vec::new();
    for key in ["unlinked", "renamed over", "put over", "deleted", "closed"] {
        s3.put("bkt", key, BIG.bytes()).await?;
        let ino = other.stat(&format!("/bkt/{key}")).await?.ino;
        let (file, hold) = mount.open_inode_held(Ino(ino)).await?;
        ensure!(file.size() == BIG.size);
        holds.push(hold);
    }
    let closed = holds.pop().context("five were opened")?.ino();

    s3.put("bkt", "new", BIG.bytes()).await?;
    other.mutate(Op::Unlink(Unlink { parent, name: "unlinked".into(), unheld: None })).await?;
    other.mutate(rename(parent, "new", "renamed over")).await?;
    s3.put("bkt", "put over", Bytes::from_static(b"new")).await?;
    s3.delete("bkt", "deleted").await?;
    s3.delete("bkt", "closed").await?;
    for hold in &holds {
        use_it(&mount, hold.ino(), b"one").await?;
    }
    // What nobody holds goes, soon after it was closed at the latest.
    wait_gone(&other, closed, Duration::from_secs(10)).await?;

    let leader = cluster.leader().await?;
    cluster.node(leader).kill()?;
    let killed = Instant::now();
    for hold in &holds {
        use_it(&mount, hold.ino(), b"two").await?;
    }
    println!("{:?} after the leader was killed all files were used by number", killed.elapsed());
    // The new leader has asked, been told and gone through what has no name several times by then.
    tokio::time::sleep(Duration::from_secs(4)).await;
    for hold in &holds {
        use_it(&mount, hold.ino(), b"three").await?;
    }
    let inos: Vec<Ino> = holds.iter().map(Hold::ino).collect();
    drop(holds);
    for ino in inos {
        wait_gone(&other, ino, Duration::from_secs(10)).await?;
    }
    ensure!(s3.get("bkt", "renamed over").await? == BIG.bytes());
    mount.close().await?;
    other.close().await?;
    cluster.restart(leader).await?;
    cluster.wait_redundant(Duration::from_secs(40)).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_client_held_goes_with_its_session() -> Result<()> {
    let cluster = Builder::new("dead-holder").nodes(3).start().await?;
    cluster.s3().create_bucket("bkt").await?;
    let ttl = Duration::from_secs(6);
    let mount = client(&cluster, true, ttl).await?;
    let other = client(&cluster, false, Duration::from_secs(30)).await?;
    let parent = other.stat("/bkt").await?.ino;
    let (_, hold) = mount.create_held(create(parent, "f")).await?;
    let ino = hold.ino();
    other.mutate(Op::Unlink(Unlink { parent, name: "f".into(), unheld: None })).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    ensure!(state(&other, ino).await? == Code::Ok, "it was freed under its holder");
    // It says nothing any more, not even that it goes.
    std::mem::forget(hold);
    drop(mount);
    let died = Instant::now();
    tokio::time::sleep(ttl / 3).await;
    ensure!(state(&other, ino).await? == Code::Ok, "its session lives");
    wait_gone(&other, ino, ttl + Duration::from_secs(15)).await?;
    println!("freed {:?} after its holder died", died.elapsed());
    other.close().await?;
    cluster.finish().await
}

/// What the clients of the third test share.
struct Play {
    mount: Client,
    other: Client,
    parent: u64,
    over: AtomicBool,
    held: AtomicU64,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Play {
    /// Opens files by name or number, and looks whether they stay until they are closed.
    async fn opener(self: Arc<Self>, seed: usize) -> Result<()> {
        let mut round = seed;
        while !self.over.load(Ordering::Relaxed) {
            round += 1;
            let name = NAMES[round % NAMES.len()];
            let hold = match round % 3 {
                0 => self.by_number(name).await?,
                _ => Some(self.mount.create_held(create(self.parent, name)).await?.1),
            };
            let Some(hold) = hold else { continue };
            for _ in 0..4 {
                let found = state(&self.other, hold.ino()).await?;
                ensure!(found == Code::Ok, "round {round}: inode {} is held, and gone", hold.ino());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            ensure!(hold.session() == self.mount.session(), "the session was lost");
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn by_number(&self, name: &'static str) -> Result<Option<Hold>> {
        let lookup = Lookup { parent: self.parent, name: name.into(), content: false };
        let found = match self.mount.ask(Query::Lookup(lookup)).await {
            Ok(answer) => answer.reply().inode.as_ref().map(|inode| Ino(inode.ino)),
            Err(error) if error.code() == Code::NotFound => None,
            Err(error) => return Err(error.into()),
        };
        let Some(ino) = found else { return Ok(None) };
        match self.mount.hold_inode(ino, false).await {
            Ok((_, hold)) => Ok(Some(hold)),
            // It lost its name and was freed between the two questions.
            Err(error) if error.code() == Code::StaleInode => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes names away.
    async fn taker(self: Arc<Self>, seed: usize) -> Result<()> {
        let mut round = seed;
        while !self.over.load(Ordering::Relaxed) {
            round += 1;
            let (name, next) = (NAMES[round % NAMES.len()], NAMES[(round + 1) % NAMES.len()]);
            let op = match round % 4 {
                0 => rename(self.parent, name, next),
                1 => {
                    let put = self.other.put_bytes(
                        "bkt",
                        name.as_bytes(),
                        Bytes::from_static(b"x"),
                        Default::default(),
                    );
                    put.await?;
                    continue;
                }
                _ => Op::Unlink(Unlink { parent: self.parent, name: name.into(), unheld: None }),
            };
            match self.other.mutate(op).await {
                Ok(_) => {}
                Err(ClientError::Refused(status)) if status.kind() == Code::NotFound => {}
                Err(error) => bail!(error),
            }
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_race_with_openers_and_no_change_of_leader_frees_an_open_file() -> Result<()> {
    let mut cluster = Builder::new("open-races").nodes(3).start().await?;
    cluster.s3().create_bucket("bkt").await?;
    let mount = client(&cluster, true, Duration::from_secs(60)).await?;
    let other = client(&cluster, false, Duration::from_secs(60)).await?;
    let parent = other.stat("/bkt").await?.ino;
    let play = Arc::new(Play { mount, other, parent, over: AtomicBool::new(false), held: AtomicU64::new(0) });
    let mut players = tokio::task::JoinSet::new();
    for seed in 0..6 {
        players.spawn(play.clone().opener(seed));
        players.spawn(play.clone().taker(seed));
    }
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        let leader = cluster.leader().await?;
        cluster.node(leader).kill()?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        cluster.restart(leader).await?;
        cluster
            .wait_status("all to vote and live", Duration::from_secs(30), |s| {
                s.voters.len() == 3 && s.nodes_alive == 3
            })
            .await?;
    }
    play.over.store(true, Ordering::Relaxed);
    while let Some(player) = players.join_next().await {
        player??;
    }
    println!("{} files were held while their names went", play.held.load(Ordering::Relaxed));
    ensure!(play.held.load(Ordering::Relaxed) > 50, "hardly any file was held");
    // In the end nothing is left without a name.
    for name in NAMES {
        let op = Op::Unlink(Unlink { parent, name: name.into(), unheld: None });
        match play.other.mutate(op).await {
            Err(error) if error.code() != Code::NotFound => bail!(error),
            _ => {}
        }
    }
    wait::until("everything to be freed", Duration::from_secs(20), || async {
        let totals = play.other.statfs().await.map_err(|error| error.to_string())?;
        // The root and the bucket.
        if totals.inodes == 2 { Ok(()) } else { Err(format!("{} inodes", totals.inodes)) }
    })
    .await?;
    play.mount.close().await?;
    cluster.finish().await
}
