//! Keeps the demo's nodes running: what ends without being told to is started again, after a pause that grows while
//! it keeps ending. Writes `demo.json` when all are ready, and again whenever a process id changes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Seek, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

use super::layout::{DemoFile, DemoNode, Layout};
use super::mounting;
use crate::binary;
use crate::node::Node;
use crate::process::ending;
use crate::s3;

const FIRST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// A node that ran this long is taken to be well.
const WELL: Duration = Duration::from_secs(30);
/// Longest time to come up.
const START: Duration = Duration::from_secs(90);
/// Longest time for an orderly end.
const END: Duration = Duration::from_secs(20);

struct Watched {
    node: Node,
    started: Instant,
    pause: Duration,
    /// When to start it again; `None` while it runs.
    again: Option<Instant>,
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(layout: &Layout) -> Result<()> {
    let _lock = take_lock(layout)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut nodes: Vec<Watched> = layout.specs()?.into_iter().map(watched).collect::<Result<_>>()?;
    let outcome = tokio::select! {
        outcome = keep_running(layout, &mut nodes) => outcome,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    say("stopping the nodes");
    stop(&mut nodes).await;
    // Nobody shall find process ids that belong to others by now.
    let _ = std::fs::remove_file(layout.file());
    outcome
}

fn say(message: impl std::fmt::Display) {
    let now = time::OffsetDateTime::now_utc();
    let at = now.format(time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"));
    eprintln!("{} {message}", at.unwrap_or_default());
}

fn take_lock(layout: &Layout) -> Result<File> {
    let mut file = File::options().create(true).truncate(false).write(true).open(layout.lock())?;
    if file.try_lock().is_err() {
        bail!("a supervisor runs already");
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

fn watched(spec: crate::node::Spec) -> Result<Watched> {
    Ok(Watched {
        node: Node::new(spec)?,
        started: Instant::now(),
        pause: FIRST_PAUSE,
        again: Some(Instant::now()),
    })
}

async fn keep_running(layout: &Layout, nodes: &mut [Watched]) -> Result<()> {
    // The first node makes the cluster, and the others need its token. No more than that may be waited for: in a
    // cluster that is there already no node becomes ready alone.
    revive(&mut nodes[0])?;
    let (http, begun, token) = (plain_client(), Instant::now(), layout.token());
    while !token.exists() {
        if begun.elapsed() > START {
            bail!("the first node made no cluster within {START:?}; see the logs");
        }
        look_after(&mut nodes[0])?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut written: Vec<u32> = Vec::new();
    loop {
        for watched in nodes.iter_mut() {
            look_after(watched)?;
        }
        let pids: Vec<u32> = nodes.iter_mut().filter_map(|w| w.node.pid()).collect();
        if pids.len() == nodes.len() && pids != written && all_ready(&http, nodes).await {
            match describe(layout, nodes).await {
                Ok(file) => {
                    layout.write_file(&file)?;
                    say(format_args!("all nodes are ready, processes {pids:?}"));
                    written = pids;
                }
                Err(error) => say(format_args!("not described yet: {error:#}")),
            }
        }
        if written.is_empty() && begun.elapsed() > START {
            bail!("the nodes were not ready within {START:?}; see the logs");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn look_after(watched: &mut Watched) -> Result<()> {
    let number = watched.node.spec().number;
    match watched.again {
        Some(at) if Instant::now() >= at => revive(watched),
        Some(_) => Ok(()),
        None => {
            let Some(status) = watched.node.process()?.try_wait()? else {
                return Ok(());
            };
            if watched.started.elapsed() > WELL {
                watched.pause = FIRST_PAUSE;
            }
            say(format_args!("node {number} ended with {}; again in {:?}", ending(status), watched.pause));
            watched.again = Some(Instant::now() + watched.pause);
            watched.pause = (watched.pause * 2).min(LONGEST_PAUSE);
            Ok(())
        }
    }
}

fn revive(watched: &mut Watched) -> Result<()> {
    watched.node.start()?;
    watched.started = Instant::now();
    watched.again = None;
    let pid = watched.node.pid().unwrap_or_default();
    say(format_args!("node {} started, process {pid}", watched.node.spec().number));
    Ok(())
}

fn plain_client() -> s3::Client {
    let nobody =
        s3::Credentials { access_key: String::new(), secret_key: String::new(), region: String::new() };
    s3::Client::new(Vec::new(), nobody, Duration::from_secs(1))
}

async fn all_ready(http: &s3::Client, nodes: &[Watched]) -> bool {
    for watched in nodes {
        if http.plain(&format!("http://{}/readyz", watched.node.spec().admin)).await.is_err() {
            return false;
        }
    }
    true
}

#[derive(Deserialize)]
struct NodeLine {
    id: u64,
    address: String,
}

#[derive(Deserialize)]
struct StatusLine {
    voters: Vec<u64>,
}

/// Asks the cluster itself who its nodes are, and that all of them vote.
async fn describe(layout: &Layout, nodes: &mut [Watched]) -> Result<DemoFile> {
    let cluster = layout.addresses()?;
    let status: StatusLine = ask(&cluster, &["admin", "status"]).await?;
    if status.voters.len() < nodes.len() {
        bail!("{} of {} nodes vote", status.voters.len(), nodes.len());
    }
    let lines: Vec<NodeLine> = ask(&cluster, &["admin", "nodes"]).await?;
    let ids: HashMap<String, u64> = lines.into_iter().map(|line| (line.address, line.id)).collect();
    let credentials = layout.credentials()?;
    let mut described = Vec::new();
    for watched in nodes.iter_mut() {
        let pid = watched.node.pid().context("a node ended meanwhile")?;
        let spec = watched.node.spec();
        let id = *ids.get(&spec.rpc.to_string()).context("a node is not in the map yet")?;
        let data_dirs = std::iter::once(spec.data.clone()).chain(spec.disks.iter().cloned()).collect();
        described.push(DemoNode { id, pid, roles: spec.roles.clone(), data_dirs });
    }
    let ports = layout.ports()?;
    let admin = layout.administrator()?;
    Ok(DemoFile {
        s3: ports.iter().map(|p| p.s3.to_string()).collect(),
        access_key: credentials.access_key,
        secret_key: credentials.secret_key,
        region: credentials.region,
        admin_url: format!("http://{}", ports[0].admin),
        admin_user: admin.account,
        admin_password: admin.password,
        mount: mounting::mounted(layout),
        binary: binary::holdfast()?,
        nodes: described,
    })
}

async fn ask<T: serde::de::DeserializeOwned>(cluster: &str, args: &[&str]) -> Result<T> {
    let mut command = tokio::process::Command::new(binary::holdfast()?);
    command.args(["--json", "--timeout", "3", "--cluster", cluster]).args(args);
    let output = command.output().await.context("run holdfast")?;
    if !output.status.success() {
        bail!("holdfast {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// All at once, in order, and by force when that takes too long.
async fn stop(nodes: &mut [Watched]) {
    let stops = nodes.iter_mut().filter(|w| w.again.is_none()).map(|watched| async move {
        let number = watched.node.spec().number;
        let Ok(process) = watched.node.process() else { return };
        if let Err(error) = process.terminate(END).await {
            say(format_args!("node {number}: {error:#}"));
        }
    });
    futures::future::join_all(stops).await;
}
