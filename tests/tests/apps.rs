//! Real applications on a real mount: the scripts in `apps/`, each on a cluster of three nodes, and several of them
//! at once while a node at a time is killed and started again. A script that fails says why; a program that is not
//! installed skips its test.
//!
//! `HOLDFAST_APPS_SECONDS` sets how long the test with the kills goes on (45).

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::{skip, source};
use tokio::process::Command;

/// What a script may take before it counts as hung.
const MOST: &str = "280";

/// An application: its script, what it needs, and the Debian packages that bring it.
struct App {
    name: &'static str,
    programs: &'static [&'static str],
    packages: &'static str,
    /// Smaller than the scripts' own defaults where those take long.
    size: &'static [(&'static str, &'static str)],
}

const GIT: App = App { name: "git", programs: &["git"], packages: "git", size: &[("COMMITS", "24")] };
const BUILD: App =
    App { name: "build", programs: &["make", "cc", "tar"], packages: "build-essential", size: &[] };
const SQLITE: App =
    App { name: "sqlite", programs: &["python3"], packages: "python3", size: &[("KILLS", "3")] };
const RSYNC: App = App { name: "rsync", programs: &["rsync"], packages: "rsync", size: &[("FILES", "120")] };
const RESTIC: App =
    App { name: "restic", programs: &["restic"], packages: "restic", size: &[("FILES", "60")] };
const QEMU: App = App { name: "qemu", programs: &["qemu-img", "qemu-io"], packages: "qemu-utils", size: &[] };
const FIO: App = App { name: "fio", programs: &["fio"], packages: "fio", size: &[("SIZE", "16M")] };
const POSTGRES: App =
    App { name: "postgres", programs: &["setpriv"], packages: "postgresql", size: &[("SECONDS_EACH", "4")] };

const FOLLOWERS: App =
    App { name: "followers", programs: &["python3", "tail"], packages: "python3", size: &[] };

impl App {
    /// What is missing here, if anything.
    fn missing(&self) -> Option<String> {
        let mut programs = self.programs.iter().filter(|program| !skip::has(program));
        let postgres = self.name != "postgres" || Path::new("/usr/lib/postgresql").is_dir();
        (programs.next().is_some() || !postgres)
            .then(|| format!("needs {}; on Debian: apt-get install {}", self.name, self.packages))
    }

    /// Runs the script in a directory of its own.
    async fn run(&self, under: &Path) -> Result<()> {
        self.run_beside(under, under).await
    }

    /// The same, and it knows its directory on another mount too.
    async fn run_beside(&self, under: &Path, other: &Path) -> Result<()> {
        let dir = under.join(self.name);
        std::fs::create_dir_all(&dir)?;
        let script = source::file(&format!("tests/apps/{}.sh", self.name));
        let output = Command::new("timeout")
            .args(["--kill-after=5", MOST, "sh"])
            .args([&script, &dir])
            .envs(self.size.iter().copied())
            .env("OTHER", other.join(self.name))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await?;
        let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (out, err) = (told(&output.stdout), told(&output.stderr));
        ensure!(output.status.success(), "{} ended with {}\n{out}\n{err}", self.name, output.status);
        Ok(())
    }

    async fn on_a_mount(&self) -> Result<()> {
        if let Some(why) = missing().or_else(|| self.missing()) {
            eprintln!("SKIPPED application {}: {why}", self.name);
            return Ok(());
        }
        let (cluster, mount) = mounted(&format!("app-{}", self.name)).await?;
        self.run(mount.at()).await?;
        mount.finish(&cluster).await?;
        cluster.finish().await
    }
}

async fn mounted(name: &str) -> Result<(Cluster, Mount)> {
    let cluster = Builder::new(name).nodes(3).start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    Ok((cluster, mount))
}

#[tokio::test(flavor = "multi_thread")]
async fn git() -> Result<()> {
    GIT.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_with_make() -> Result<()> {
    BUILD.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_killed() -> Result<()> {
    SQLITE.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn rsync() -> Result<()> {
    RSYNC.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn restic() -> Result<()> {
    RESTIC.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_disk() -> Result<()> {
    QEMU.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fio_verifies() -> Result<()> {
    FIO.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_killed() -> Result<()> {
    POSTGRES.on_a_mount().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_followed_from_another_mount() -> Result<()> {
    if let Some(why) = missing().or_else(|| FOLLOWERS.missing()) {
        eprintln!("SKIPPED application {}: {why}", FOLLOWERS.name);
        return Ok(());
    }
    let (cluster, mount) = mounted("app-followers").await?;
    let other = Mount::new(&cluster, "other", "/bkt", &[]).await?;
    FOLLOWERS.run_beside(mount.at(), other.at()).await?;
    other.finish(&cluster).await?;
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_notice_no_dead_node() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED applications beside dying nodes: {why}");
        return Ok(());
    }
    let seconds =
        std::env::var("HOLDFAST_APPS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(45);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut cluster, mount) = mounted("apps-faults").await?;
    let apps = [&GIT, &SQLITE, &RSYNC, &FIO].into_iter().filter(|app| app.missing().is_none());
    let mut running: Vec<_> = apps
        .map(|app| {
            let at = mount.at().to_owned();
            tokio::spawn(async move {
                let mut rounds = 0;
                while rounds == 0 || Instant::now() < end {
                    app.run(&at.join(rounds.to_string())).await?;
                    rounds += 1;
                }
                anyhow::Ok(rounds)
            })
        })
        .collect();
    let mut kills = 0u8;
    while running.iter().any(|app| !app.is_finished()) {
        let victim = kills % cluster.len() + 1;
        cluster.node(victim).kill()?;
        cluster.restart(victim).await?;
        cluster.wait_all_ready(Duration::from_secs(60)).await?;
        cluster.wait_redundant(Duration::from_secs(120)).await?;
        kills = kills.wrapping_add(1);
    }
    for app in &mut running {
        app.await??;
    }
    ensure!(kills > 1, "{kills} nodes died meanwhile");
    mount.finish(&cluster).await?;
    cluster.finish().await
}
