//! The demo's mount: the same files as a file system of this machine, where this machine can do that.
//!
//! What always holds: nothing below the mount is taken for a part of the demo's own directory, so `stop` removes that
//! directory only after the mount is gone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::mount::{UnmountFlags, unmount};

use super::layout::{DemoFile, Layout};
use crate::binary;
use crate::mount::{is_mounted, missing};

/// Where it is mounted, if it is.
pub fn mounted(layout: &Layout) -> Option<PathBuf> {
    Some(layout.mount()).filter(|at| is_mounted(at))
}

/// Mounts with the current binary, or says why not.
pub fn start(layout: &Layout, demo: &mut DemoFile) -> Result<()> {
    if let Some(why) = missing() {
        println!("\nNo mount here: {why}.");
        return Ok(());
    }
    stop(layout)?;
    let at = layout.mount();
    std::fs::create_dir_all(&at).context("make a place to mount at")?;
    let status = Command::new(binary::holdfast()?)
        .args(["--cluster", &layout.addresses()?, "mount", "--log-file"])
        .arg(layout.logs().join("mount.log"))
        .arg(&at)
        .stdin(Stdio::null())
        .status()
        .context("run holdfast mount")?;
    if !status.success() {
        bail!("the mount did not come up; see {}", layout.logs().join("mount.log").display());
    }
    demo.mount = Some(at);
    layout.write_file(demo)
}

/// Copies a tree of this machine onto the mount with the system's own tools, and compares it.
pub fn try_out(layout: &Layout, source: &Path) -> Result<()> {
    let Some(at) = mounted(layout) else { return Ok(()) };
    let copy = at.join("demo/copied-through-the-mount");
    let _ = std::fs::remove_dir_all(&copy);
    println!("5. {} is copied onto the mount with cp and compared with diff", source.display());
    for (program, args) in [("cp", "-a"), ("diff", "-r")] {
        let status = Command::new(program).arg(args).arg(source).arg(&copy).status();
        if !status.with_context(|| format!("run {program}"))?.success() {
            bail!("{program} {args} {} {} failed", source.display(), copy.display());
        }
    }
    Ok(())
}

/// Unmounts, for those who use it too.
pub fn stop(layout: &Layout) -> Result<()> {
    let Some(at) = mounted(layout) else { return Ok(()) };
    unmount(&at, UnmountFlags::DETACH).with_context(|| format!("unmount {}", at.display()))?;
    if mounted(layout).is_some() {
        bail!("something else is mounted at {}; unmount it first", at.display());
    }
    Ok(())
}
