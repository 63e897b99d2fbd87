//! A cluster of real processes on this machine.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use holdfast_tests::cluster::Builder;
//! let mut cluster = Builder::new("example").nodes(3).disks(2).start().await?;
//! let s3 = cluster.s3();
//! s3.create_bucket("b").await?;
//! cluster.node(1).kill()?;
//! cluster.finish().await
//! # }
//! ```

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use toml::Table;

use crate::exclusive::{Exclusive, exclusive, shared};
use crate::logs::{self, Announced};
use crate::netns::Network;
use crate::node::{Administrator, Node, Spec, tail};
use crate::volume::{Kind, Volume};
use crate::{addresses, binary, s3, skip, wait};

/// Longest time a cluster may take to come up.
const START: Duration = Duration::from_secs(40);

/// Describes a cluster and starts it.
#[derive(Debug)]
pub struct Builder {
    name: String,
    nodes: u8,
    chunk_nodes: u8,
    later: u8,
    alone: bool,
    disks: usize,
    settings: Table,
    environment: Vec<(String, String)>,
    volume: Option<(Kind, u64)>,
    disk_volume: Option<(Kind, u64)>,
    network: Option<Arc<Network>>,
    trash: bool,
}

impl Builder {
    /// One node with one disk and all roles.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            nodes: 1,
            chunk_nodes: 0,
            later: 0,
            alone: false,
            disks: 1,
            settings: Table::new(),
            environment: Vec::new(),
            volume: None,
            disk_volume: None,
            network: None,
            trash: false,
        }
    }

    /// How many nodes.
    pub fn nodes(mut self, count: u8) -> Self {
        self.nodes = count;
        self
    }

    /// No other cluster runs at the same time: something here is measured, or needs the whole machine.
    pub fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// The last so many nodes are only prepared; [`Cluster::restart`] starts them.
    pub fn later(mut self, count: u8) -> Self {
        self.later = count;
        self
    }

    /// Chunks lie on this many further nodes that do nothing else; the others have no disks then.
    pub fn chunk_nodes(mut self, count: u8) -> Self {
        self.chunk_nodes = count;
        self
    }

    /// How many disks each has.
    pub fn disks(mut self, count: usize) -> Self {
        self.disks = count;
        self
    }

    /// Settings for all nodes, as TOML text.
    pub fn settings(mut self, text: &str) -> Result<Self> {
        self.settings = toml::from_str(text).context("settings of a test")?;
        Ok(self)
    }

    /// An environment variable for all nodes.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Deleted files are kept as in any cluster. Without this they are not: most tests look at what deleting leaves.
    pub fn trash(mut self) -> Self {
        self.trash = true;
        self
    }

    /// Every node's data lies on a file system of its own, of this many MiB. Needs root.
    pub fn volumes(mut self, kind: Kind, mib: u64) -> Self {
        self.volume = Some((kind, mib));
        self
    }

    /// Every disk is a file system of its own, of this many MiB. Needs root.
    pub fn disk_volumes(mut self, kind: Kind, mib: u64) -> Self {
        self.disk_volume = Some((kind, mib));
        self
    }

    /// Where the disks of a node are, on volumes of their own if that was asked for.
    fn make_disks(&self, count: usize, home: &Path, data: &Path) -> Result<(Vec<PathBuf>, Vec<Volume>)> {
        let Some((kind, mib)) = self.disk_volume else {
            return Ok(((0..count).map(|disk| data.join(format!("disk{disk}"))).collect(), Vec::new()));
        };
        std::fs::create_dir_all(home)?;
        let volumes: Vec<Volume> = (0..count)
            .map(|disk| Volume::make(kind, mib, &home.join(format!("disk{disk}"))))
            .collect::<Result<_>>()?;
        // Below the mount point: where nothing is mounted there is no disk, and not an empty one.
        Ok((volumes.iter().map(|volume| volume.path().join("store")).collect(), volumes))
    }

    /// Nodes live in namespaces of this network; the test must run inside of it.
    pub fn network(mut self, network: &Arc<Network>) -> Self {
        self.network = Some(Arc::clone(network));
        self
    }

    /// Starts the cluster and waits until all of it is ready and every node votes.
    pub async fn start(self) -> Result<Cluster> {
        let take = if self.alone { exclusive } else { shared };
        let exclusive = tokio::task::spawn_blocking(take).await.context("wait for other tests")??;
        let dir = tempfile::Builder::new().prefix(&format!("holdfast-{}-", self.name)).tempdir()?;
        let loopback = addresses::Loopback::pick();
        let (mut nodes, mut volumes, mut disk_volumes) = (Vec::new(), Vec::new(), Vec::new());
        for number in 1..=self.nodes + self.chunk_nodes {
            let roles: &[&str] = match self.chunk_nodes {
                0 => &["meta", "chunk", "gateway", "worker"],
                _ if number <= self.nodes => &["meta", "gateway"],
                _ => &["chunk"],
            };
            let disks = if roles.contains(&"chunk") { self.disks } else { 0 };
            let home = dir.path().join(format!("n{number}"));
            let data = match self.volume {
                Some((kind, mib)) => {
                    std::fs::create_dir_all(&home)?;
                    volumes.push(Volume::make(kind, mib, &home.join("volume"))?);
                    home.join("volume/data")
                }
                None => home.join("data"),
            };
            let (disks, own) = self.make_disks(disks, &home, &data)?;
            disk_volumes.push(own);
            let [rpc, s3, admin] = match &self.network {
                // Nobody else is in the namespace: any port is free.
                Some(_) => [7400, 9000, 7480].map(|port| (Network::address(number), port).into()),
                None => addresses::ports(loopback.node(number), 3)?
                    .try_into()
                    .map_err(|_| anyhow::anyhow!("ports"))?,
            };
            let first: Option<&Spec> = nodes.first().map(Node::spec);
            let spec = Spec {
                number,
                disks,
                roles: roles.iter().map(|role| (*role).to_owned()).collect(),
                rpc,
                s3,
                admin,
                join: first.map(|first| first.rpc.to_string()).into_iter().collect(),
                token: first.map(|first| first.data.join("join-token")),
                namespace: self.network.as_ref().map(|network| network.namespace(number).to_owned()),
                settings: self.settings.clone(),
                environment: self.environment.clone(),
                log: None,
                dir: home,
                data,
            };
            nodes.push(Node::new(spec)?);
        }
        let credentials = s3::Credentials {
            access_key: String::new(),
            secret_key: String::new(),
            region: "us-east-1".into(),
        };
        let mut cluster = Cluster {
            nodes,
            volumes,
            disk_volumes,
            credentials,
            announced: Announced::nothing(),
            finished: false,
            network: self.network,
            dir: Some(dir),
            _exclusive: exclusive,
        };
        cluster.first_start(self.later, self.trash).await?;
        Ok(cluster)
    }
}

/// A running cluster. Its processes, mounts and files go when it is dropped; the logs of one that was not
/// [finished](Cluster::finish) are shown.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    volumes: Vec<Volume>,
    /// By node.
    disk_volumes: Vec<Vec<Volume>>,
    credentials: s3::Credentials,
    announced: Announced,
    finished: bool,
    network: Option<Arc<Network>>,
    dir: Option<tempfile::TempDir>,
    _exclusive: Exclusive,
}

/// The part of `holdfast admin status --json` that tests look at.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// `healthy`, `warning` or `danger`.
    pub health: String,
    /// Node id of the leader.
    pub leader: u64,
    /// Node ids of voters.
    pub voters: Vec<u64>,
    /// Nodes alive.
    pub nodes_alive: usize,
    /// How safe data is.
    pub redundancy: Redundancy,
}

/// See [`Status`].
#[derive(Clone, Debug, Deserialize)]
pub struct Redundancy {
    /// Groups with everything.
    pub pgs_healthy: u64,
    /// Groups that lack something.
    pub pgs_degraded: u64,
    /// Groups one failure away from being unavailable.
    pub pgs_at_risk: u64,
    /// Groups that cannot be read whole.
    pub pgs_unavailable: u64,
    /// Chunks that lack a copy.
    pub missing_chunks: u64,
    /// Bytes that repair has moved.
    pub repaired_bytes: u64,
}

#[derive(Deserialize)]
struct NodeLine {
    id: u64,
    address: String,
}

impl Cluster {
    async fn first_start(&mut self, later: u8, trash: bool) -> Result<()> {
        self.nodes[0].start()?;
        self.wait_ready(1, START).await?;
        let path = self.nodes[0].spec().data.join("s3-credentials.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        self.credentials = toml::from_str(&text).context("read the generated credentials")?;
        if !trash {
            self.expect(&["admin", "set", "trash_seconds", "0"]).await.context("turn the trash off")?;
        }
        let now = self.nodes.len() - usize::from(later);
        for node in &mut self.nodes[1..now] {
            node.start()?;
        }
        self.wait_all_ready(START).await?;
        let started = |spec: &&Spec| usize::from(spec.number) <= now;
        let voters = self.playing("meta").filter(started).count();
        let chunks = self.playing("chunk").filter(started).count();
        self.wait_status("every node to vote", START, |status| {
            // An even number of voters is no safer than one less.
            status.voters.len() >= voters - usize::from(voters.is_multiple_of(2))
                && status.nodes_alive == chunks
        })
        .await?;
        self.wait_redundant(START).await
    }

    fn playing(&self, role: &'static str) -> impl Iterator<Item = &Spec> {
        self.nodes.iter().map(Node::spec).filter(move |spec| spec.roles.iter().any(|played| played == role))
    }

    /// How many nodes there are.
    pub fn len(&self) -> u8 {
        self.nodes.len() as u8
    }

    /// A cluster has nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Node `number`, from 1.
    pub fn node(&mut self, number: u8) -> &mut Node {
        &mut self.nodes[usize::from(number) - 1]
    }

    /// The file system of node `number`.
    pub fn volume(&mut self, number: u8) -> Result<&mut Volume> {
        self.volumes.get_mut(usize::from(number) - 1).context("this cluster has no volumes")
    }

    /// The file system of a disk of node `number`; disks count from 0.
    pub fn disk_volume(&mut self, number: u8, disk: usize) -> Result<&mut Volume> {
        let of_node = self.disk_volumes.get_mut(usize::from(number) - 1);
        of_node.and_then(|volumes| volumes.get_mut(disk)).context("this disk has no volume of its own")
    }

    /// The network, when it has one of its own.
    pub fn network(&self) -> Result<&Network> {
        self.network.as_deref().context("this cluster has no network of its own")
    }

    /// A directory of the test, outside the cluster.
    pub fn scratch(&self) -> Result<PathBuf> {
        let dir = self.dir.as_ref().context("the cluster's directory is gone")?.path().join("scratch");
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// These lines in the logs are part of the test.
    pub fn announce(&mut self, part: &str) {
        self.announced = std::mem::take(&mut self.announced).and(part);
    }

    /// S3 through all gateways in turn, 10 s per request.
    pub fn s3(&self) -> s3::Client {
        let endpoints = self.playing("gateway").map(|spec| spec.s3.to_string()).collect();
        s3::Client::new(endpoints, self.credentials.clone(), Duration::from_secs(10))
    }

    /// S3 through the gateways of these nodes in turn.
    pub fn s3_through(&self, numbers: &[u8]) -> s3::Client {
        let chosen = self.playing("gateway").filter(|spec| numbers.contains(&spec.number));
        let endpoints = chosen.map(|spec| spec.s3.to_string()).collect();
        s3::Client::new(endpoints, self.credentials.clone(), Duration::from_secs(10))
    }

    /// S3 through the gateway of one node.
    pub fn s3_of(&self, number: u8) -> s3::Client {
        self.s3_through(&[number])
    }

    /// What a node is made of.
    pub fn spec(&self, number: u8) -> &Spec {
        self.nodes[usize::from(number) - 1].spec()
    }

    /// The administrator whom the cluster began with.
    pub fn administrator(&self) -> Result<Administrator> {
        Administrator::of(&self.nodes[0].spec().data)
    }

    /// The keys to the S3 door.
    pub fn credentials(&self) -> &s3::Credentials {
        &self.credentials
    }

    /// RPC addresses of all nodes.
    pub fn addresses(&self) -> String {
        self.nodes.iter().map(|node| node.spec().rpc.to_string()).collect::<Vec<_>>().join(",")
    }

    /// The command line, ready to run against this cluster.
    pub fn cli(&self, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary::holdfast()?);
        command.args(args).env("HOLDFAST_CLUSTER", self.addresses());
        Ok(command)
    }

    /// Runs the command line; returns what it said, whatever the exit code.
    pub async fn run(&self, args: &[&str]) -> Result<Output> {
        let mut command = self.cli(args)?;
        tokio::task::spawn_blocking(move || command.output()).await?.context("run holdfast")
    }

    /// Runs the command line; fails unless it succeeds. Returns standard output.
    pub async fn expect(&self, args: &[&str]) -> Result<String> {
        let output = self.run(args).await?;
        if !output.status.success() {
            let (said, why) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            bail!("holdfast {}: {}\n{}", args.join(" "), why.trim(), said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The cluster's condition.
    pub async fn status(&self) -> Result<Status> {
        Ok(serde_json::from_str(&self.expect(&["--timeout", "3", "--json", "admin", "status"]).await?)?)
    }

    /// Waits for a condition of the status.
    pub async fn wait_status(
        &self,
        what: &str,
        most: Duration,
        good: impl Fn(&Status) -> bool,
    ) -> Result<()> {
        wait::until(what, most, || async {
            let status = self.status().await.map_err(|error| format!("{error:#}"))?;
            if good(&status) { Ok(()) } else { Err(format!("{status:?}")) }
        })
        .await
    }

    /// Waits until every group has all it should have.
    pub async fn wait_redundant(&self, most: Duration) -> Result<()> {
        self.wait_status("full redundancy", most, |status| {
            let r = &status.redundancy;
            r.pgs_healthy > 0
                && r.pgs_degraded + r.pgs_at_risk + r.pgs_unavailable == 0
                && r.missing_chunks == 0
        })
        .await
    }

    /// Which node leads the metadata group: its number in this cluster.
    pub async fn leader(&self) -> Result<u8> {
        let status = self.status().await?;
        let lines = self.expect(&["--json", "admin", "nodes"]).await?;
        let lines: Vec<NodeLine> = serde_json::from_str(&lines)?;
        let line =
            lines.iter().find(|line| line.id == status.leader).context("the leader is not in the map")?;
        let node = self.nodes.iter().find(|node| node.spec().rpc.to_string() == line.address);
        Ok(node.context("the leader is none of ours")?.spec().number)
    }

    /// Waits until one node is ready.
    pub async fn wait_ready(&mut self, number: u8, most: Duration) -> Result<()> {
        let http = self.s3();
        self.node(number).wait_ready(&http, most).await
    }

    /// Waits until all nodes that run are ready.
    pub async fn wait_all_ready(&mut self, most: Duration) -> Result<()> {
        let end = Instant::now() + most;
        for number in 1..=self.len() {
            if !self.node(number).is_running() {
                continue;
            }
            self.wait_ready(number, end.saturating_duration_since(Instant::now())).await?;
        }
        Ok(())
    }

    /// Starts a node that is down and waits until it is ready.
    pub async fn restart(&mut self, number: u8) -> Result<()> {
        self.node(number).start()?;
        self.wait_ready(number, START).await
    }

    /// kill -9 of everything at once.
    pub fn kill_all(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            if let Some(pid) = node.pid().and_then(|pid| rustix::process::Pid::from_raw(pid as i32)) {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
            }
        }
        self.nodes.iter_mut().filter(|node| node.was_started()).try_for_each(Node::kill)
    }

    /// All nodes lose power at the same moment: what was not synced is gone.
    pub fn power_loss(&mut self) -> Result<()> {
        let all: Vec<u8> = (1..=self.len()).collect();
        self.power_loss_of(&all)
    }

    /// These nodes lose power at the same moment: what they did not sync is gone.
    pub fn power_loss_of(&mut self, numbers: &[u8]) -> Result<()> {
        if self.volumes.is_empty() {
            bail!("power loss needs volumes");
        }
        // Frozen first, so that no process sees its disk vanish and reacts: a machine without power does nothing.
        for number in numbers {
            if self.node(*number).is_running() {
                self.node(*number).process()?.stop()?;
            }
        }
        for number in numbers {
            self.volumes_of(*number).try_for_each(|volume| volume.shut_down())?;
        }
        for number in numbers {
            if self.node(*number).was_started() {
                self.node(*number).kill()?;
            }
        }
        for number in numbers {
            self.volumes_of(*number).try_for_each(Volume::power_up)?;
        }
        Ok(())
    }

    /// The file systems of a node: its own, and those of its disks.
    pub fn volumes_of(&mut self, number: u8) -> impl Iterator<Item = &mut Volume> {
        let at = usize::from(number) - 1;
        self.volumes.get_mut(at).into_iter().chain(self.disk_volumes.get_mut(at).into_iter().flatten())
    }

    /// Starts all nodes that are down and waits until all are ready.
    pub async fn start_all(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            if !node.is_running() {
                node.start()?;
            }
        }
        let end = Instant::now() + START;
        for number in 1..=self.len() {
            // One that has ended already is an error here.
            self.wait_ready(number, end.saturating_duration_since(Instant::now())).await?;
        }
        Ok(())
    }

    /// The end of a test that went well: fsck is clean, nodes end in order, the logs hold nothing unannounced.
    pub async fn finish(mut self) -> Result<()> {
        self.expect(&["fsck"]).await.context("at the end of the test")?;
        self.finish_without_fsck().await?;
        self.finished = true;
        Ok(())
    }

    /// As [`Self::finish`], for tests that leave damage behind on purpose.
    pub async fn finish_without_fsck(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            if node.is_running() {
                let status = node.process()?.terminate(Duration::from_secs(20)).await?;
                if !status.success() {
                    bail!("node {} ended with {status} after SIGTERM", node.spec().number);
                }
            }
        }
        // A node that was only prepared has none.
        let logs: Vec<PathBuf> = self.nodes.iter().map(Node::log_path).filter(|log| log.exists()).collect();
        logs::check(logs.iter().map(PathBuf::as_path), &self.announced)?;
        self.finished = true;
        Ok(())
    }

    /// The end of a test that breaks the cluster on purpose: nothing is checked.
    pub fn abandon(&mut self) {
        self.finished = true;
    }

    fn show_logs(&self) {
        for node in &self.nodes {
            eprintln!("--- end of the log of node {}\n{}", node.spec().number, tail(&node.log_path(), 25));
        }
        if let Some(dir) = &self.dir {
            keep_logs(dir.path(), &self.nodes);
        }
    }
}

/// Whole logs of a failed test, for looking at them later.
fn keep_logs(dir: &Path, nodes: &[Node]) {
    let Some(name) = dir.file_name() else { return };
    let kept = std::env::temp_dir().join("holdfast-failed").join(name);
    if std::fs::create_dir_all(&kept).is_err() {
        return;
    }
    for node in nodes {
        // For people only: a log that cannot be copied is no further failure.
        let _ = std::fs::copy(node.log_path(), kept.join(format!("n{}.log", node.spec().number)));
    }
    eprintln!("--- whole logs in {}", kept.display());
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !self.finished {
            self.show_logs();
        }
        self.nodes.clear();
        self.volumes.clear();
        self.disk_volumes.clear();
        if std::env::var_os("HOLDFAST_KEEP").is_some()
            && let Some(dir) = self.dir.take()
        {
            eprintln!("--- kept {}", dir.keep().display());
        }
    }
}

/// Whether this machine can make volumes of a kind.
pub fn volume_tools() -> Option<String> {
    skip::missing_for_root_with(&["mkfs.ext4", "mount", "umount"])
}
