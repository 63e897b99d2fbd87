//! The dashboard in a real browser, served by a real cluster of three nodes: the journeys of `browser/journeys`, each on a
//! cluster of its own. A journey is a program of its own (`browser/run.mjs`); what only the owner of the cluster can do it asks for.
//!
//! `HOLDFAST_CHROMIUM` names another browser than `/usr/bin/chromium`. Pictures of what a failed journey saw last lie in
//! `browser/failures` of the build cache.

#[path = "common/forge.rs"]
mod forge;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::{skip, source};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;

/// A journey ends by itself before this.
const MOST: Duration = Duration::from_secs(460);
/// For a node to end in order.
const SOON: Duration = Duration::from_secs(60);

/// What a journey asks for. Nodes count from 1.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
enum Ask {
    /// kill -9.
    Kill { node: u8 },
    /// Start it and wait until it is ready.
    Start { node: u8 },
    /// Run the command line.
    Cli { args: Vec<String> },
    /// Change the first entry of the audit log that has this text, in this node's own table.
    Forge { node: u8, was: String, is: String },
}

async fn serve(cluster: &mut Cluster, ask: Ask) -> Result<Value> {
    if let Ask::Kill { node } | Ask::Start { node } | Ask::Forge { node, .. } = &ask {
        ensure!((1..=cluster.len()).contains(node), "there is no node {node}");
    }
    match ask {
        Ask::Kill { node } => cluster.node(node).kill()?,
        Ask::Start { node } => cluster.restart(node).await?,
        Ask::Cli { args } => {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            return Ok(json!({ "ok": true, "stdout": cluster.expect(&args).await? }));
        }
        Ask::Forge { node, was, is } => {
            let data = cluster.spec(node).data.clone();
            cluster.node(node).process()?.terminate(SOON).await?;
            let seq = forge::forge(&data, was.as_bytes(), is.as_bytes())?;
            cluster.restart(node).await?;
            return Ok(json!({ "ok": true, "seq": seq }));
        }
    }
    Ok(json!({ "ok": true }))
}

/// The browser; `None`, said loudly, when something is missing here.
fn browser(test: &str) -> Option<PathBuf> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        if !skip::has(program) {
            skip::announce_missing(test, program, package);
            return None;
        }
    }
    let chromium = std::env::var_os("HOLDFAST_CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into());
    let chromium = PathBuf::from(chromium);
    if !chromium.is_file() {
        skip::announce_missing(test, &chromium.display().to_string(), "chromium");
        return None;
    }
    Some(chromium)
}

/// The journeys beside the packages that they use, in the build cache: npm fetches them once for all tests and runs.
fn journeys() -> Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the build cache has no path")?;
    let cache = target.join("browser");
    std::fs::create_dir_all(&cache)?;
    let one_at_a_time = File::create(cache.join("lock"))?;
    one_at_a_time.lock().context("wait for another test that installs")?;
    copy(&source::file("tests/browser"), &cache)?;
    let wanted = std::fs::read(cache.join("package-lock.json"))?;
    let stamp = cache.join("node_modules/.lock-stamp");
    if std::fs::read(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(cache);
    }
    let output = std::process::Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(&cache)
        .stdin(Stdio::null())
        .output()
        .context("run npm")?;
    ensure!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(&stamp, &wanted)?;
    Ok(cache)
}

/// Copies what is not the same already: another test may be reading it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let (entry, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        let Some(name) = entry.file_name() else { continue };
        let there = to.join(name);
        if kind.is_dir() {
            if name != "node_modules" {
                copy(&entry, &there)?;
            }
            continue;
        }
        let content = std::fs::read(&entry)?;
        if !std::fs::read(&there).is_ok_and(|same| same == content) {
            std::fs::write(&there, &content)?;
        }
    }
    Ok(())
}

/// A cluster whose disks are small, so that little data makes a difference.
async fn cluster(name: &str) -> Result<Cluster> {
    let settings = "[chunk]\ncapacity = \"1GiB\"\n";
    let builder = Builder::new(&format!("dashboard-{name}")).nodes(3).disks(2).settings(settings)?.trash();
    // A dead node has to be named within five seconds.
    let builder = if name == "failure" { builder.alone() } else { builder };
    builder.start().await
}

/// One journey from beginning to end. `None`: skipped.
async fn walk(name: &str) -> Result<Option<Cluster>> {
    let Some(chromium) = browser(&format!("dashboard::{name}")) else { return Ok(None) };
    let dir = tokio::task::spawn_blocking(journeys).await??;
    let mut cluster = cluster(name).await?;
    let scratch = cluster.scratch()?;
    let log = scratch.join("journey.log");
    let administrator = cluster.administrator()?;
    let urls: Vec<String> =
        (1..=cluster.len()).map(|number| format!("http://{}", cluster.spec(number).admin)).collect();
    let mut journey = Command::new("node")
        .args(["run.mjs", name])
        .current_dir(&dir)
        .env("HOLDFAST_URLS", urls.join(","))
        .env("HOLDFAST_ACCOUNT", &administrator.account)
        .env("HOLDFAST_PASSWORD", &administrator.password)
        .env("HOLDFAST_SCRATCH", &scratch)
        .env("HOLDFAST_FAILURES", dir.join("failures"))
        .env("HOLDFAST_CHROMIUM", &chromium)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(File::create(&log).context("make the log of a journey")?)
        .kill_on_drop(true)
        .spawn()
        .context("start a journey")?;
    let mut answers = journey.stdin.take().context("standard input of a journey")?;
    let mut asks = BufReader::new(journey.stdout.take().context("standard output of a journey")?).lines();
    let until_its_end = async {
        while let Some(line) = asks.next_line().await? {
            let ask: Ask =
                serde_json::from_str(&line).with_context(|| format!("the journey asks {line:?}"))?;
            let answer = match serve(&mut cluster, ask).await {
                Ok(answer) => answer,
                Err(error) => json!({ "ok": false, "error": format!("{error:#}") }),
            };
            answers.write_all(format!("{answer}\n").as_bytes()).await.context("answer a journey")?;
        }
        Ok::<_, anyhow::Error>(journey.wait().await?)
    };
    let ended = tokio::time::timeout(MOST, until_its_end).await;
    let told = std::fs::read_to_string(&log).unwrap_or_default();
    eprintln!("{told}");
    match ended {
        Ok(Ok(status)) if status.success() => Ok(Some(cluster)),
        Ok(Ok(status)) => bail!("journey {name} ended with {status}; pictures in {}/failures", dir.display()),
        Ok(Err(error)) => Err(error).with_context(|| format!("journey {name}")),
        Err(_) => bail!("journey {name} did not end within {MOST:?}"),
    }
}

/// The same, with a cluster that is whole afterwards.
async fn walk_and_check(name: &str) -> Result<()> {
    match walk(name).await? {
        Some(cluster) => cluster.finish().await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn every_page_opens_in_two_languages_and_is_accessible() -> Result<()> {
    walk_and_check("tour").await
}

#[tokio::test]
async fn the_overview_names_a_dead_node_by_itself() -> Result<()> {
    walk_and_check("failure").await
}

#[tokio::test]
async fn disks_are_evened_out_with_a_look_beforehand() -> Result<()> {
    walk_and_check("rebalance").await
}

#[tokio::test]
async fn a_disk_is_drained_and_removed_after_proof() -> Result<()> {
    let Some(mut cluster) = walk("drain").await? else { return Ok(()) };
    cluster.announce("the cluster has given it up");
    cluster.finish().await
}

#[tokio::test]
async fn files_go_up_and_down_into_the_trash_and_back() -> Result<()> {
    walk_and_check("files").await
}

#[tokio::test]
async fn roles_are_seen_and_held() -> Result<()> {
    walk_and_check("roles").await
}

#[tokio::test]
async fn the_journal_shows_what_was_done() -> Result<()> {
    walk_and_check("audit").await
}

#[tokio::test]
async fn a_forged_entry_is_shown_with_its_node() -> Result<()> {
    // The forged copy stays, which fsck sees as well.
    match walk("forged").await? {
        Some(mut cluster) => cluster.finish_without_fsck().await,
        None => Ok(()),
    }
}

#[tokio::test]
async fn sessions_end_and_guessing_is_held_up() -> Result<()> {
    walk_and_check("sessions").await
}
