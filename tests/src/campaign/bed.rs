//! Where scenarios happen: four nodes, each in a network of its own and on a file system of its own, with two disks that
//! are file systems as well; a mount, and buckets in copies and in shards.
//!
//! What always holds: the bed knows which processes it ended itself. One that ended by itself is a failure, unless a fault
//! took its disk away; then it is started again, as the service manager of a real machine does, and that is counted.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::cluster::{Builder, Cluster};
use crate::files::Crowd;
use crate::mount::Mount;
use crate::netns::Network;
use crate::oracle::Oracle;
use crate::volume::Kind;
use crate::{s3, wait};

/// Nodes that run from the beginning; one more is prepared, to take another's place.
pub const NODES: u8 = 4;
const DISKS: usize = 2;

/// MiB of the file system of a node, and of each disk.
const NODE_MIB: u64 = 1500;
const DISK_MIB: u64 = 3000;

/// The class in shards.
pub const SHARDS: &str = "ec21";

/// Resident bytes that no node may pass.
const CEILING: u64 = 1 << 30;

/// See the module's first lines.
#[derive(Debug)]
pub struct Bed {
    /// Applications write here. Lives through everything. It goes before the cluster does.
    pub mount: Mount,
    /// The nodes.
    pub cluster: Cluster,
    /// Nodes that take part now.
    pub nodes: BTreeSet<u8>,
    /// Where the scenario's load writes.
    pub bucket: String,
    /// A node whose gateway the load leaves alone: one whose clock may be wrong.
    pub odd: u8,
    /// What earlier scenarios wrote: bucket and what must be there.
    pub past: Vec<(String, Arc<Oracle>)>,
    /// The same of what was removed.
    pub gone: Vec<(String, Arc<Oracle>)>,
    /// Writers through mounts that are to be judged, and whether they must have seen no error.
    pub crowds: Vec<(Crowd, bool)>,
    /// Times that a node ended by itself because of a fault and was started again.
    pub restarts: usize,
}

/// A network for a bed.
pub fn network() -> Result<Arc<Network>> {
    Network::make(NODES + 1)
}

impl Bed {
    /// Starts it; inside of the network.
    pub async fn start_in(network: &Arc<Network>) -> Result<Self> {
        let cluster = Builder::new("campaign")
            .alone()
            .nodes(NODES + 1)
            .later(1)
            .disks(DISKS)
            .volumes(Kind::Ext4, NODE_MIB)
            .disk_volumes(Kind::Ext4, DISK_MIB)
            .network(network)
            .settings(
                "[meta]\nsnapshot_entries = 1000\nlog_entries_kept = 1000\n[chunk]\ncompact_rate = \"2MiB\"",
            )?
            .start()
            .await?;
        for (name, value) in [("grace_seconds", "15"), ("down_ms", "3000")] {
            cluster.expect(&["admin", "set", name, value]).await.context("shorten the grace")?;
        }
        cluster.expect(&["admin", "classes", "put", SHARDS, "--erasure", "2+1"]).await?;
        cluster.expect(&["mkdir", "/files"]).await?;
        let mount = Mount::new(&cluster, "lives", "/files", &["--io-timeout", "180"]).await?;
        let nodes = (1..=NODES).collect();
        let bed = Self {
            mount,
            cluster,
            nodes,
            bucket: String::new(),
            odd: 1,
            past: Vec::new(),
            gone: Vec::new(),
            crowds: Vec::new(),
            restarts: 0,
        };
        bed.whole(Duration::from_secs(60)).await.context("before the first fault")?;
        Ok(bed)
    }

    /// S3 through the gateways of all nodes but these, as behind a load balancer.
    pub fn doors(&self, without: &[u8]) -> s3::Client {
        let numbers: Vec<u8> =
            self.nodes.iter().copied().filter(|number| !without.contains(number)).collect();
        self.cluster.s3_through(&numbers).balanced()
    }

    /// Nodes that take part, but for these.
    pub fn others(&self, without: &[u8]) -> Vec<u8> {
        self.nodes.iter().copied().filter(|number| !without.contains(number)).collect()
    }

    /// Starts a node that is down and waits until it is ready.
    pub async fn start(&mut self, node: u8) -> Result<()> {
        if !self.cluster.node(node).is_running() {
            self.cluster.node(node).start()?;
        }
        self.cluster.wait_ready(node, Duration::from_secs(60)).await
    }

    /// Ends a node in order; one that has ended already is fine.
    pub async fn stop(&mut self, node: u8) -> Result<()> {
        if self.cluster.node(node).is_running() {
            let process = self.cluster.node(node).process()?;
            if process.terminate(Duration::from_secs(20)).await.is_err() {
                process.kill()?;
            }
        }
        Ok(())
    }

    /// Starts whoever ended because of a fault.
    pub async fn supervise(&mut self) -> Result<()> {
        for node in self.nodes.clone() {
            if !self.cluster.node(node).is_running() {
                self.restarts += 1;
                self.start(node).await?;
            }
        }
        Ok(())
    }

    /// Waits until everything is as it should be: every node lives, every group is whole, nothing is reported.
    pub async fn whole(&self, most: Duration) -> Result<()> {
        let count = self.nodes.len();
        self.cluster
            .wait_status("everything to be whole again", most, |status| {
                let r = &status.redundancy;
                status.health == "healthy"
                    && status.nodes_alive == count
                    && r.pgs_healthy > 0
                    && r.pgs_degraded + r.pgs_at_risk + r.pgs_unavailable == 0
                    && r.missing_chunks == 0
            })
            .await
    }

    /// No process ended by itself, panicked, or grew out of all proportion.
    pub fn processes_are_well(&mut self) -> Result<()> {
        for node in self.nodes.clone() {
            let pid = self.cluster.node(node).pid();
            let Some(pid) = pid else { bail!("node {node} ended by itself") };
            let resident = resident(pid)?;
            ensure!(resident < CEILING, "node {node} takes {} MiB of memory", resident >> 20);
        }
        self.nobody_panicked()
    }

    /// In how many lines of all logs this is.
    pub fn said(&mut self, what: &str) -> Result<usize> {
        let mut count = 0;
        for node in 1..=self.cluster.len() {
            let log = self.cluster.node(node).log_path();
            // One that was only prepared has none.
            let Ok(bytes) = std::fs::read(&log) else { continue };
            count += String::from_utf8_lossy(&bytes).lines().filter(|line| line.contains(what)).count();
        }
        Ok(count)
    }

    /// Looks through all logs.
    pub fn nobody_panicked(&mut self) -> Result<()> {
        for node in 1..=self.cluster.len() {
            let log = self.cluster.node(node).log_path();
            let Ok(bytes) = std::fs::read(&log) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            if let Some(at) = lines.iter().position(|line| line.contains("panicked at")) {
                bail!("node {node}: {}", lines[at..lines.len().min(at + 3)].join(" "));
            }
        }
        Ok(())
    }

    /// What writers left behind is as they were promised, through a mount that remembers nothing; says how much it was.
    pub async fn judge_crowds(&mut self) -> Result<usize> {
        let crowds = std::mem::take(&mut self.crowds);
        let looks = Mount::new(&self.cluster, "looks", "/files", &[]).await?;
        let mut checked = 0;
        for (crowd, must_live) in crowds {
            checked += crowd.check(&looks, must_live)?;
        }
        looks.finish(&self.cluster).await?;
        Ok(checked)
    }

    /// Every byte in both directions, and nothing that nobody refers to.
    pub async fn checked(&self, most: Duration) -> Result<()> {
        wait::until("a clean check", most, || async {
            self.cluster.expect(&["fsck"]).await.map_err(|error| format!("{error:#}"))
        })
        .await
        .map(drop)
    }

    /// Ends everything.
    pub async fn finish(mut self) -> Result<()> {
        self.nobody_panicked()?;
        self.cluster.announce("");
        self.mount.finish(&self.cluster).await?;
        self.cluster.finish_without_fsck().await
    }
}

/// Resident bytes of a process.
fn resident(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read a process's status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("resident memory")?;
    Ok(kilobytes << 10)
}
