//! What a fault did, so that it can be undone: by whoever comes back, never by mending the cluster's data.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::bed::Bed;
use crate::files::Crowd;
use crate::mount::Mount;
use crate::netns::Late;
use crate::process::Process;

/// Something that is broken until it is healed.
#[derive(Debug)]
pub enum Wound {
    /// Nothing is left of it.
    None,
    /// These nodes are down.
    Down(Vec<u8>),
    /// This node is down and so far behind that it needs a snapshot; so many had been sent before.
    Behind {
        /// Which.
        node: u8,
        /// Snapshots that had been sent.
        sent: usize,
    },
    /// This node stands still.
    Paused(u8),
    /// The network of these nodes is not as it should be.
    Network(Vec<u8>),
    /// The packets of this node are late.
    Late(u8, Late),
    /// A disk of a node hangs; none: the node's own file system.
    Hanging(u8, Option<usize>),
    /// A file that takes up room.
    Filled(PathBuf),
    /// A disk answers nothing but errors.
    DeadDisk(u8, usize),
    /// A program that interferes with a node until it ends; the node is started anew then, for it gave up its disks.
    Interference(Process, u8),
    /// A control group that holds a node back.
    Held(PathBuf),
    /// A mount that died with whoever wrote through it.
    DeadMount(Box<(Mount, Crowd)>),
    /// A node runs with a clock of its own.
    Clock(u8),
}

impl Wound {
    /// Undoes it.
    pub(super) async fn heal(self, bed: &mut Bed) -> Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Down(nodes) => {
                // All at once: one alone may have nobody to follow.
                for node in &nodes {
                    if !bed.cluster.node(*node).is_running() {
                        bed.cluster.node(*node).start()?;
                    }
                }
                for node in nodes {
                    bed.start(node).await?;
                }
                Ok(())
            }
            Self::Behind { node, sent } => {
                bed.start(node).await?;
                let now = bed.said("sending a snapshot")?;
                ensure!(now > sent, "node {node} caught up without a snapshot");
                Ok(())
            }
            Self::Paused(node) => bed.cluster.node(node).process()?.resume(),
            Self::Network(nodes) => nodes.into_iter().try_for_each(|node| bed.cluster.network()?.heal(node)),
            Self::Late(node, late) => {
                bed.cluster.network()?.heal(node)?;
                drop(late);
                Ok(())
            }
            Self::Hanging(node, None) => bed.cluster.volume(node)?.thaw(),
            Self::Hanging(node, Some(disk)) => bed.cluster.disk_volume(node, disk)?.thaw(),
            Self::Filled(path) => std::fs::remove_file(&path).context("remove the filler"),
            Self::DeadDisk(node, disk) => {
                bed.stop(node).await?;
                bed.cluster.disk_volume(node, disk)?.power_up()?;
                bed.start(node).await
            }
            Self::Interference(mut program, node) => {
                program.terminate(Duration::from_secs(10)).await?;
                if !bed.cluster.node(node).is_running() {
                    bed.restarts += 1;
                    bed.cluster.node(node).start()?;
                }
                readmit(bed, node).await
            }
            Self::Held(group) => {
                super::disks::release(&group)?;
                bed.supervise().await
            }
            Self::DeadMount(dead) => {
                let (mount, crowd) = *dead;
                drop(mount);
                bed.crowds.push((crowd, false));
                Ok(())
            }
            Self::Clock(node) => {
                bed.stop(node).await?;
                super::clocks::own(bed, node)?;
                bed.start(node).await
            }
        }
    }
}

/// Disks that failed stay out of service until somebody has looked at them. Before that is done, the cluster has to make
/// up for them by itself.
async fn readmit(bed: &mut Bed, node: u8) -> Result<()> {
    let disks = bed.cluster.node(node).spec().disks.clone();
    let marks: Vec<PathBuf> =
        disks.iter().map(|disk| disk.join("FAILED")).filter(|mark| mark.exists()).collect();
    if !marks.is_empty() {
        bed.cluster
            .wait_redundant(Duration::from_secs(180))
            .await
            .context("without the disks that failed")?;
    }
    bed.stop(node).await?;
    for mark in marks {
        std::fs::remove_file(&mark).context("admit a disk again")?;
    }
    bed.start(node).await
}
