//! Disks that lose power, die, fill up, hang, slow down, lie.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::bed::Bed;
use super::dice::Dice;
use super::processes::another;
use super::wound::Wound;
use crate::process::Process;
use crate::volume::Kind;
use crate::{damage, skip, wait};

/// Control groups of the first kind: what is read and written for a process is held back whoever's disk it is.
const GROUPS: &str = "/sys/fs/cgroup/blkio";

/// What a slow disk still does.
const SLOW_BYTES: u64 = 1 << 20;
const SLOW_REQUESTS: u64 = 50;

/// A system call that fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    Sync,
    Read,
}

/// Any disk of any node.
fn any(bed: &Bed, dice: &mut Dice) -> (u8, usize) {
    (dice.pick(&bed.others(&[])).unwrap_or(1), dice.below(2) as usize)
}

pub(super) async fn power_loss_node(bed: &mut Bed, dice: &mut Dice, torn: bool) -> Result<Wound> {
    let node = dice.pick(&bed.others(&[])).context("there are no nodes")?;
    bed.cluster.power_loss_of(&[node])?;
    if torn {
        let mut any = false;
        for disk in bed.cluster.node(node).spec().disks.clone() {
            any |= damage::tear_tails(&disk)?;
        }
        ensure!(any, "nothing was written on node {node} that could be torn");
    }
    tokio::time::sleep(dice.seconds(0, 6)).await;
    Ok(Wound::Down(vec![node]))
}

pub(super) async fn power_loss_all(bed: &mut Bed) -> Result<Wound> {
    let all: Vec<u8> = bed.nodes.iter().copied().collect();
    bed.cluster.power_loss_of(&all)?;
    Ok(Wound::Down(all))
}

pub(super) async fn die(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let (node, disk) = any(bed, dice);
    bed.cluster.disk_volume(node, disk)?.shut_down()?;
    // Sometimes for less than the grace, sometimes for more.
    tokio::time::sleep(dice.seconds(8, 30)).await;
    Ok(Wound::DeadDisk(node, disk))
}

pub(super) async fn lose(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let (node, disk) = any(bed, dice);
    bed.cluster.node(node).kill()?;
    bed.cluster.disk_volume(node, disk)?.replace(Kind::Ext4)?;
    // A node with an empty disk is not ready until the cluster has given up what the old one had.
    bed.cluster.node(node).start()?;
    tokio::time::sleep(dice.seconds(5, 10)).await;
    Ok(Wound::Down(vec![node]))
}

pub(super) async fn swap(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let (node, _) = any(bed, dice);
    bed.stop(node).await?;
    let disks = bed.cluster.node(node).spec().disks.clone();
    let [one, other] = disks.as_slice() else { anyhow::bail!("node {node} has not two disks") };
    // Each where the other was, as when two cables are mixed up.
    let aside = one.with_extension("aside");
    for (from, to) in [(one, &aside), (other, one), (&aside, other)] {
        move_tree(from, to)?;
    }
    Ok(Wound::Down(vec![node]))
}

/// Over the borders of file systems.
fn move_tree(from: &Path, to: &Path) -> Result<()> {
    crate::volume::run(Command::new("mv").arg("-T").arg(from).arg(to))
}

pub(super) async fn fill(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let (node, disk) = any(bed, dice);
    let filler = bed.cluster.disk_volume(node, disk)?.fill(1 << 20)?;
    tokio::time::sleep(dice.seconds(8, 15)).await;
    Ok(Wound::Filled(filler))
}

pub(super) async fn fill_metadata(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = dice.pick(&bed.others(&[])).context("there are no nodes")?;
    let filler = bed.cluster.volume(node)?.fill(1 << 20)?;
    tokio::time::sleep(dice.seconds(8, 15)).await;
    Ok(Wound::Filled(filler))
}

pub(super) async fn hang(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let (node, disk) = any(bed, dice);
    bed.cluster.disk_volume(node, disk)?.freeze()?;
    tokio::time::sleep(dice.seconds(8, 15)).await;
    Ok(Wound::Hanging(node, Some(disk)))
}

/// Why disks cannot be held back here, if they cannot.
pub fn cannot_be_slow() -> Option<String> {
    let throttle = Path::new(GROUPS).join("blkio.throttle.write_bps_device");
    (!throttle.exists()).then(|| format!("needs {}", throttle.display()))
}

pub(super) async fn slow(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = dice.pick(&bed.others(&[])).context("there are no nodes")?;
    let pid = bed.cluster.node(node).pid().with_context(|| format!("node {node} is down"))?;
    let devices: Vec<(u32, u32)> =
        bed.cluster.volumes_of(node).map(|volume| volume.device()).collect::<Result<_>>()?;
    let group = Path::new(GROUPS).join(format!("holdfast-{:08x}", rand::random::<u32>()));
    std::fs::create_dir(&group).context("make a control group")?;
    for (limit, most) in [
        ("read_bps", SLOW_BYTES),
        ("write_bps", SLOW_BYTES),
        ("read_iops", SLOW_REQUESTS),
        ("write_iops", SLOW_REQUESTS),
    ] {
        let file = group.join(format!("blkio.throttle.{limit}_device"));
        for (major, minor) in &devices {
            std::fs::write(&file, format!("{major}:{minor} {most}")).context("hold a disk back")?;
        }
    }
    std::fs::write(group.join("cgroup.procs"), pid.to_string()).context("enter the control group")?;
    tokio::time::sleep(dice.seconds(15, 25)).await;
    let served =
        std::fs::read_to_string(group.join("blkio.throttle.io_serviced")).context("what was held back")?;
    let total =
        served.lines().find_map(|line| line.strip_prefix("Total ")).and_then(|n| n.parse::<u64>().ok());
    ensure!(total > Some(0), "no disk was held back: {served}");
    Ok(Wound::Held(group))
}

/// Lets a node out of its control group.
pub(super) fn release(group: &PathBuf) -> Result<()> {
    let inside = std::fs::read_to_string(group.join("cgroup.procs")).context("look into a control group")?;
    for pid in inside.lines() {
        // One that has ended meanwhile has left it already.
        let _ = std::fs::write(Path::new(GROUPS).join("cgroup.procs"), pid);
    }
    std::fs::remove_dir(group).context("remove a control group")
}

/// Why calls cannot be made to fail here, if they cannot.
pub fn cannot_fail() -> Option<String> {
    skip::missing_for_root_with(&["strace"])
}

/// Each thread of the process has its calls counted for itself.
pub(super) async fn failing_calls(bed: &mut Bed, dice: &mut Dice, call: Call) -> Result<Wound> {
    let node = another(bed, dice).await?;
    let pid = bed.cluster.node(node).pid().with_context(|| format!("node {node} is down"))?;
    let (names, when) = match call {
        Call::Sync => ("fsync,fdatasync", 2 + dice.below(5)),
        Call::Read => ("pread64", 3 + dice.below(20)),
    };
    let inject = format!("inject={names}:error=EIO:when={when}");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", &format!("trace={names}"), "-e", &inject, "-p", &pid.to_string()]);
    let log = bed.cluster.scratch()?.join(format!("strace-{node}"));
    let program = Process::start("strace", strace, &log)?;
    tokio::time::sleep(dice.seconds(6, 12)).await;
    wait::until("a call that failed", Duration::from_secs(60), || async {
        let text = std::fs::read_to_string(&log).map_err(|error| error.to_string())?;
        if text.contains("(INJECTED)") { Ok(()) } else { Err(crate::node::tail(&log, 3)) }
    })
    .await?;
    Ok(Wound::Interference(program, node))
}
