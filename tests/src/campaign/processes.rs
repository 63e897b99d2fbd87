//! Processes that die, stand still, and start over.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::bed::Bed;
use super::dice::Dice;
use super::wound::Wound;
use crate::files::Crowd;
use crate::mount::Mount;

/// Time within which somebody leads again.
const ELECTION: Duration = Duration::from_secs(30);

/// The node that leads, waiting for there to be one.
pub(super) async fn leader(bed: &Bed) -> Result<u8> {
    crate::wait::until("a leader", ELECTION, || async {
        bed.cluster.leader().await.map_err(|error| format!("{error:#}"))
    })
    .await
}

/// A node that does not lead.
pub(super) async fn another(bed: &Bed, dice: &mut Dice) -> Result<u8> {
    let leader = leader(bed).await?;
    dice.pick(&bed.others(&[leader])).context("there is only one node")
}

pub(super) async fn kill_leader(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    for _ in 0..2 {
        let node = leader(bed).await?;
        bed.cluster.node(node).kill()?;
        tokio::time::sleep(dice.seconds(1, 4)).await;
        bed.start(node).await?;
    }
    let node = leader(bed).await?;
    bed.cluster.node(node).kill()?;
    tokio::time::sleep(dice.seconds(2, 6)).await;
    Ok(Wound::Down(vec![node]))
}

pub(super) async fn kill_node(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = another(bed, dice).await?;
    bed.cluster.node(node).kill()?;
    tokio::time::sleep(dice.seconds(3, 10)).await;
    Ok(Wound::Down(vec![node]))
}

pub(super) async fn kill_mount(bed: &mut Bed) -> Result<Wound> {
    let mut mount = Mount::new(&bed.cluster, "dies", "/files", &[]).await?;
    let name = format!("dying-{:08x}", rand::random::<u32>());
    let crowd = Crowd::start(&mount, &name, 2)?;
    crowd.progress(100, Duration::from_secs(60)).await?;
    mount.process().kill()?;
    Ok(Wound::DeadMount(Box::new((mount, crowd))))
}

pub(super) async fn kill_all(bed: &mut Bed) -> Result<Wound> {
    bed.cluster.kill_all()?;
    Ok(Wound::Down(bed.nodes.iter().copied().collect()))
}

/// The leader for as long as it takes to elect another; another node so that clients have to go around it.
pub(super) async fn pause(bed: &mut Bed, dice: &mut Dice, leads: bool) -> Result<Wound> {
    let node = if leads { leader(bed).await? } else { another(bed, dice).await? };
    bed.cluster.node(node).process()?.stop()?;
    let long = if leads { Duration::from_secs(10) } else { dice.seconds(10, 25) };
    tokio::time::sleep(long).await;
    Ok(Wound::Paused(node))
}

pub(super) async fn crash_loop(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        let node = dice.pick(&bed.others(&[])).context("there are no nodes")?;
        bed.cluster.node(node).kill()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        bed.cluster.node(node).start()?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
    }
    Ok(Wound::Down(bed.others(&[])))
}

pub(super) async fn rolling_restart(bed: &mut Bed) -> Result<Wound> {
    for node in bed.others(&[]) {
        bed.stop(node).await?;
        bed.start(node).await?;
        // The next one goes when this one has caught up, as the documentation asks.
        bed.whole(Duration::from_secs(60)).await?;
    }
    Ok(Wound::None)
}

pub(super) async fn leader_flaps(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let mut handed = 0;
    for _ in 0..8 {
        // Refused while nobody has caught up: then it stays where it is this time.
        let output = bed.cluster.run(&["--timeout", "5", "admin", "meta", "transfer"]).await?;
        handed += usize::from(output.status.success());
        tokio::time::sleep(dice.seconds(0, 2)).await;
    }
    ensure!(handed > 2, "leadership was handed over {handed} times");
    Ok(Wound::None)
}
