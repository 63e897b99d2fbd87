//! Names that another mount took, replaced or made a moment ago, before the news of it can have come.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::Mount;
use holdfast_tests::{skip_unless_mounts, wait};

/// Rounds: the news takes milliseconds, and each round is a race with it.
const ROUNDS: usize = 100;

/// Longest time for news that takes milliseconds.
const SOON: Duration = Duration::from_secs(10);

struct Two {
    // The mounts go first: without a cluster they would wait for it.
    here: Mount,
    there: Mount,
    cluster: Cluster,
}

impl Two {
    async fn start(name: &'static str) -> Result<Self> {
        let cluster = Builder::new(name).start().await?;
        cluster.expect(&["mkdir", "/bkt"]).await?;
        let here = Mount::new(&cluster, "here", "/bkt", &[]).await?;
        let there = Mount::new(&cluster, "there", "/bkt", &[]).await?;
        Ok(Self { cluster, here, there })
    }

    fn paths(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.here.path(name), self.there.path(name))
    }

    async fn finish(self) -> Result<()> {
        self.here.finish(&self.cluster).await?;
        self.there.finish(&self.cluster).await?;
        self.cluster.finish().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_taken_elsewhere_leads_to_no_dead_file() -> Result<()> {
    skip_unless_mounts!();
    let two = Two::start("names-dead").await?;
    for round in 0..ROUNDS {
        let (mine, theirs) = two.paths(&format!("f{round}"));
        fs::write(&mine, b"before")?;
        ensure!(fs::metadata(&theirs)?.len() == 6 && fs::metadata(&mine)?.len() == 6);

        // Removed there: who makes it here writes a file that is there.
        fs::remove_file(&theirs)?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(&mine)?;
        file.write_all(b"again")?;
        file.sync_all()?;
        drop(file);
        let seen =
            wait::until("what was written and synced to be there", SOON, || async { fs::read(&theirs) })
                .await
                .with_context(|| format!("round {round}"))?;
        ensure!(seen == b"again", "round {round}: {seen:?}");

        // Replaced there: who opens it here reads what replaced it.
        let (_, new) = two.paths(&format!("n{round}"));
        fs::write(&new, b"another")?;
        fs::rename(&new, &theirs)?;
        let mut seen = Vec::new();
        File::open(&mine)?.read_to_end(&mut seen)?;
        ensure!(seen == b"another", "round {round}: {:?}", String::from_utf8_lossy(&seen));
    }
    two.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_was_made_elsewhere_is_opened_by_who_would_make_it() -> Result<()> {
    skip_unless_mounts!();
    let two = Two::start("names-made").await?;
    for round in 0..ROUNDS {
        let (mine, theirs) = two.paths(&format!("f{round}"));
        ensure!(!mine.exists(), "round {round}: nobody made it yet");
        fs::write(&theirs, b"one\n")?;
        let opened = OpenOptions::new().append(true).create(true).open(&mine);
        let mut file = opened.with_context(|| format!("round {round}: open for appending"))?;
        file.write_all(b"two\n")?;
        drop(file);
        ensure!(fs::read(&theirs)? == b"one\ntwo\n", "round {round}: {:?}", fs::read(&theirs)?);
    }
    two.finish().await
}

/// A file without a name is opened again through a descriptor of it, as `/proc` shows it.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_dead_file_open_may_open_it_again() -> Result<()> {
    use std::os::fd::AsRawFd as _;

    skip_unless_mounts!();
    let two = Two::start("names-again").await?;
    for by in [&two.here, &two.there] {
        let path = two.here.path("f");
        fs::write(&path, b"content")?;
        let file = File::open(&path)?;
        fs::remove_file(by.path("f"))?;
        let again = fs::read(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        ensure!(again == b"content", "{again:?}");
    }
    two.finish().await
}
