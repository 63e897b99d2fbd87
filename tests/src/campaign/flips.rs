//! Bits that flip where data lies, on as many members of a group at once as its class bears.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::bed::Bed;
use super::dice::Dice;
use super::operations::asked;
use super::wound::Wound;
use crate::damage::{self, RecordAt};

/// Of so many chunks one is hit.
const EVERY: u64 = 3;

#[derive(Debug, Deserialize)]
struct Group {
    id: u32,
    class: u32,
    members: Vec<Member>,
}

#[derive(Debug, Deserialize)]
struct Member {
    disk: u32,
    clean: bool,
    temporary: bool,
}

#[derive(Debug, Deserialize)]
struct Disk {
    id: u32,
    path: std::path::PathBuf,
}

/// One node only: one copy or one shard of each chunk at most.
pub(super) async fn one_node(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = dice.pick(&bed.others(&[])).context("there are no nodes")?;
    let mut flipped = 0;
    for disk in bed.cluster.node(node).spec().disks.clone() {
        flipped += damage::flip_records(&disk, 2)?;
    }
    ensure!(flipped > 0, "no record of node {node} is long enough");
    tokio::time::sleep(dice.seconds(3, 6)).await;
    Ok(Wound::None)
}

/// Of chunks that all members of their group have: all copies but one, or as many shards as there are of parity.
pub(super) async fn to_the_limit(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let groups: Vec<Group> = asked(bed, &["pgs"]).await?;
    let disks: Vec<Disk> = asked(bed, &["disks"]).await?;
    // Where each chunk's records are: by group, number and disk.
    let mut found: BTreeMap<(u32, u64), BTreeMap<u32, Vec<RecordAt>>> = BTreeMap::new();
    for disk in &disks {
        for record in damage::long_records(&disk.path)? {
            let of_chunk = found.entry((record.pg, record.number)).or_default();
            of_chunk.entry(disk.id).or_default().push(record);
        }
    }
    let (mut chunks, mut most) = (0, 0);
    for group in groups.iter().filter(|group| group.members.iter().all(|m| m.clean && !m.temporary)) {
        // The bed has copies, and two shards of data for one of parity.
        let bears = if group.class == 1 { group.members.len() - 1 } else { 1 };
        let numbers: Vec<u64> =
            found.range((group.id, 0)..=(group.id, u64::MAX)).map(|(at, _)| at.1).collect();
        for number in numbers {
            let Some(of_chunk) = found.get(&(group.id, number)) else { continue };
            let everywhere = group.members.iter().all(|member| of_chunk.contains_key(&member.disk));
            if !everywhere || dice.below(EVERY) > 0 {
                continue;
            }
            let mut left: Vec<u32> = group.members.iter().map(|member| member.disk).collect();
            for _ in 0..bears {
                let disk = left.swap_remove(dice.below(left.len() as u64) as usize);
                for record in of_chunk.get(&disk).into_iter().flatten() {
                    damage::flip(record)?;
                }
            }
            (chunks, most) = (chunks + 1, most.max(bears));
        }
    }
    ensure!(chunks > 0 && most > 1, "{chunks} chunks were hit, on {most} members at most");
    tokio::time::sleep(dice.seconds(3, 6)).await;
    Ok(Wound::None)
}
