//! The cluster's namespace mounted on this machine, by the real command.
//!
//! What always holds: the mount goes when its owner is dropped, after a panic too, and so does the process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};

use crate::cluster::Cluster;
use crate::process::Process;
use crate::wait;

/// A mount that is being served.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
    process: Process,
}

impl Mount {
    /// Mounts `source` (a path in the cluster) at a fresh directory `name` of the cluster's scratch.
    pub async fn new(cluster: &Cluster, name: &str, source: &str, flags: &[&str]) -> Result<Self> {
        let at = cluster.scratch()?.join(name);
        std::fs::create_dir_all(&at).context("make a place to mount at")?;
        let mut args = vec!["mount", "--foreground"];
        args.extend(flags);
        let target = at.to_str().context("a path in UTF-8")?;
        args.extend([source, target]);
        let log = at.with_extension("log");
        let mut process = Process::start(name, cluster.cli(&args)?, &log)?;
        wait::until("the mount to be usable", Duration::from_secs(30), || {
            let running = process.is_running();
            let mounted = is_mounted(&at);
            async move {
                match (running, mounted) {
                    (true, true) => Ok(()),
                    (true, false) => Err("not yet mounted".to_owned()),
                    (false, _) => Err("the process has ended".to_owned()),
                }
            }
        })
        .await
        .with_context(|| crate::node::tail(&log, 20))?;
        Ok(Self { at, process })
    }

    /// Where it is mounted.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// A path below it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.at.join(name)
    }

    /// The process that serves it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Unmounts with the command and waits for the process, which must end well and have logged no error.
    pub async fn finish(mut self, cluster: &Cluster) -> Result<()> {
        let target = self.at.to_str().context("a path in UTF-8")?.to_owned();
        cluster.expect(&["umount", &target]).await?;
        let status = self.process.wait(Duration::from_secs(30)).await?;
        ensure!(status.success(), "the mount ended with {status}: {}", self.said());
        let text = std::fs::read_to_string(self.process.log()).unwrap_or_default();
        let alarms = crate::logs::alarms(&text, &crate::logs::Announced::nothing());
        ensure!(alarms.is_empty(), "the mount logged: {alarms:?}");
        Ok(())
    }

    /// The end of its log.
    pub fn said(&self) -> String {
        crate::node::tail(self.process.log(), 40)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = self.process.kill();
        if is_mounted(&self.at) {
            let _ = unmount(&self.at, UnmountFlags::DETACH);
        }
    }
}

/// Whether something is mounted there.
pub fn is_mounted(at: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(4).is_some_and(|place| Path::new(place) == at))
}

/// Why mounts cannot be tested here, if they cannot.
pub fn missing() -> Option<String> {
    if !crate::skip::is_root() {
        return Some("needs root".to_owned());
    }
    let mut open = std::fs::OpenOptions::new();
    open.read(true).write(true).open("/dev/fuse").err().map(|error| format!("needs /dev/fuse: {error}"))
}

/// A program of this machine, for what is easier said in its words.
pub fn command(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).output().with_context(|| format!("start {program}"))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {args:?} ended with {}: {text}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
