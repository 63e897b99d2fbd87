//! Clocks that lie: the wall clock of one node jumps, or all its clocks run too fast.
//!
//! The process is started anew with libfaketime, which reads what to say from a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::bed::Bed;
use super::dice::Dice;
use super::wound::Wound;

const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// Where libfaketime is, if it is installed.
pub fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|path| Path::new(path).exists())
}

/// Starts a node anew with a clock that is told by the file that is returned.
async fn strange(bed: &mut Bed, node: u8, also_monotonic: bool) -> Result<PathBuf> {
    let library = library().context("libfaketime is not installed")?;
    let told = bed.cluster.scratch()?.join(format!("clock-{node}"));
    std::fs::write(&told, "+0\n")?;
    bed.stop(node).await?;
    bed.cluster.node(node).change(|spec| {
        spec.environment.push(("LD_PRELOAD".into(), library.into()));
        spec.environment.push(("FAKETIME_TIMESTAMP_FILE".into(), told.to_string_lossy().into_owned()));
        spec.environment.push(("FAKETIME_CACHE_DURATION".into(), "1".into()));
        if !also_monotonic {
            spec.environment.push(("FAKETIME_DONT_FAKE_MONOTONIC".into(), "1".into()));
        }
    })?;
    bed.start(node).await?;
    bed.whole(Duration::from_secs(60)).await?;
    Ok(told)
}

/// The node has the machine's clock again from its next start.
pub(super) fn own(bed: &mut Bed, node: u8) -> Result<()> {
    bed.cluster.node(node).change(|spec| {
        spec.environment.retain(|(name, _)| name != "LD_PRELOAD" && !name.starts_with("FAKETIME"));
    })
}

/// The gateway of such a node refuses every signature, as it should: load goes through the others.
pub(super) async fn wall(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = bed.odd;
    let told = strange(bed, node, false).await?;
    // So that it is the leader's clock half of the time.
    if dice.below(2) == 0 {
        let _ = bed.cluster.run(&["--timeout", "5", "admin", "meta", "transfer"]).await?;
    }
    for jump in ["+1h", "-1h", "+1d", "-1d", "+0"] {
        std::fs::write(&told, format!("{jump}\n"))?;
        tokio::time::sleep(dice.seconds(3, 5)).await;
    }
    Ok(Wound::Clock(node))
}

pub(super) async fn fast(bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
    let node = bed.odd;
    let told = strange(bed, node, true).await?;
    std::fs::write(&told, "+0 x2\n")?;
    tokio::time::sleep(dice.seconds(10, 15)).await;
    Ok(Wound::Clock(node))
}
