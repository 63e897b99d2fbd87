//! Serves a mount until somebody unmounts it or the process is asked to stop.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use holdfast_client::{Client, ClientConfig};
use holdfast_mount::fuse::{self, Mounted, Options};
use holdfast_mount::{AtimePolicy, DiskCacheConfig, MountConfig, cache_folder, fs::Fs, stats};
use holdfast_proto::ids::ClusterId;
use holdfast_proto::inode::FileKind;
use holdfast_support::telemetry::{self, LogConfig};
use tokio::signal::unix::{SignalKind, signal};

use crate::connect::{ConnectArgs, Target};
use crate::failure::{Doing as _, Failure, Outcome};
use crate::mount::background::USABLE;
use crate::mount::{Atime, MountArgs};
use crate::place::RemotePath;
use crate::remote::Remote;
use crate::server::notify;

/// Time between two looks at whether somebody unmounted.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn run(args: &MountArgs, connect: &ConnectArgs) -> Outcome<()> {
    let target = connect.target()?;
    if args.announce {
        // Nothing of the terminal that started us stays ours.
        let _ = rustix::process::setsid();
    }
    log_to(args)?;
    if args.announce {
        // Nor the directory in which it was: its file system could not be unmounted.
        std::env::set_current_dir("/").doing("go to /")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("mount-worker")
        .build()
        .map_err(|error| Failure::failed(format!("cannot start worker threads: {error}")))?;
    let outcome = runtime.block_on(serve(args, target));
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// Not what the binding says of answers that the kernel does not want any more: it takes the answer to an interrupt for
/// an error when the interrupted request was answered first, which happens whenever programs use signals.
const LOG_FILTER: &str = "info,fuser::reply=off,fuser::session=error";

fn log_to(args: &MountArgs) -> Outcome<()> {
    let file = match (args.announce, &args.log_file) {
        (_, Some(file)) => Some(file.clone()),
        (true, None) => Some(usual_log()?),
        (false, None) => None,
    };
    let config = LogConfig { file, filter: LOG_FILTER.to_owned(), ..LogConfig::default() };
    telemetry::init(&config).map_err(|error| Failure::usage(error.to_string()))
}

/// Root logs where services do, others below their home.
fn usual_log() -> Outcome<PathBuf> {
    let dir = match rustix::process::geteuid().is_root() {
        true => PathBuf::from("/var/log/holdfast"),
        false => {
            let home = std::env::var_os("HOME").map(PathBuf::from);
            home.map(|home| home.join(".local/state/holdfast"))
                .ok_or_else(|| Failure::usage("where to log? Give --log-file or set HOME"))?
        }
    };
    std::fs::create_dir_all(&dir).map_err(|error| {
        Failure::usage(format!("cannot make {} for the log: {error}; give --log-file", dir.display()))
    })?;
    Ok(dir.join("mount.log"))
}

fn seconds(value: f64, flag: &str, least: f64) -> Outcome<Duration> {
    let duration = Duration::try_from_secs_f64(value).ok().filter(|_| value >= least);
    duration.ok_or_else(|| Failure::usage(format!("{flag} must be at least {least} seconds")))
}

async fn serve(args: &MountArgs, target: Target) -> Outcome<()> {
    let at = args.target()?.clone();
    let config = MountConfig {
        io_deadline: seconds(args.io_timeout, "--io-timeout", 1.0)?,
        attr_ttl: seconds(args.attr_ttl, "--attr-ttl", 0.0)?,
        dirty_bytes: args.dirty_mib << 20,
        atime: match args.atime {
            Atime::Never => AtimePolicy::Never,
            Atime::Relative => AtimePolicy::Relative,
        },
        read_only: args.read_only,
        disk: None,
        ..MountConfig::default()
    };
    let source = RemotePath::parse(args.source().as_os_str())?;
    let remote = Remote::connect_as(target, session(&at, config.io_deadline)).await?;
    let top = remote.find(&source, true).await?;
    let top = top.ok_or_else(|| Failure::not_found(format!("{source} does not exist")))?;
    if top.kind() != FileKind::Directory {
        return Err(Failure::usage(format!("{source} is not a directory")));
    }
    let disk = disk_cache(args, remote.client());
    let config = MountConfig { disk: disk.clone(), ..config };
    let fs = Fs::new(remote.client(), config).map_err(|error| {
        let dir = args.cache_dir.as_deref().unwrap_or(Path::new("")).display();
        match error.kind() {
            std::io::ErrorKind::WouldBlock => Failure::usage(format!(
                "{dir} is the disk cache of another mount: give this one a folder of its own with --cache-dir"
            )),
            _ => Failure::usage(format!("cannot use {dir} as a disk cache: {error}")),
        }
    })?;
    if let Some(DiskCacheConfig { dir, .. }) = disk {
        // Nobody waits for it, and it may take long.
        std::thread::spawn(move || holdfast_mount::clear_other_caches(&dir));
    }
    let root = rustix::process::geteuid().is_root();
    let options = Options {
        top: top.inode.ino,
        source: shown(args.shown_as.clone().unwrap_or_else(|| format!("holdfast:{source}")), root),
        allow_other: args.allow_other || root,
        read_only: args.read_only,
        trusted: root && !args.untrusted,
        exec: !args.no_exec,
        sync: args.sync,
        threads: args.threads.into(),
    };
    if let Some(address) = args.metrics_listen {
        serve_metrics(address, fs.clone()).await?;
    }
    let (mounting, place) = (fs.clone(), at.clone());
    let mounted = tokio::task::spawn_blocking(move || fuse::mount(&mounting, &place, &options)).await;
    let mounted = mounted.map_err(|error| Failure::failed(error.to_string()))?;
    let mounted = mounted.doing(format!("mount at {}", at.display()))?;
    tracing::info!(at = %at.display(), %source, pid = std::process::id(), "mounted");
    notify::tell("READY=1");
    if args.announce {
        announce();
    }
    let outcome = until_over(&fs, mounted).await;
    let client: Client = fs.client().clone();
    let _ = client.close().await;
    tracing::info!(at = %at.display(), "the mount has ended");
    outcome
}

/// The source as it is handed on: for others than root a helper mounts, which takes a list of options apart.
fn shown(source: String, root: bool) -> String {
    match root {
        true => source,
        false => source.replace('\\', "\\\\").replace(',', "\\,"),
    }
}

fn disk_cache(args: &MountArgs, client: &Client) -> Option<DiskCacheConfig> {
    let map = client.map();
    let cluster = ClusterId::from_slice(map.cluster())?;
    let dir = args.cache_dir.as_ref()?.join(cache_folder(cluster, map.meta_incarnation()));
    Some(DiskCacheConfig { dir, bytes: args.cache_mib? << 20 })
}

fn session(at: &Path, limit: Duration) -> ClientConfig {
    ClientConfig {
        description: format!("mount at {}, pid {}", at.display(), std::process::id()),
        default_deadline: limit,
        holds_files: true,
        ..ClientConfig::default()
    }
}

/// `/metrics` for Prometheus, until the process ends.
async fn serve_metrics(address: SocketAddr, fs: Fs) -> Outcome<()> {
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| {
        Failure::usage(format!("cannot listen on {address} for --metrics-listen: {error}"))
    })?;
    telemetry::set_build(env!("CARGO_PKG_VERSION"), "mount");
    if let Err(error) = holdfast_client::metrics::register(telemetry::registry()) {
        tracing::warn!(%error, "the client library's metrics are not shown");
    }
    let app = Router::new().route(
        "/metrics",
        get(async move || {
            stats::refresh(&fs);
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::metrics_text())
        }),
    );
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(())
}

/// The command that waits for us may go; from here on nobody reads our output.
fn announce() {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{USABLE}").and_then(|()| out.flush());
    if let Ok(null) = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&null);
        let _ = rustix::stdio::dup2_stderr(&null);
    }
}

/// Waits for the end and commits what is left.
async fn until_over(fs: &Fs, mounted: Mounted) -> Outcome<()> {
    let mut stop = signal(SignalKind::terminate()).map_err(|error| Failure::failed(error.to_string()))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| Failure::failed(error.to_string()))?;
    while mounted.is_served() {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let failed = fs.flush_all().await;
    let at = mounted.at().to_owned();
    let left = tokio::task::spawn_blocking(move || match mounted.is_served() {
        true => mounted.unmount(),
        false => mounted.wait(),
    });
    let left = left.await.map_err(|error| Failure::failed(error.to_string()))?;
    if let Err(error) = left {
        tracing::warn!(%error, at = %at.display(), "in use: it is detached, and gone for those who use it");
        let _ = super::umount::detach(&at);
    }
    let failed = failed + fs.flush_all().await;
    fs.send_access_times().await;
    match failed {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{count} files could not be committed; the log says why"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_with_commas_stays_one_option() {
        let source = || "a:1,b:2:/x\\y".to_owned();
        assert_eq!(shown(source(), true), source());
        assert_eq!(shown(source(), false), "a:1\\,b:2:/x\\\\y");
    }
}
