//! Programs that other people wrote, run against a cluster.
//!
//! What always holds: such a program sees nothing of the environment of the test but `PATH`, and its home is a
//! directory of the test, so that no configuration, proxy or certificate of this machine decides; and it ends by a
//! deadline.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Longest run of a program.
const MOST: Duration = Duration::from_secs(120);

/// A program, ready to run.
#[derive(Clone, Debug)]
pub struct Tool {
    program: PathBuf,
    first: Vec<OsString>,
    home: PathBuf,
    environment: Vec<(String, String)>,
}

impl Tool {
    /// The program of the first of these command lines that works here; `None` when none does. Makes the home
    /// directory.
    pub async fn find(candidates: &[&[&str]], home: &Path) -> Result<Option<Self>> {
        std::fs::create_dir_all(home).context("make a home for a program")?;
        for words in candidates {
            let [program, args @ ..] = words else { continue };
            let tool = Self {
                program: PathBuf::from(program),
                first: Vec::new(),
                home: home.to_path_buf(),
                environment: Vec::new(),
            };
            // What is not there cannot be started, and what is broken says so by its exit code.
            if tool.output(args, None).await.is_ok_and(|output| output.status.success()) {
                return Ok(Some(tool));
            }
        }
        Ok(None)
    }

    /// An environment variable for every run.
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Arguments that come first in every run.
    pub fn first(mut self, args: &[&str]) -> Self {
        self.first.extend(args.iter().map(OsString::from));
        self
    }

    /// Its home directory.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Runs it; returns what it said, whatever the exit code.
    pub async fn output(&self, args: &[&str], input: Option<&[u8]>) -> Result<Output> {
        let name = self.program.display();
        let mut command = Command::new(&self.program);
        command.args(&self.first).args(args).current_dir(&self.home).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", &self.home);
        command.env("LANG", "C.UTF-8").envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().with_context(|| format!("start {name}"))?;
        let mut stdin = child.stdin.take().context("standard input of a program")?;
        let input = input.unwrap_or_default().to_vec();
        let feed = tokio::spawn(async move {
            // A program that does not read to the end says why by its exit code.
            let _ = stdin.write_all(&input).await;
        });
        let output = tokio::time::timeout(MOST, child.wait_with_output())
            .await
            .with_context(|| format!("{name} {} did not end within {MOST:?}", args.join(" ")))?;
        feed.abort();
        output.with_context(|| format!("run {name}"))
    }

    /// Runs it; fails unless it succeeds. Returns standard output.
    pub async fn run(&self, args: &[&str]) -> Result<Vec<u8>> {
        self.feed(args, &[]).await
    }

    /// The same, with something to read.
    pub async fn feed(&self, args: &[&str], input: &[u8]) -> Result<Vec<u8>> {
        let output = self.output(args, Some(input)).await?;
        if !output.status.success() {
            bail!(
                "{} {} ended with {}: {}{}",
                self.program.display(),
                args.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim(),
                String::from_utf8_lossy(&output.stdout).trim()
            );
        }
        Ok(output.stdout)
    }

    /// Runs it and returns what it said, as text.
    pub async fn text(&self, args: &[&str]) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.run(args).await?).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_sees_only_what_it_is_given() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let home = dir.path().join("home");
        let absent: &[&str] = &["no-such-program", "--version"];
        assert!(Tool::find(&[absent], &home).await?.is_none());
        let tool = Tool::find(&[absent, &["sh", "-c", "true"]], &home).await?.context("there is no shell")?;
        let tool = tool.environment("COLOUR", "blue").first(&["-c"]);
        let text = tool.text(&["env"]).await?;
        assert!(text.contains("COLOUR=blue") && text.contains(&format!("HOME={}", home.display())), "{text}");
        assert!(!text.contains("CARGO"), "the environment of the test leaks: {text}");
        assert_eq!(tool.feed(&["cat"], b"through").await?, b"through");
        assert!(tool.run(&["echo because >&2; exit 3"]).await.unwrap_err().to_string().contains("because"));
        Ok(())
    }
}
