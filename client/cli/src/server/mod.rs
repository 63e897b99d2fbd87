//! `holdfast server`: puts the roles of a node together, and `holdfast init`.
//!
//! Order of a start: configuration, data directory and its lock, logs, ports (are they free?), identity (load, make
//! or join), roles, RPC port, admin port. A step that fails ends the start with one line that says what to do.
//!
//! Where to begin reading: `node.rs`.

pub(crate) mod config;
mod http;
pub(crate) mod identity;
mod join;
mod metrics;
mod node;
pub(crate) mod notify;
mod roles;
pub(crate) mod secrets;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use holdfast_support::dirlock::{DirLock, LockError};
use holdfast_support::{crashsafe, telemetry};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use config::{Config, Override};
use identity::Identity;

/// Flags of `server` and `init`. Each one stands for a setting of the configuration file.
#[derive(Args, Debug, Clone)]
pub(crate) struct ServerArgs {
    /// Configuration file (TOML)
    #[arg(long, short, env = "HOLDFAST_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Data directory
    #[arg(long, value_name = "DIR")]
    data: Option<String>,

    /// Directories for chunks, separated by commas
    #[arg(long, value_name = "DIR,…")]
    disks: Option<String>,

    /// Parts to play: meta, chunk, gateway
    #[arg(long, value_name = "ROLE,…")]
    roles: Option<String>,

    /// RPC address
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<String>,

    /// S3 address
    #[arg(long, value_name = "IP:PORT")]
    s3_listen: Option<String>,

    /// Address of health, readiness and metrics
    #[arg(long, value_name = "IP:PORT")]
    admin_listen: Option<String>,

    /// Nodes of the cluster to join
    #[arg(long, value_name = "HOST:PORT,…")]
    join: Option<String>,

    /// File with the join token (or set HOLDFAST_JOIN_TOKEN)
    #[arg(long, value_name = "FILE")]
    join_token_file: Option<String>,

    /// Any setting of the configuration file
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl ServerArgs {
    fn load(&self) -> Outcome<Config> {
        let named = [
            ("--data", "data", &self.data),
            ("--disks", "disks", &self.disks),
            ("--roles", "roles", &self.roles),
            ("--listen", "listen", &self.listen),
            ("--s3-listen", "gateway.listen", &self.s3_listen),
            ("--admin-listen", "admin_listen", &self.admin_listen),
            ("--join", "join", &self.join),
            ("--join-token-file", "join_token_file", &self.join_token_file),
        ];
        let mut flags = Vec::new();
        for (flag, key, value) in named {
            if let Some(value) = value {
                flags.push(Override { origin: flag.into(), key: key.into(), value: value.clone() });
            }
        }
        for setting in &self.settings {
            let (key, value) = setting
                .split_once('=')
                .ok_or_else(|| Failure::usage(format!("--set {setting}: write KEY=VALUE")))?;
            flags.push(Override {
                origin: "--set".into(),
                key: key.trim().into(),
                value: value.trim().into(),
            });
        }
        Config::load(self.config.as_deref(), flags)
    }
}

#[derive(Serialize)]
struct Prepared {
    cluster: String,
    data: PathBuf,
    s3_credentials: PathBuf,
    join_token: PathBuf,
}

/// Prepares the data directory of a new cluster's first node.
pub(crate) fn init(args: &ServerArgs, output: Output) -> Outcome<()> {
    let config = args.load()?;
    let _lock = take_directory(&config.data)?;
    if let Some(identity) = Identity::load(&config.data)? {
        return Err(Failure::refused(format!(
            "{data} belongs to node {} of cluster {} already: start it with `holdfast server --data {data}`, or name \
             an empty directory",
            identity.node,
            identity.cluster,
            data = config.data.display()
        )));
    }
    let identity = Identity::genesis(&config.data)?;
    let prepared = Prepared {
        cluster: identity.cluster,
        s3_credentials: identity::credentials_path(&config.data),
        join_token: identity::token_path(&config.data),
        data: config.data,
    };
    output.show(&prepared, |out| {
        writeln!(out, "cluster         {}", prepared.cluster)?;
        writeln!(out, "S3 credentials  {}", prepared.s3_credentials.display())?;
        writeln!(out, "join token      {}", prepared.join_token.display())?;
        writeln!(out, "Start it with: holdfast server --data {}", prepared.data.display())
    })
}

/// Runs a node until it is told to stop.
pub(crate) fn run(args: &ServerArgs) -> Outcome<()> {
    let config = args.load()?;
    telemetry::init(&config.log).map_err(|error| Failure::usage(error.to_string()))?;
    let lock = take_directory(&config.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("holdfast")
        .build()
        .map_err(|error| Failure::failed(format!("cannot start worker threads: {error}")))?;
    let outcome = runtime.block_on(node::run(config));
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    drop(lock);
    outcome
}

/// Makes the data directory if it is not there, and locks it.
fn take_directory(data: &Path) -> Outcome<DirLock> {
    make_directory(data).map_err(|error| identity::unusable(data, "make directory", &error))?;
    DirLock::acquire(data).map_err(|error| match error {
        LockError::InUse { .. } => Failure::failed(error.to_string()),
        LockError::Io { source, .. } => identity::unusable(data, "lock", &source),
    })
}

fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        make_directory(parent)?;
    }
    crashsafe::create_dir(path)
}

/// An address that cannot be listened on, with what to do about it.
fn cannot_listen(setting: &str, address: SocketAddr, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "another process uses it; stop that, or choose another port",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        io::ErrorKind::PermissionDenied => "ports below 1024 need privileges",
        _ => "check the setting",
    };
    Failure::failed(format!("cannot listen on {address} ({setting}): {error}; {advice}"))
}
