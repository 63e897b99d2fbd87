//! Applications that go on while one node after another, the leader too, is killed and started again: PostgreSQL under
//! pgbench, a virtual disk under qemu-io, backups with restic and with rsync, all at once on one mount. None of them may
//! see an error or stand still for good, and in the end everything that was acknowledged is there.
//!
//! Programs that are not installed are left out, loudly. `HOLDFAST_APPS_SECONDS` sets how long it goes on (30); four
//! nodes die at least. Programs on a mount without faults, and more of them: `apps.rs`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::oracle::Content;
use holdfast_tests::skip;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::task::JoinSet;

/// Longest run of one program: what waits for a cluster that is back is done long before.
const MOST: Duration = Duration::from_secs(100);

/// Nodes that die at least.
const KILLS: u32 = 4;

/// Runs a program; fails unless it succeeds. Returns all it said.
async fn run(program: &str, args: &[&str], environment: &[(&str, &str)]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(args).envs(environment.iter().copied()).env("LC_ALL", "C");
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(MOST, output).await;
    let output = output.with_context(|| format!("{program} {args:?} hangs"))?.context(program.to_owned())?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "{program} {args:?} ended with {}: {said}", output.status);
    Ok(said)
}

/// Everything from here on comes from the cluster and not from the kernel's memory.
fn forget_pages() -> Result<()> {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").context("drop what the kernel holds")
}

/// What an application is told, and tells.
#[derive(Clone)]
struct Turn {
    dir: PathBuf,
    over: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
}

impl Turn {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    /// Something was done, from its beginning to its end. Returns how often by now.
    fn round(&self) -> u64 {
        self.rounds.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn path(&self, name: &str) -> Result<String> {
        Ok(self.dir.join(name).to_str().context("a path in UTF-8")?.to_owned())
    }
}

/// The newest PostgreSQL of this machine.
fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let version = |dir: &PathBuf| dir.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(version)?.join("bin");
    ["pgbench", "postgres", "pg_checksums"].iter().all(|name| newest.join(name).is_file()).then_some(newest)
}

/// A server with its data on the mount. It ends with its owner.
struct Postgres {
    programs: PathBuf,
    data: String,
    log: String,
    sockets: tempfile::TempDir,
    pid: Option<Pid>,
}

impl Postgres {
    async fn run(&self, name: &str, args: &[&str]) -> Result<String> {
        let program = self.programs.join(name);
        let sockets = self.sockets.path().to_str().context("a path in UTF-8")?;
        // It refuses to run as root.
        let mut all = vec!["--reuid=postgres", "--regid=postgres", "--clear-groups"];
        all.push(program.to_str().context("a path in UTF-8")?);
        all.extend(args);
        let environment =
            [("PGHOST", sockets), ("PGUSER", "postgres"), ("PGDATABASE", "postgres"), ("HOME", sockets)];
        run("setpriv", &all, &environment).await
    }

    async fn start(&mut self) -> Result<()> {
        let options = format!("-k {} -c listen_addresses=''", self.sockets.path().display());
        let args = ["-s", "-w", "-t", "90", "-D", &self.data, "-l", &self.log, "-o", &options, "start"];
        self.run("pg_ctl", &args).await?;
        let text = fs::read_to_string(Path::new(&self.data).join("postmaster.pid"))?;
        self.pid = Pid::from_raw(text.lines().next().context("no process")?.parse()?);
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.run("pg_ctl", &["-s", "-w", "-t", "90", "-m", "fast", "-D", &self.data, "stop"]).await?;
        self.pid = None;
        Ok(())
    }

    async fn number(&self, question: &str) -> Result<u64> {
        let told = self.run("psql", &["-Atc", question]).await?;
        told.trim().parse().with_context(|| format!("{question}: {told}"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It was not stopped in order, and must not outlive its mount. One that has ended already is what we want.
        let _ = self.pid.map(|pid| kill_process(pid, Signal::QUIT));
    }
}

async fn postgres(turn: Turn) -> Result<()> {
    let programs = postgres_programs().context("it was there a moment ago")?;
    let (data, log, sockets) = (turn.path("data")?, turn.path("log")?, tempfile::tempdir()?);
    for dir in [turn.dir.as_path(), sockets.path()] {
        run("chown", &["postgres:", dir.to_str().context("a path in UTF-8")?], &[]).await?;
    }
    let mut server = Postgres { programs, data, log, sockets, pid: None };
    server.run("initdb", &["-k", "-A", "trust", "-D", &server.data]).await?;
    server.start().await?;
    server.run("pgbench", &["-q", "-i", "-s", "2"]).await?;
    let mut transactions = 0;
    while turn.goes_on() {
        let told = server.run("pgbench", &["-n", "-c", "4", "-T", "3"]).await?;
        let after = |what| told.lines().find_map(|line| line.strip_prefix(what));
        let failed = after("number of failed transactions: ").is_some_and(|count| !count.starts_with("0 "));
        ensure!(!failed && !told.contains("ERROR"), "{told}");
        let done =
            after("number of transactions actually processed: ").context("no count of transactions")?;
        let done: u64 = done.trim().parse()?;
        transactions += done;
        if done > 0 {
            turn.round();
        }
    }
    server.stop().await?;
    forget_pages()?;
    server.run("pg_checksums", &["--check", "-D", &server.data]).await?;
    server.start().await?;
    // Each transaction that a client was told of, once and whole.
    let kept = server.number("select count(*) from pgbench_history").await?;
    ensure!(kept == transactions, "{kept} transactions are there, {transactions} were acknowledged");
    let sums = "select count(distinct s) from (select sum(abalance) s from pgbench_accounts union all
        select sum(tbalance) from pgbench_tellers union all select sum(bbalance) from pgbench_branches union all
        select sum(delta) from pgbench_history) as sums";
    ensure!(server.number(sums).await? == 1, "the books do not balance");
    server.stop().await?;
    let log = fs::read_to_string(&server.log)?;
    let bad =
        log.lines().find(|line| ["ERROR:", "PANIC:", "could not"].iter().any(|word| line.contains(word)));
    ensure!(bad.is_none(), "the server logged: {bad:?}");
    Ok(())
}

/// A disk with a file format of its own, filled part by part with what is known.
async fn virtual_disk(turn: Turn) -> Result<()> {
    const PARTS: u64 = 96;
    let disk = turn.path("disk.qcow2")?;
    run("qemu-img", &["create", "-q", "-f", "qcow2", &disk, "96M"], &[]).await?;
    let io = async |commands: &[String]| -> Result<()> {
        let mut args = vec!["-f", "qcow2", "-t", "writeback"];
        args.extend(commands.iter().flat_map(|command| ["-c", command.as_str()]));
        let told = run("qemu-io", &[&args[..], &[disk.as_str()]].concat(), &[]).await?;
        let fine = told.matches("ops;").count() == commands.iter().filter(|c| *c != "flush").count();
        ensure!(fine && !told.contains("failed"), "{commands:?}: {told}");
        Ok(())
    };
    let mut filled: BTreeMap<u64, u64> = BTreeMap::new();
    let reads = |filled: &BTreeMap<u64, u64>, parts: &[u64]| -> Vec<String> {
        let known = parts.iter().filter_map(|part| Some((part, filled.get(part)?)));
        known.map(|(part, pattern)| format!("read -P {pattern} {part}M 1M")).collect()
    };
    let mut round = 0;
    while turn.goes_on() {
        // Zero is what a hole reads as.
        let parts: Vec<u64> = (0..5).map(|turn| (round * 5 + turn) * 37 % PARTS).collect();
        let pattern = round % 255 + 1;
        let mut commands: Vec<String> = parts.iter().map(|p| format!("write -P {pattern} {p}M 1M")).collect();
        filled.extend(parts.iter().map(|part| (*part, pattern)));
        commands.push("flush".to_owned());
        let others: Vec<u64> = (0..5).map(|turn| (round * 11 + turn * 19) % PARTS).collect();
        commands.extend(reads(&filled, &others));
        io(&commands).await.with_context(|| format!("round {round}"))?;
        round = turn.round();
    }
    forget_pages()?;
    run("qemu-img", &["check", "-q", &disk], &[]).await?;
    io(&reads(&filled, &(0..PARTS).collect::<Vec<_>>())).await.context("in the end")
}

/// Files that change from round to round, and what they hold.
struct Tree {
    dir: PathBuf,
    files: BTreeMap<String, Content>,
}

impl Tree {
    fn new(dir: PathBuf) -> Result<Self> {
        (0..5).try_for_each(|number| fs::create_dir_all(dir.join(format!("d{number}"))))?;
        Ok(Self { dir, files: BTreeMap::new() })
    }

    /// Some are new, some get other content, some go.
    fn change(&mut self, round: u64) -> Result<()> {
        for step in 0..12 {
            let number = (round * 12 + step) * 29 % 150;
            let name = format!("d{}/file {number}", number % 5);
            let content = Content { seed: round << 8 | step, size: number * 911 % 90_000 };
            fs::write(self.dir.join(&name), content.bytes()).with_context(|| name.clone())?;
            self.files.insert(name, content);
        }
        if let Some((name, _)) = self.files.pop_first() {
            fs::remove_file(self.dir.join(&name)).with_context(|| format!("remove {name}"))?;
        }
        Ok(())
    }

    /// This is what lies there, and nothing else.
    fn check(&self, dir: &Path) -> Result<()> {
        let mut count = 0;
        for number in 0..5 {
            count += fs::read_dir(dir.join(format!("d{number}")))?.count();
        }
        ensure!(count == self.files.len(), "{count} files, not {}, in {}", self.files.len(), dir.display());
        for (name, content) in &self.files {
            let found = fs::read(dir.join(name)).with_context(|| format!("read {name}"))?;
            ensure!(found == content.bytes(), "{name} in {} differs", dir.display());
        }
        Ok(())
    }
}

async fn restic(turn: Turn) -> Result<()> {
    let mut tree = Tree::new(turn.dir.join("tree"))?;
    let (repository, cache) = (turn.path("repository")?, turn.path("cache")?);
    let environment =
        [("RESTIC_REPOSITORY", &*repository), ("RESTIC_PASSWORD", "secret"), ("RESTIC_CACHE_DIR", &*cache)];
    run("restic", &["init", "-q"], &environment).await?;
    let mut backups = 0;
    while turn.goes_on() {
        tree = tokio::task::spawn_blocking(move || tree.change(backups).map(|()| tree)).await??;
        run("restic", &["backup", "-q", &turn.path("tree")?], &environment).await?;
        backups = turn.round();
    }
    forget_pages()?;
    run("restic", &["check", "-q", "--read-data"], &environment).await?;
    let listed = run("restic", &["snapshots", "--json"], &environment).await?;
    ensure!(
        listed.matches("\"short_id\"").count() as u64 == backups,
        "{backups} backups were made: {listed}"
    );
    let (there, restored) = (turn.path("tree")?, turn.path("restored")?);
    run("restic", &["restore", "-q", "latest", "--target", &restored], &environment).await?;
    tree.check(Path::new(&there))?;
    tree.check(&Path::new(&restored).join(there.trim_start_matches('/')))
}

async fn rsync(turn: Turn) -> Result<()> {
    // The tree lies on this machine, the copy on the mount.
    let here = tempfile::tempdir()?;
    let (mut tree, mut round) = (Tree::new(here.path().to_owned())?, 0);
    let from = format!("{}/", here.path().display());
    let to = turn.path("copy")?;
    while turn.goes_on() {
        tree.change(round)?;
        run("rsync", &["-a", "--delete", "--checksum", &from, &to], &[]).await?;
        round = turn.round();
    }
    forget_pages()?;
    let changes =
        run("rsync", &["-a", "--delete", "--checksum", "--itemize-changes", &from, &to], &[]).await?;
    ensure!(changes.is_empty(), "the copy differs: {changes}");
    tree.check(Path::new(&to))
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_go_on_while_nodes_are_killed() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let seconds =
        std::env::var("HOLDFAST_APPS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let mut cluster = Builder::new("killed-apps").alone().nodes(3).start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    let over = Arc::new(AtomicBool::new(false));
    let (mut running, mut turns) = (JoinSet::new(), BTreeMap::new());
    let mut turn = |name: &'static str, there: bool, package: &str| -> Result<Option<Turn>> {
        if !there {
            skip::announce_missing(module_path!(), name, package);
            return Ok(None);
        }
        let turn = Turn { dir: mount.path(name), over: over.clone(), rounds: Arc::default() };
        fs::create_dir(&turn.dir)?;
        turns.insert(name, turn.rounds.clone());
        Ok(Some(turn))
    };
    let there = postgres_programs().is_some() && skip::has("setpriv") && skip::has("psql");
    if let Some(turn) = turn("postgres", there, "postgresql")? {
        running.spawn(async { postgres(turn).await.context("postgres") });
    }
    if let Some(turn) = turn("qemu", skip::has("qemu-io") && skip::has("qemu-img"), "qemu-utils")? {
        running.spawn(async { virtual_disk(turn).await.context("qemu") });
    }
    if let Some(turn) = turn("restic", skip::has("restic"), "restic")? {
        running.spawn(async { restic(turn).await.context("restic") });
    }
    if let Some(turn) = turn("rsync", skip::has("rsync"), "rsync")? {
        running.spawn(async { rsync(turn).await.context("rsync") });
    }
    if turns.is_empty() {
        return cluster.finish().await;
    }

    // Whatever each of them does, it begins and ends it anew: the first round that ends may have begun before.
    let mut progress = async |when: String| -> Result<()> {
        let before: BTreeMap<_, _> =
            turns.iter().map(|(name, rounds)| (*name, rounds.load(Ordering::Relaxed))).collect();
        let end = Instant::now() + MOST;
        loop {
            if let Some(ended) = running.try_join_next() {
                ended?.with_context(|| when.clone())?;
                anyhow::bail!("an application ended before its time, {when}");
            }
            let stuck: Vec<_> = turns
                .iter()
                .filter(|(name, rounds)| rounds.load(Ordering::Relaxed) < before[*name] + 2)
                .collect();
            if stuck.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < end, "no progress {when}: {stuck:?}; {}", mount.said());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    progress("before anything happened".to_owned()).await?;
    let (end, mut kills, mut leaders) = (Instant::now() + Duration::from_secs(seconds), 0, 0);
    while Instant::now() < end || kills < KILLS {
        let leader = cluster.leader().await?;
        let victim = if kills % 2 == 0 { leader } else { leader % cluster.len() + 1 };
        cluster.node(victim).kill()?;
        (kills, leaders) = (kills + 1, leaders + u32::from(victim == leader));
        let begun = Instant::now();
        progress(format!("while node {victim} is down after kill {kills}")).await?;
        eprintln!("kill {kills}, node {victim}: all went on within {:.1?}", begun.elapsed());
        cluster.restart(victim).await?;
        cluster.wait_redundant(Duration::from_secs(120)).await.with_context(|| format!("kill {kills}"))?;
    }
    progress("after the last kill".to_owned()).await?;
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    ensure!(leaders >= 2, "{leaders} of {kills} nodes that died led");
    let rounds: Vec<_> = turns.iter().map(|(name, rounds)| (name, rounds.load(Ordering::Relaxed))).collect();
    eprintln!("{kills} nodes died; rounds: {rounds:?}");
    mount.finish(&cluster).await?;
    cluster.finish().await
}
