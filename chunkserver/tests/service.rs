//! The service with a small stand-in for the metadata leader, in one process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::content;
use holdfast_chunkserver::{ChunkConfig, Chunkserver, DiskConfig};
use holdfast_proto::chunk::{
    DeleteChunks, ListRecords, Order, PullChunks, PullItem, ReadChunk, Source, VerifyChunks, WriteChunk,
};
use holdfast_proto::cluster::{DiskReport, Empty, Heartbeat, HeartbeatReply, Peer, ScrubReport, ScrubState};
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_proto::map::{Disk, MapReply, Member, Pg, Redundancy, Standing, StorageClass};
use holdfast_proto::method::{AdmitDisk, Beat, Delete, GetMap, Pull, Read, Records, Report, Verify, Write};
use holdfast_proto::op::{DiskRef, Reply};
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::{Endpoint, MetaCaller, Net, NetConfig, Router};
use holdfast_support::crc::block_crcs;
use parking_lot::Mutex;
use tokio::time::Instant;

const NODE: NodeId = NodeId(1);
const CLUSTER: ClusterId = ClusterId([7; 16]);

/// What the stand-in leader knows.
#[derive(Default)]
struct Leader {
    state: Mutex<State>,
    term: AtomicU64,
}

#[derive(Default)]
struct State {
    epoch: u64,
    cluster: Vec<u8>,
    disks: Vec<Disk>,
    pgs: Vec<Pg>,
    reports: Vec<(u32, u64)>,
    scrub_rate: Option<u64>,
    beats: Vec<Heartbeat>,
}

impl Leader {
    fn new() -> Arc<Self> {
        let leader = Self { term: AtomicU64::new(3), ..Self::default() };
        leader.state.lock().epoch = 10;
        leader.state.lock().cluster = CLUSTER.0.to_vec();
        Arc::new(leader)
    }

    fn map(&self) -> MapReply {
        let state = self.state.lock();
        let class = StorageClass {
            id: 1,
            epoch: 1,
            redundancy: Some(Redundancy::replicated(2, 1)),
            chunk_bytes: 8 << 20,
            ..StorageClass::default()
        };
        MapReply {
            epoch: state.epoch,
            disks: state.disks.clone(),
            classes: vec![class],
            pgs: state.pgs.clone(),
            cluster: state.cluster.clone().into(),
            meta_incarnation: 1,
            full: true,
            leader: 1,
            term: self.term.load(Ordering::SeqCst),
            ..MapReply::default()
        }
    }

    fn set_group(&self, id: u32, disks: &[u32]) -> u64 {
        let mut state = self.state.lock();
        state.epoch += 1;
        let epoch = state.epoch;
        let lives: Vec<(u32, u64)> = state.disks.iter().map(|disk| (disk.id, disk.incarnation)).collect();
        let member = |disk: &u32| Member {
            disk: *disk,
            incarnation: lives.iter().find(|life| life.0 == *disk).unwrap().1,
            joined: epoch,
            clean: true,
            ..Member::default()
        };
        let members = disks.iter().map(member).collect();
        state.pgs.retain(|pg| pg.id != id);
        state.pgs.push(Pg { id, epoch, class: 1, members, ..Pg::default() });
        epoch
    }

    /// What it says about scrub.
    fn limits(&self) -> HeartbeatReply {
        HeartbeatReply { scrub_rate: self.state.lock().scrub_rate, ..HeartbeatReply::default() }
    }

    fn router(self: &Arc<Self>) -> Router {
        let (maps, beats, admits, reports) = (self.clone(), self.clone(), self.clone(), self.clone());
        Router::new()
            .on::<GetMap, _, _>(move |_, _, _| {
                let map = maps.map();
                async move { Ok((map, Bytes::new())) }
            })
            .on::<Beat, _, _>(move |_, beat, _| {
                beats.state.lock().beats.push(beat);
                let term = beats.term.load(Ordering::SeqCst);
                let map_epoch = beats.state.lock().epoch;
                let limits = beats.limits();
                async move {
                    Ok((HeartbeatReply { term, map_epoch, meta_incarnation: 1, ..limits }, Bytes::new()))
                }
            })
            .on::<AdmitDisk, _, _>(move |_, request, _| {
                let mut state = admits.state.lock();
                state.epoch += 1;
                let epoch = state.epoch;
                let known = state.disks.iter().find(|disk| disk.fingerprint == request.fingerprint).cloned();
                let disk = known.unwrap_or_else(|| Disk {
                    id: if request.replaces > 0 { request.replaces } else { state.disks.len() as u32 + 1 },
                    epoch,
                    incarnation: epoch,
                    node: request.node,
                    capacity: request.capacity,
                    fingerprint: request.fingerprint.clone(),
                    path: request.path.clone(),
                    ..Disk::default()
                });
                state.disks.retain(|old| old.id != disk.id);
                state.disks.push(disk.clone());
                let reply =
                    Reply { id: u64::from(disk.id), incarnation: disk.incarnation, ..Reply::default() };
                async move { Ok((reply, Bytes::new())) }
            })
            .on::<Report, _, _>(move |_, request, _| {
                reports.state.lock().reports.push((request.pg, request.number));
                async move { Ok((Empty {}, Bytes::new())) }
            })
    }
}

struct Rig {
    leader: Arc<Leader>,
    net: Net,
    server: Option<Chunkserver>,
    paths: Vec<std::path::PathBuf>,
}

impl Rig {
    fn start(leader: &Arc<Leader>, paths: &[&Path]) -> Self {
        let net = Net::new(NetConfig { node: NODE, cluster: Some(CLUSTER), ..NetConfig::default() });
        let meta = MetaCaller::new(net.clone(), Vec::new());
        meta.learn(&[Peer { node: NODE.0, address: "here".into() }]);
        let config = ChunkConfig {
            disks: paths
                .iter()
                .map(|path| DiskConfig { capacity: 256 << 20, ..DiskConfig::new(*path) })
                .collect(),
            heartbeat: Duration::from_millis(50),
            byte_budget: 16 << 20,
            ..ChunkConfig::default()
        };
        let (server, router) = Chunkserver::start(config, net.clone(), meta, NODE);
        net.serve_locally(NODE, leader.router().merge(router));
        let paths = paths.iter().map(|path| path.to_path_buf()).collect();
        Self { leader: leader.clone(), net, server: Some(server), paths }
    }

    async fn until(&self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !done(self) {
            assert!(Instant::now() < deadline, "{what} did not happen; pending: {:?}", self.pending());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn pending(&self) -> Vec<String> {
        self.server.as_ref().unwrap().pending().into_values().collect()
    }

    async fn ready(&self) {
        self.until("all disks in service", |rig| rig.server.as_ref().unwrap().ready()).await;
    }

    fn disk(&self, index: usize) -> DiskRef {
        let path = self.paths[index].display().to_string();
        let state = self.leader.state.lock();
        let disk = state.disks.iter().find(|disk| disk.path == path).unwrap();
        DiskRef { disk: disk.id, incarnation: disk.incarnation }
    }

    async fn call<M: holdfast_proto::method::Method>(
        &self,
        request: M::Request,
        payload: Bytes,
    ) -> Result<(M::Reply, Bytes), Status> {
        let deadline = Instant::now() + Duration::from_secs(60);
        self.net.call::<M>(&Endpoint::new(NODE, "here"), &request, payload, deadline).await
    }

    async fn write(
        &self,
        disk: DiskRef,
        pg: u32,
        number: u64,
        epoch: u64,
        bytes: &Bytes,
    ) -> Result<u64, Status> {
        let request = WriteChunk {
            disk: Some(disk),
            pg,
            number,
            chunk_bytes: bytes.len() as u64,
            crcs: block_crcs(bytes).into(),
            epoch,
            blake3: Bytes::copy_from_slice(blake3::hash(bytes).as_bytes()),
            ..WriteChunk::default()
        };
        Ok(self.call::<Write>(request, bytes.clone()).await?.0.epoch)
    }

    async fn read(&self, disk: DiskRef, pg: u32, number: u64) -> Result<Bytes, Status> {
        let request = ReadChunk { disk: Some(disk), pg, number, length: 1 << 30, ..ReadChunk::default() };
        Ok(self.call::<Read>(request, Bytes::new()).await?.1)
    }

    fn order(&self, term: u64, pg_epoch: u64) -> Option<Order> {
        Some(Order { term, meta_incarnation: 1, pg_epoch, index: 1, leader: 1 })
    }

    async fn stop(&mut self) {
        self.server.take().unwrap().shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_reads_repairs_and_deletes() {
    let (dir, leader) = (common::scratch(), Leader::new());
    let mut rig = Rig::start(&leader, &[&dir.path().join("a"), &dir.path().join("b")]);
    rig.ready().await;
    let (a, b) = (rig.disk(0), rig.disk(1));
    let epoch = leader.set_group(5, &[a.disk, b.disk]);
    let bytes = content(1, 300_000);
    // The node learns of the group from the epoch of the writer's map.
    assert!(rig.write(a, 5, 1, epoch, &bytes).await.unwrap() >= epoch);
    assert_eq!(rig.read(a, 5, 1).await.unwrap(), bytes);
    let conflict = rig.write(a, 5, 1, epoch, &content(2, 300_000)).await.unwrap_err();
    assert_eq!(conflict.kind(), Code::ChunkConflict);
    let other_life = DiskRef { incarnation: a.incarnation + 1, ..a };
    assert_eq!(rig.write(other_life, 5, 2, epoch, &bytes).await.unwrap_err().kind(), Code::WrongDisk);
    assert_eq!(rig.write(a, 6, 2, epoch, &bytes).await.unwrap_err().kind(), Code::StaleMap);
    assert_eq!(rig.read(b, 5, 1).await.unwrap_err().kind(), Code::ChunkNotFound);

    let pull = PullChunks {
        order: rig.order(3, epoch),
        disk: Some(b),
        pg: 5,
        sources: vec![Source {
            member: Some(Member { disk: a.disk, incarnation: a.incarnation, ..Member::default() }),
            node: NODE.0,
            address: "here".into(),
            shard: 0,
        }],
        items: [1, 99]
            .map(|number| PullItem {
                number,
                chunk_bytes: bytes.len() as u64,
                blake3: Bytes::copy_from_slice(blake3::hash(&bytes).as_bytes()),
            })
            .to_vec(),
        redundancy: Some(Redundancy::replicated(2, 1)),
        ..PullChunks::default()
    };
    let (pulled, _) = rig.call::<Pull>(pull.clone(), Bytes::new()).await.unwrap();
    assert_eq!(pulled.done, [1]);
    assert_eq!((pulled.failed[0].number, pulled.failed[0].bad.as_slice()), (99, &[a][..]));
    assert_eq!(rig.read(b, 5, 1).await.unwrap(), bytes);
    let again = rig.call::<Pull>(pull.clone(), Bytes::new()).await.unwrap().0;
    assert_eq!((again.done.as_slice(), again.bytes), (&[1][..], 0));
    // What is whole in itself but of another length than metadata says is no copy.
    rig.write(a, 5, 3, epoch, &bytes).await.unwrap();
    rig.write(b, 5, 3, epoch, &bytes.slice(..1000)).await.unwrap();
    let mut other = pull;
    other.items.truncate(1);
    other.items[0].number = 3;
    let pulled = rig.call::<Pull>(other, Bytes::new()).await.unwrap().0;
    assert_eq!((pulled.done.as_slice(), pulled.bytes), (&[3][..], bytes.len() as u64));
    assert_eq!(rig.read(b, 5, 3).await.unwrap(), bytes);

    let verify = VerifyChunks { disk: Some(b), pg: 5, numbers: vec![1, 2] };
    let (verdicts, _) = rig.call::<Verify>(verify, Bytes::new()).await.unwrap();
    assert_eq!((verdicts.good, verdicts.absent), (vec![1], vec![2]));
    let list = ListRecords { disk: Some(b), pg: 5, after: 0, most: 10 };
    assert_eq!(rig.call::<Records>(list, Bytes::new()).await.unwrap().0.entries.len(), 2);

    let mut delete =
        DeleteChunks { order: rig.order(2, epoch), disk: Some(b), pg: 5, numbers: vec![1], whole_pg: false };
    let old_term = rig.call::<Delete>(delete.clone(), Bytes::new()).await.unwrap_err();
    assert_eq!(old_term.kind(), Code::StaleOrder);
    delete.order = rig.order(3, epoch - 1);
    let old_epoch = rig.call::<Delete>(delete.clone(), Bytes::new()).await.unwrap_err();
    assert_eq!(old_epoch.kind(), Code::StaleOrder);
    delete.order = rig.order(4, epoch);
    assert_eq!(rig.call::<Delete>(delete.clone(), Bytes::new()).await.unwrap().0.deleted, 1);
    // The new term is remembered.
    delete.order = rig.order(3, epoch);
    assert_eq!(rig.call::<Delete>(delete.clone(), Bytes::new()).await.unwrap_err().kind(), Code::StaleOrder);

    let whole = |order| DeleteChunks { order, disk: Some(a), pg: 5, numbers: Vec::new(), whole_pg: true };
    let member = rig.call::<Delete>(whole(rig.order(4, epoch)), Bytes::new()).await.unwrap_err();
    assert_eq!(member.kind(), Code::PreconditionFailed);
    let left = leader.set_group(5, &[b.disk]);
    assert_eq!(rig.call::<Delete>(whole(rig.order(4, left)), Bytes::new()).await.unwrap().0.deleted, 2);
    assert_eq!(rig.read(a, 5, 1).await.unwrap_err().kind(), Code::ChunkNotFound);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keeps_identity_and_authority_over_a_restart() {
    let (dir, leader) = (common::scratch(), Leader::new());
    let path = dir.path().join("a");
    let mut rig = Rig::start(&leader, &[&path]);
    rig.ready().await;
    let disk = rig.disk(0);
    let epoch = leader.set_group(5, &[disk.disk]);
    let bytes = content(1, 5000);
    rig.write(disk, 5, 1, epoch, &bytes).await.unwrap();
    let delete = |order| DeleteChunks { order, disk: Some(disk), pg: 5, numbers: vec![2], whole_pg: false };
    rig.call::<Delete>(delete(rig.order(9, epoch)), Bytes::new()).await.unwrap();
    rig.stop().await;
    drop(rig);
    let mut rig = Rig::start(&leader, &[&path]);
    rig.ready().await;
    assert_eq!(rig.read(disk, 5, 1).await.unwrap(), bytes);
    let old = rig.call::<Delete>(delete(rig.order(8, epoch)), Bytes::new()).await.unwrap_err();
    assert_eq!(old.kind(), Code::StaleOrder);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_disk_does_not_keep_the_others_from_serving() {
    let (dir, leader) = (common::scratch(), Leader::new());
    let (good, foreign) = (dir.path().join("good"), dir.path().join("foreign"));
    leader.state.lock().cluster = vec![9; 16];
    let mut other = Rig::start(&leader, &[&foreign]);
    other.ready().await;
    other.stop().await;
    drop(other);
    let leader = Leader::new();
    let mut rig = Rig::start(&leader, &[&good, &foreign]);
    rig.until("the foreign disk refused", |rig| {
        rig.pending().iter().any(|why| why.contains("belongs to cluster"))
    })
    .await;
    rig.until("the good disk admitted", |rig| rig.server.as_ref().unwrap().reports().len() == 1).await;
    let disk = rig.disk(0);
    let epoch = leader.set_group(5, &[disk.disk]);
    rig.write(disk, 5, 1, epoch, &content(1, 5000)).await.unwrap();
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_directory_in_place_of_a_disk_waits_for_a_decision() {
    let (dir, leader) = (common::scratch(), Leader::new());
    let path = dir.path().join("a");
    let mut rig = Rig::start(&leader, &[&path]);
    rig.ready().await;
    let old = rig.disk(0);
    rig.stop().await;
    drop(rig);
    std::fs::remove_dir_all(&path).unwrap();
    let mut rig = Rig::start(&leader, &[&path]);
    rig.until("the empty directory refused", |rig| rig.pending().iter().any(|why| why.contains("is empty")))
        .await;
    assert!(!path.join("superblock").exists());
    leader.state.lock().disks[0].standing = Standing::Out as i32;
    rig.ready().await;
    let new = rig.disk(0);
    assert_eq!(new.disk, old.disk);
    assert_ne!(new.incarnation, old.incarnation);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_met_by_scrub_reaches_the_leader() {
    let (dir, leader) = (common::scratch(), Leader::new());
    let path = dir.path().join("a");
    let mut rig = Rig::start(&leader, &[&path]);
    rig.ready().await;
    let disk = rig.disk(0);
    let epoch = leader.set_group(5, &[disk.disk]);
    rig.write(disk, 5, 1, epoch, &content(1, 100_000)).await.unwrap();
    let mut segments = std::fs::read_dir(path.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.find(|path| path.extension().is_some()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(segment).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"flipped", 60_000).unwrap();
    file.sync_all().unwrap();
    let verify = VerifyChunks { disk: Some(disk), pg: 5, numbers: vec![1] };
    assert_eq!(rig.call::<Verify>(verify, Bytes::new()).await.unwrap().0.damaged, [1]);
    rig.until("the report", |rig| rig.leader.state.lock().reports.contains(&(5, 1))).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_in_the_map_begins_a_round_whose_progress_and_findings_the_leader_hears() {
    let (dir, leader) = (common::scratch(), Leader::new());
    let path = dir.path().join("a");
    let mut rig = Rig::start(&leader, &[&path]);
    rig.ready().await;
    let disk = rig.disk(0);
    let epoch = leader.set_group(5, &[disk.disk]);
    for number in 1..=3 {
        rig.write(disk, 5, number, epoch, &content(number, 100_000)).await.unwrap();
    }
    let mut segments = std::fs::read_dir(path.join("segments")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segments.find(|path| path.extension().is_some()).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(segment).unwrap();
    std::os::unix::fs::FileExt::write_at(&file, b"flipped", 60_000).unwrap();
    file.sync_all().unwrap();
    {
        let mut state = leader.state.lock();
        state.scrub_rate = Some(0);
        state.epoch += 1;
        let epoch = state.epoch;
        state.disks[0].epoch = epoch;
        state.disks[0].scrub_ordered = 4711;
    }
    let last = |rig: &Rig, good: fn(&ScrubReport) -> bool| {
        let state = rig.leader.state.lock();
        let report = state.beats.last().and_then(|beat| beat.disks.first()).and_then(|d| d.scrub.clone());
        report.is_some_and(|report| good(&report))
    };
    rig.until("the rate of 0 heard", |rig| last(rig, |scrub| scrub.state() == ScrubState::Off)).await;
    assert!(leader.state.lock().reports.is_empty());
    leader.state.lock().scrub_rate = Some(1 << 30);
    rig.until("the order carried out", |rig| {
        last(rig, |scrub| scrub.state() == ScrubState::Waiting && scrub.order == 4711 && scrub.open == 1)
    })
    .await;
    rig.until("the report", |rig| rig.leader.state.lock().reports.contains(&(5, 1))).await;
    let told = |disk: &DiskReport| disk.scrub.as_ref().map_or(0, |scrub| scrub.history.len());
    {
        let state = leader.state.lock();
        let all: Vec<&DiskReport> = state.beats.iter().flat_map(|beat| &beat.disks).collect();
        let with: Vec<&DiskReport> = all.iter().copied().filter(|disk| told(disk) > 0).collect();
        assert!(
            with.len() < 5 && with.len() < all.len(),
            "{} of {} heartbeats have rounds",
            with.len(),
            all.len()
        );
        let round = with.last().unwrap().scrub.as_ref().unwrap().history[0];
        assert_eq!((round.order, round.chunks, round.damaged, round.bytes), (4711, 3, 1, round.to_do));
    }
    rig.stop().await;
}
