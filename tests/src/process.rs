//! One process under test: started with its output in a log file, signalled, waited for.
//!
//! What always holds: the process is killed when its `Process` is dropped. It stays in the process group of the
//! test, so that a test runner that ends the group ends it as well.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// A running process, or one that ended.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
    stopped: bool,
}

impl Process {
    /// Starts `command` with standard output and error appended to `log`.
    pub fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log).context("open the log file")?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("duplicate the log file")?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("start {name}: {command:?}"))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_path_buf(), ended: None, stopped: false })
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it still runs (stopped counts as running).
    pub fn is_running(&mut self) -> bool {
        matches!(self.try_wait(), Ok(None))
    }

    /// How it ended, if it did.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context("look after a process")?;
        }
        Ok(self.ended)
    }

    /// Sends a signal to a process that runs.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.try_wait()?.is_some() {
            bail!("{} has ended already", self.name);
        }
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("signal {}", self.name))
    }

    /// Freezes it. When this returns, none of its threads runs any more; one that is inside of a system call stops
    /// before it comes back from there.
    pub fn stop(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        self.stopped = true;
        let end = Instant::now() + Duration::from_secs(5);
        while runs(self.pid())? {
            if Instant::now() > end {
                bail!("{} does not freeze", self.name);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Wakes it up.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)?;
        self.stopped = false;
        Ok(())
    }

    /// Whether it is frozen by us.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        if self.try_wait()?.is_none() {
            self.child.kill().with_context(|| format!("kill {}", self.name))?;
            self.ended = Some(self.child.wait().context("wait for a killed process")?);
        }
        self.stopped = false;
        Ok(())
    }

    /// SIGTERM, and waits for an orderly end.
    pub async fn terminate(&mut self, most: Duration) -> Result<ExitStatus> {
        if self.stopped {
            self.resume()?;
        }
        if self.try_wait()?.is_none() {
            self.signal(Signal::TERM)?;
        }
        self.wait(most).await
    }

    /// Waits for its end.
    pub async fn wait(&mut self, most: Duration) -> Result<ExitStatus> {
        let end = Instant::now() + most;
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= end {
                bail!(
                    "{} (pid {}) did not end within {most:.1?}; log: {}",
                    self.name,
                    self.pid(),
                    self.log.display()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether any thread of a process runs or could at any moment.
fn runs(pid: u32) -> Result<bool> {
    for task in std::fs::read_dir(format!("/proc/{pid}/task")).context("look at a process's threads")? {
        // A thread that has just ended has no file any more.
        let Ok(stat) = std::fs::read_to_string(task?.path().join("stat")) else { continue };
        let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
        if matches!(state, Some('R' | 'S')) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// In words: "exit code 1", "signal 9".
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and a process that is gone already is fine.
        let _ = self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_is_frozen_woken_and_killed() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo started; sleep 600"]);
        let mut process = Process::start("sleeper", command, &log)?;
        process.stop()?;
        assert!(process.is_running() && process.is_stopped());
        process.resume()?;
        process.kill()?;
        assert!(!process.is_running());
        assert!(process.stop().is_err());
        Ok(())
    }

    #[tokio::test]
    async fn an_orderly_end_is_waited_for() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut command = Command::new("sleep");
        command.arg("600");
        let mut process = Process::start("sleeper", command, &dir.path().join("log"))?;
        let status = process.terminate(Duration::from_secs(5)).await?;
        assert_eq!(ending(status), "signal 15");
        Ok(())
    }
}
