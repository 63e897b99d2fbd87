//! Packets that are lost, late or refused. No process is told, and no connection is closed but where that is the fault.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::bed::Bed;
use super::dice::Dice;
use super::processes::{another, leader};
use super::wound::Wound;
use crate::netns::Direction;

/// Which of the leader's packets go nowhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Loses {
    In,
    Out,
    Both,
}

pub(super) async fn leader_loses(bed: &mut Bed, dice: &mut Dice, loses: Loses) -> Result<Wound> {
    let node = leader(bed).await?;
    let direction = match loses {
        Loses::In => Direction::In,
        Loses::Out => Direction::Out,
        Loses::Both => Direction::Both,
    };
    bed.cluster.network()?.drop_packets(node, direction)?;
    tokio::time::sleep(dice.seconds(5, 12)).await;
    Ok(Wound::Network(vec![node]))
}

pub(super) async fn cut_pair(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let one = leader(bed).await?;
    let other = another(bed, dice).await?;
    bed.cluster.network()?.cut(one, other)?;
    tokio::time::sleep(dice.seconds(8, 15)).await;
    Ok(Wound::Network(vec![one, other]))
}

pub(super) async fn lossy(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = another(bed, dice).await?;
    bed.cluster.network()?.lose(node, 5)?;
    tokio::time::sleep(dice.seconds(10, 20)).await;
    Ok(Wound::Network(vec![node]))
}

/// Half of the delay on each way.
pub(super) async fn late(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = another(bed, dice).await?;
    let late = bed.cluster.network()?.delay(node, Duration::from_millis(50))?;
    tokio::time::sleep(dice.seconds(10, 20)).await;
    Ok(Wound::Late(node, late))
}

pub(super) async fn slow(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = another(bed, dice).await?;
    bed.cluster.network()?.limit(node, 1000)?;
    tokio::time::sleep(dice.seconds(10, 20)).await;
    Ok(Wound::Network(vec![node]))
}

pub(super) async fn flapping(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = dice.pick(&bed.others(&[])).unwrap_or(1);
    let end = Instant::now() + dice.seconds(12, 20);
    while Instant::now() < end {
        bed.cluster.network()?.plug(node, false)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        bed.cluster.network()?.plug(node, true)?;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(Wound::Network(vec![node]))
}

pub(super) async fn resets(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = dice.pick(&bed.others(&[])).unwrap_or(1);
    for _ in 0..6 {
        bed.cluster.network()?.reset_connections(node)?;
        tokio::time::sleep(dice.seconds(0, 2)).await;
        bed.cluster.network()?.heal(node)?;
        tokio::time::sleep(dice.seconds(0, 2)).await;
    }
    Ok(Wound::Network(vec![node]))
}
