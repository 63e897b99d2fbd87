//! Nodes that are away for long or for good: one that catches up by a snapshot, another machine in a lost one's place.
//! And how the campaign asks and tells the cluster things.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::bed::{Bed, NODES};
use super::dice::Dice;
use super::processes::another;
use super::wound::Wound;
use crate::wait;

/// Longest time for one of them.
pub(super) const MOST: Duration = Duration::from_secs(300);

/// A line of `admin disks`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Disk {
    pub(super) id: u32,
    pub(super) node: u64,
    pub(super) groups: usize,
}

#[derive(Debug, Deserialize)]
struct Member {
    id: u64,
    address: String,
}

/// What a command of `holdfast admin` says, asked again until it answers.
pub(super) async fn asked<T: for<'de> Deserialize<'de>>(bed: &Bed, args: &[&str]) -> Result<T> {
    let line = [&["--timeout", "5", "--json", "admin"], args].concat();
    let text = wait::until(&format!("an answer to {args:?}"), Duration::from_secs(60), || async {
        bed.cluster.expect(&line).await.map_err(|error| format!("{error:#}"))
    })
    .await?;
    serde_json::from_str(&text).with_context(|| format!("the answer to {args:?}"))
}

/// A command that changes something, tried again while nodes die around it.
pub(super) async fn told(bed: &Bed, args: &[&str]) -> Result<()> {
    let line = [&["--timeout", "5"], args].concat();
    wait::until(&format!("{args:?} to be done"), Duration::from_secs(60), || async {
        bed.cluster.expect(&line).await.map(drop).map_err(|error| format!("{error:#}"))
    })
    .await
}

/// The cluster's number of one of our nodes.
async fn id_of(bed: &mut Bed, node: u8) -> Result<u64> {
    let address = bed.cluster.node(node).spec().rpc.to_string();
    let members: Vec<Member> = asked(bed, &["nodes"]).await?;
    let found = members.iter().find(|member| member.address == address);
    found.map(|member| member.id).with_context(|| format!("node {node} is not in the map"))
}

pub(super) async fn snapshot(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = another(bed, dice).await?;
    let sent = bed.said("sending a snapshot")?;
    let purged = |meta: &Value| meta["purged"].as_u64().unwrap_or(0);
    bed.cluster.node(node).kill()?;
    let then: Value = asked(bed, &["meta"]).await?;
    let behind = then["last_log"].as_u64().context("where the log ends")?;
    wait::until("the log to forget what the node lacks", MOST, || async {
        let now: Value = asked(bed, &["meta"]).await.map_err(|error| format!("{error:#}"))?;
        if purged(&now) > behind { Ok(()) } else { Err(format!("{} of {behind}", purged(&now))) }
    })
    .await?;
    for _ in 0..3 {
        bed.cluster.node(node).start()?;
        tokio::time::sleep(Duration::from_millis(300 + 200 * dice.below(5))).await;
        bed.cluster.node(node).kill()?;
    }
    Ok(Wound::Behind { node, sent })
}

pub(super) async fn replace_node(bed: &mut Bed) -> Result<Wound> {
    let spare = NODES + 1;
    ensure!(!bed.nodes.contains(&spare), "the spare node is in use already");
    let lost = another(bed, &mut Dice::new(0)).await?;
    let id = id_of(bed, lost).await?;
    bed.cluster.node(lost).kill()?;
    bed.nodes.remove(&lost);
    bed.start(spare).await?;
    bed.nodes.insert(spare);
    // What it had is rebuilt by itself; then it is taken out of the books.
    let left: Vec<Disk> = wait::until("the lost node's data to be elsewhere", MOST, || async {
        let disks: Vec<Disk> = asked(bed, &["disks"]).await.map_err(|error| format!("{error:#}"))?;
        let of: Vec<Disk> = disks.into_iter().filter(|disk| disk.node == id).collect();
        if of.iter().all(|disk| disk.groups == 0) { Ok(of) } else { Err(format!("{of:?}")) }
    })
    .await?;
    for disk in left {
        told(bed, &["admin", "disks", "remove", &disk.id.to_string()]).await?;
    }
    told(bed, &["admin", "nodes", "remove", &id.to_string()]).await?;
    Ok(Wound::None)
}
