//! One node: its directory, its addresses, its configuration file, its process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::process::{Process, ending};
use crate::{binary, s3, wait};

/// What a node is made of. Addresses stay the same over restarts.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Number in its cluster, from 1. Not its node id, which the cluster gives it.
    pub number: u8,
    /// Its directory: configuration, log, and data unless placed elsewhere.
    pub dir: PathBuf,
    /// Data directory of the process.
    pub data: PathBuf,
    /// Disks.
    pub disks: Vec<PathBuf>,
    /// `meta`, `chunk`, `gateway`, …
    pub roles: Vec<String>,
    /// RPC address.
    pub rpc: SocketAddr,
    /// S3 address.
    pub s3: SocketAddr,
    /// Admin HTTP address.
    pub admin: SocketAddr,
    /// Nodes to join; empty for the one that makes the cluster.
    pub join: Vec<String>,
    /// File with the join token.
    pub token: Option<PathBuf>,
    /// Network namespace to run in.
    pub namespace: Option<String>,
    /// Further settings, merged into the configuration.
    pub settings: Table,
    /// Environment.
    pub environment: Vec<(String, String)>,
    /// Where its output goes; `<dir>/log` when not named.
    pub log: Option<PathBuf>,
}

/// A node that can be started, broken and started again.
#[derive(Debug)]
pub struct Node {
    spec: Spec,
    process: Option<Process>,
}

impl Node {
    /// Writes the configuration; starts nothing.
    pub fn new(spec: Spec) -> Result<Self> {
        std::fs::create_dir_all(&spec.dir).context("make the node's directory")?;
        let node = Self { spec, process: None };
        node.write_config()?;
        Ok(node)
    }

    /// What it is made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Changes what it is made of; takes effect at the next start.
    pub fn change(&mut self, change: impl FnOnce(&mut Spec)) -> Result<()> {
        change(&mut self.spec);
        self.write_config()
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.spec.dir.join("holdfast.toml")
    }

    /// Its log, over all starts.
    pub fn log_path(&self) -> PathBuf {
        self.spec.log.clone().unwrap_or_else(|| self.spec.dir.join("log"))
    }

    fn write_config(&self) -> Result<()> {
        let spec = &self.spec;
        let strings = |list: &[String]| Value::Array(list.iter().cloned().map(Value::String).collect());
        let text = |path: &Path| Value::String(path.to_string_lossy().into_owned());
        let mut config = Table::new();
        config.insert("data".into(), text(&spec.data));
        config.insert("disks".into(), Value::Array(spec.disks.iter().map(|disk| text(disk)).collect()));
        config.insert("roles".into(), strings(&spec.roles));
        config.insert("listen".into(), Value::String(spec.rpc.to_string()));
        config.insert("admin_listen".into(), Value::String(spec.admin.to_string()));
        config.insert("join".into(), strings(&spec.join));
        if let Some(token) = &spec.token {
            config.insert("join_token_file".into(), text(token));
        }
        let mut gateway = Table::new();
        gateway.insert("listen".into(), Value::String(spec.s3.to_string()));
        config.insert("gateway".into(), Value::Table(gateway));
        merge(&mut config, &spec.settings);
        std::fs::write(self.config_path(), toml::to_string(&config)?).context("write the configuration")
    }

    /// Starts the process; it may take a while to become ready.
    pub fn start(&mut self) -> Result<()> {
        if self.process.as_mut().is_some_and(Process::is_running) {
            bail!("node {} runs already", self.spec.number);
        }
        let binary = binary::holdfast()?;
        let mut command = match &self.spec.namespace {
            Some(name) => {
                // Not `ip netns exec`: that copies all mounts, and what is unmounted later stays in use there.
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{name}")).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command.arg("server").arg("--config").arg(self.config_path()).current_dir(&self.spec.dir);
        command.env_remove("HOLDFAST_CLUSTER").envs(self.spec.environment.iter().cloned());
        self.process =
            Some(Process::start(&format!("node {}", self.spec.number), command, &self.log_path())?);
        Ok(())
    }

    /// The process of a node that was started.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("node {} was never started", self.spec.number))
    }

    /// Its process id, while it runs.
    pub fn pid(&mut self) -> Option<u32> {
        self.process.as_mut().and_then(|p| p.is_running().then(|| p.pid()))
    }

    /// Whether it has ever been started.
    pub fn was_started(&self) -> bool {
        self.process.is_some()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// kill -9.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?.kill()
    }

    /// Waits until `/readyz` says yes; fails at once when the process ends.
    pub async fn wait_ready(&mut self, http: &s3::Client, most: Duration) -> Result<()> {
        let url = format!("http://{}/readyz", self.spec.admin);
        let (number, log) = (self.spec.number, self.log_path());
        let process = parking_lot::Mutex::new(self.process()?);
        wait::until(&format!("node {number} to become ready"), most, || async {
            if let Some(status) = process.lock().try_wait().map_err(|e| e.to_string())? {
                return Err(format!("it ended with {}: {}", ending(status), tail(&log, 5)));
            }
            http.with_deadline(Duration::from_secs(1))
                .plain(&url)
                .await
                .map(drop)
                .map_err(|error| error.to_string())
        })
        .await
    }
}

/// The last lines of a log.
pub fn tail(log: &Path, lines: usize) -> String {
    let text =
        std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Lays one table over another, table by table.
fn merge(base: &mut Table, over: &Table) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => merge(inner, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_laid_over() {
        let mut base: Table = toml::from_str("a = 1\n[t]\nx = 1\ny = 2").unwrap();
        merge(&mut base, &toml::from_str("b = 3\n[t]\ny = 5").unwrap());
        let want: Table = toml::from_str("a = 1\nb = 3\n[t]\nx = 1\ny = 5").unwrap();
        assert_eq!(base, want);
    }
}

/// Account and password of the administrator whom a new cluster begins with.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Administrator {
    /// Account.
    pub account: String,
    /// Password.
    pub password: String,
}

impl Administrator {
    /// As the node that made the cluster wrote it into its data directory.
    pub fn of(data: &Path) -> Result<Self> {
        let path = data.join("admin-credentials.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        toml::from_str(&text).context("read the generated credentials")
    }
}
