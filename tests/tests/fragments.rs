//! Files written in very many small pieces get few large extents again, by themselves, while they are read and written.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::wait;

/// Longer than what a commit carries itself, so that each becomes a chunk.
const PIECE: usize = 9000;

async fn extents(cluster: &Cluster, path: &str) -> Result<u64> {
    let told: serde_json::Value = serde_json::from_str(&cluster.expect(&["stat", "--json", path]).await?)?;
    let entry = told.as_array().and_then(|all| all.first()).unwrap_or(&told);
    entry.get("extents").and_then(serde_json::Value::as_u64).with_context(|| format!("extents of {told}"))
}

async fn until_few(cluster: &Cluster, path: &str, most: u64) -> Result<()> {
    wait::until("small extents to be joined", Duration::from_secs(120), || async {
        match extents(cluster, path).await {
            Ok(count) if count <= most => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

fn piece(number: usize) -> Vec<u8> {
    (0..PIECE).map(|at| ((at * 7 + number * 131) % 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn small_appends_and_overwrites_are_joined() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED fragments: {why}");
        return Ok(());
    }
    let settings = "[worker]\nperiod = \"200ms\"\n";
    let cluster = Builder::new("fragments").nodes(3).settings(settings)?.start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let (one, two) =
        (Mount::new(&cluster, "one", "/bkt", &[]).await?, Mount::new(&cluster, "two", "/bkt", &[]).await?);

    // A recorder, and one who read the beginning already and goes on reading.
    let mut recorder = OpenOptions::new()
        .append(true)
        .create(true)
        .custom_flags(libc::O_DSYNC)
        .open(one.path("recording"))?;
    let mut expected = Vec::new();
    let mut follower = None;
    for number in 0..300 {
        recorder.write_all(&piece(number))?;
        expected.extend(piece(number));
        if number == 290 {
            let file = File::open(two.path("recording"))?;
            let mut first = vec![0; PIECE];
            file.read_exact_at(&mut first, 0)?;
            follower = Some(file);
        }
    }
    until_few(&cluster, "/bkt/recording", 20).await?;
    let follower = follower.context("a follower")?;
    let mut seen = vec![0; 290 * PIECE];
    follower.read_exact_at(&mut seen, 0)?;
    ensure!(seen == expected[..290 * PIECE], "the follower reads what was recorded");
    recorder.write_all(b"the end")?;
    expected.extend_from_slice(b"the end");
    for mount in [&one, &two] {
        ensure!(fs::read(mount.path("recording"))? == expected, "every byte is where it was");
    }

    // A database: pages of a large file, over and over.
    let mut image = vec![1; 2 << 20];
    fs::write(one.path("database"), &image)?;
    let database = OpenOptions::new().write(true).custom_flags(libc::O_DSYNC).open(one.path("database"))?;
    for number in 0..150 {
        let at = (number * 7919 * 13) % (image.len() - PIECE);
        database.write_all_at(&piece(number), at as u64)?;
        image[at..at + PIECE].copy_from_slice(&piece(number));
    }
    until_few(&cluster, "/bkt/database", 20).await?;
    ensure!(fs::read(two.path("database"))? == image, "every page is where it was");
    drop((recorder, database, follower));
    one.finish(&cluster).await?;
    two.finish(&cluster).await?;
    cluster.finish().await
}
