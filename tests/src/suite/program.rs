//! A test program as cargo built it, and one run of it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

/// No program runs longer.
const MOST: Duration = Duration::from_secs(20 * 60);
/// Between two looks whether one has ended.
const PAUSE: Duration = Duration::from_millis(50);
/// Lines shown of one that failed.
const SHOWN: usize = 150;

/// One line of what cargo says.
#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    executable: Option<PathBuf>,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    target: Target,
}

#[derive(Default, Deserialize)]
struct Profile {
    #[serde(default)]
    test: bool,
}

#[derive(Default, Deserialize)]
struct Target {
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: Vec<String>,
}

/// A test program.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Its crate's name, with the package before it where that is not the same.
    pub(super) name: String,
    executable: PathBuf,
    package: PathBuf,
    clusters: bool,
}

/// What came of it.
pub(super) struct Ran {
    pub(super) program: Program,
    pub(super) took: Duration,
    /// How many tests it ran.
    pub(super) tests: usize,
    /// Names of those that failed.
    pub(super) failed: Vec<String>,
    /// What it says was skipped.
    pub(super) skipped: Vec<String>,
    /// How the process ended.
    pub(super) ending: String,
    passed: bool,
    log: String,
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds all of them; the directory that cargo builds in, and the programs.
pub(super) fn build() -> Result<(PathBuf, Vec<Program>)> {
    let output = cargo()
        .args(["test", "--release", "--workspace", "--no-run", "--message-format=json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("run cargo")?;
    ensure!(output.status.success(), "the tests do not compile");
    let said = String::from_utf8(output.stdout).context("what cargo says")?;
    let programs: Vec<Program> = said.lines().filter_map(Program::from_line).collect();
    let first = programs.first().context("cargo built no test")?;
    let target = first.executable.ancestors().nth(3).context("the directory that cargo builds in")?;
    Ok((target.to_owned(), programs))
}

/// Runs the examples of the documentation.
pub(super) fn documentation() -> Result<bool> {
    let args = ["test", "--release", "--workspace", "--doc", "--quiet"];
    Ok(cargo().args(args).status().context("run cargo")?.success())
}

impl Program {
    fn from_line(line: &str) -> Option<Self> {
        let artifact: Artifact = serde_json::from_str(line).ok()?;
        let executable = artifact.executable.filter(|_| artifact.profile.test)?;
        let package = artifact.manifest_path.parent()?.to_owned();
        let of = package.file_name()?.to_string_lossy().into_owned();
        let clusters = of == "tests" && artifact.target.kind == ["test"];
        let name = artifact.target.name;
        let name = if clusters || name.ends_with(&of) { name } else { format!("{of}/{name}") };
        Some(Self { name, executable, package, clusters })
    }

    /// Whether it starts real clusters.
    pub(super) fn has_clusters(&self) -> bool {
        self.clusters
    }

    /// Runs all of it.
    pub(super) fn run(self, logs: &Path) -> Ran {
        let args: &[&str] = &["--test-threads", "2", "--show-output"];
        self.start(logs, "", args)
    }

    /// Runs one of its tests.
    pub(super) fn run_one(&self, logs: &Path, test: &str) -> Ran {
        self.clone().start(logs, "-again", &["--exact", test, "--show-output"])
    }

    fn start(self, logs: &Path, more: &str, args: &[&str]) -> Ran {
        let begun = Instant::now();
        let log = logs.join(format!("{}{more}.log", self.name.replace('/', "-")));
        let ended = self.process(&log, args).and_then(|child| wait(child, begun + MOST));
        let log = std::fs::read(&log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let passed = ended.as_ref().is_ok_and(ExitStatus::success);
        let ending = ended.map_or_else(|error| format!("{error:#}"), |status| status.to_string());
        let results: Vec<&str> = log.lines().filter(|line| line.starts_with("test ")).collect();
        let failed = results.iter().filter_map(|line| line.strip_suffix(" ... FAILED"));
        let failed = failed.filter_map(|line| line.strip_prefix("test ")).map(ToOwned::to_owned).collect();
        let skipped: Vec<String> =
            log.lines().filter(|line| line.starts_with("SKIPPED")).map(ToOwned::to_owned).collect();
        let tests = results.iter().filter(|line| line.contains(" ... ") && !line.contains("ignored")).count();
        Ran { took: begun.elapsed(), tests, failed, skipped, ending, passed, program: self, log }
    }

    fn process(&self, log: &Path, args: &[&str]) -> Result<Child> {
        let log = File::create(log).with_context(|| format!("make {}", log.display()))?;
        let child = Command::new(&self.executable)
            .args(args)
            .current_dir(&self.package)
            .env("CARGO_MANIFEST_DIR", &self.package)
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            // What it started goes with it.
            .process_group(0)
            .spawn();
        child.with_context(|| format!("start {}", self.executable.display()))
    }
}

/// Process groups of the programs that run.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Ends them all, with what they started.
pub(super) fn end_all() {
    for group in RUNNING.lock().map(|groups| groups.clone()).unwrap_or_default() {
        _ = kill_process_group(group, Signal::KILL);
    }
}

/// One group in the list above.
struct Running(Pid);

impl Running {
    fn of(child: &Child) -> Result<Self> {
        let group =
            i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("an odd process number")?;
        if let Ok(mut groups) = RUNNING.lock() {
            groups.push(group);
        }
        Ok(Self(group))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(mut groups) = RUNNING.lock() {
            groups.retain(|group| *group != self.0);
        }
    }
}

fn wait(mut child: Child, end: Instant) -> Result<ExitStatus> {
    let running = Running::of(&child)?;
    loop {
        if let Some(status) = child.try_wait().context("wait")? {
            return Ok(status);
        }
        if Instant::now() >= end {
            kill_process_group(running.0, Signal::KILL).context("end it")?;
            child.wait().context("wait")?;
            anyhow::bail!("it did not end within {} s", MOST.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}

impl Ran {
    /// Whether nothing failed.
    pub(super) fn passed(&self) -> bool {
        self.passed
    }

    /// Its last lines.
    pub(super) fn end_of_log(&self) -> String {
        let lines: Vec<&str> = self.log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN)..].join("\n")
    }
}
