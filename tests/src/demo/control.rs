//! Starts the demo's supervisor in the background, asks whether it runs, stops it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::layout::{DemoFile, Layout};
use super::mounting;
use crate::binary;
use crate::node::tail;

/// Longest time until the cluster is up.
const START: Duration = Duration::from_secs(120);
/// Longest time for the supervisor to stop everything.
const STOP: Duration = Duration::from_secs(40);

/// The supervisor's process id, if one runs.
pub fn supervisor(layout: &Layout) -> Result<Option<Pid>> {
    let Ok(file) = File::open(layout.lock()) else { return Ok(None) };
    // The lock tells the truth; a process id alone may belong to somebody else by now.
    if file.try_lock_shared().is_ok() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(layout.lock())?;
    Ok(text.trim().parse().ok().and_then(Pid::from_raw))
}

/// Makes sure that the demo runs, with the current binary. Returns what `demo.json` says.
pub fn start(layout: &Layout) -> Result<DemoFile> {
    std::fs::create_dir_all(layout.logs()).context("make the demo's directory")?;
    if supervisor(layout)?.is_some() {
        if is_current(layout)? {
            println!("The demo runs already; using it.");
            return wait(layout);
        }
        println!("The binary is newer than the running demo: restarting it on the same data.");
        stop_supervisor(layout)?;
    }
    let log = File::options().create(true).append(true).open(layout.logs().join("supervisor.log"))?;
    let me = std::env::current_exe().context("path of this program")?;
    Command::new(me)
        .arg("supervise")
        .arg(layout.root())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A Ctrl-C in the terminal shall not reach the cluster.
        .process_group(0)
        .spawn()
        .context("start the supervisor")?;
    wait(layout)
}

/// Whether the running cluster was started after the binary was built.
fn is_current(layout: &Layout) -> Result<bool> {
    let built = std::fs::metadata(binary::holdfast()?)?.modified()?;
    let started = std::fs::metadata(layout.lock())?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(built <= started)
}

fn wait(layout: &Layout) -> Result<DemoFile> {
    let end = Instant::now() + START;
    let log = layout.logs().join("supervisor.log");
    // The supervisor takes its lock a moment after its start.
    let grace = Instant::now() + Duration::from_secs(5);
    loop {
        let runs = supervisor(layout)?.is_some();
        if runs && let Some(file) = layout.read_file()? {
            return Ok(file);
        }
        if (!runs && Instant::now() > grace) || Instant::now() > end {
            bail!("the demo did not come up; the end of {}:\n{}", log.display(), tail(&log, 15));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn stop_supervisor(layout: &Layout) -> Result<()> {
    let Some(pid) = supervisor(layout)? else { return Ok(()) };
    kill_process(pid, Signal::TERM).context("stop the supervisor")?;
    let end = Instant::now() + STOP;
    while supervisor(layout)?.is_some() {
        if Instant::now() > end {
            bail!("the supervisor (process {pid:?}) did not end within {STOP:?}");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Stops the demo and removes everything of it.
pub fn stop(layout: &Layout) -> Result<()> {
    mounting::stop(layout)?;
    stop_supervisor(layout)?;
    match std::fs::remove_dir_all(layout.root()) {
        Ok(()) => println!("The demo is stopped and its data removed."),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => println!("There is no demo."),
        Err(error) => return Err(error).with_context(|| format!("remove {}", layout.root().display())),
    }
    Ok(())
}
