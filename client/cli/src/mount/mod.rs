//! `holdfast mount` and `holdfast umount`: the namespace as a file system of this machine.
//!
//! What always holds: the command returns when the mount is usable, or says why it is not; the process that serves
//! it goes on in the background (unless told not to) until somebody unmounts or it is asked to stop, and commits
//! everything before it goes.

mod background;
mod helper;
mod serve;
mod table;
mod umount;

use std::path::PathBuf;

use clap::Args;

use crate::connect::ConnectArgs;
use crate::failure::{Failure, Outcome};

pub(crate) use helper::command_line;
pub(crate) use umount::{UmountArgs, umount};

/// Flags of `holdfast mount`.
#[derive(Args, Clone, Debug)]
pub(crate) struct MountArgs {
    /// Stay in the foreground and log to standard error
    #[arg(long, short = 'f')]
    pub(crate) foreground: bool,

    /// Let users other than the one who mounts use it (root's mounts do by default)
    #[arg(long)]
    pub(crate) allow_other: bool,

    /// Nothing can be changed through the mount
    #[arg(long, short = 'r')]
    pub(crate) read_only: bool,

    /// Ignore set-user-id bits and device nodes even if root mounts
    #[arg(long)]
    pub(crate) untrusted: bool,

    /// Longest time an operation waits for the cluster before it fails with EIO, in seconds
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    pub(crate) io_timeout: f64,

    /// How long names and attributes may be taken for current, in seconds
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    pub(crate) attr_ttl: f64,

    /// Memory for bytes that are written and not committed, in MiB; writers wait beyond it
    #[arg(long, default_value_t = 96, value_name = "MIB", value_parser = clap::value_parser!(u64).range(16..=3072))]
    pub(crate) dirty_mib: u64,

    /// Keep files that are read again and again here, on a local disk; each mount needs a folder of its own
    #[arg(long, value_name = "DIR", requires = "cache_mib")]
    pub(crate) cache_dir: Option<PathBuf>,

    /// How much of them, in MiB
    #[arg(long, value_name = "MIB", requires = "cache_dir", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) cache_mib: Option<u64>,

    /// What becomes of access times when something is read
    #[arg(long, value_enum, default_value_t = Atime::Never)]
    pub(crate) atime: Atime,

    /// Threads that take requests from the kernel
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) threads: u8,

    /// Where to log in the background
    #[arg(long, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,

    /// Serve /metrics (Prometheus) here
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) metrics_listen: Option<std::net::SocketAddr>,

    /// Show the counters of the mount at TARGET instead of mounting
    #[arg(long)]
    pub(crate) stats: bool,

    /// Says on standard output that the mount is usable (used by the command itself)
    #[arg(long, hide = true)]
    pub(crate) announce: bool,

    /// No program can be run from it (for fstab)
    #[arg(long, hide = true)]
    pub(crate) no_exec: bool,

    /// Every write waits until it is safe (for fstab)
    #[arg(long, hide = true)]
    pub(crate) sync: bool,

    /// The source as fstab gives it, by which mount(8) knows again what is mounted; then it is mounted once only
    #[arg(long, hide = true)]
    pub(crate) shown_as: Option<String>,

    /// All is looked at, and nothing mounted (for mount(8))
    #[arg(long, hide = true)]
    pub(crate) trial: bool,

    /// What to mount (`hf:/bucket/dir`), then where; only where: everything
    #[arg(required = true, num_args = 1..=2, value_name = "[SOURCE] TARGET")]
    pub(crate) paths: Vec<PathBuf>,
}

/// Values of `--atime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Atime {
    /// They change only when they are set
    Never,
    /// They move when they are not later than the last change, or a day old, as local file systems do it
    Relative,
}

impl MountArgs {
    fn target(&self) -> Outcome<&PathBuf> {
        self.paths.last().ok_or_else(|| Failure::usage("where to mount?"))
    }

    /// The same, and nothing in it goes by where it was called.
    fn absolute(&self) -> Outcome<Self> {
        let absolute = |path: &PathBuf| {
            std::path::absolute(path)
                .map_err(|error| Failure::usage(format!("cannot find {}: {error}", path.display())))
        };
        let mut args = self.clone();
        if let Some(target) = args.paths.last_mut() {
            *target = absolute(target)?;
        }
        for path in [&mut args.cache_dir, &mut args.log_file].into_iter().flatten() {
            *path = absolute(path)?;
        }
        Ok(args)
    }

    fn source(&self) -> PathBuf {
        match self.paths.as_slice() {
            [source, _] => source.clone(),
            _ => PathBuf::from("/"),
        }
    }
}

/// Mounts. Called before any thread exists.
pub(crate) fn run(args: &MountArgs, connect: &ConnectArgs) -> Outcome<()> {
    if args.stats {
        return show_stats(args.target()?);
    }
    check(args)?;
    if let Some(source) = already(args)? {
        eprintln!("{source} is mounted at {} already", args.target()?.display());
        return Ok(());
    }
    if args.trial {
        return Ok(());
    }
    let args = &args.absolute()?;
    match args.foreground || args.announce {
        true => serve::run(args, connect),
        false => background::run(args),
    }
}

/// The counters of a mount, from itself.
fn show_stats(at: &std::path::Path) -> Outcome<()> {
    let mut text = vec![0u8; 64 << 10];
    let length = rustix::fs::getxattr(at, holdfast_mount::stats::ATTRIBUTE, &mut text[..])
        .map_err(|error| Failure::usage(format!("{} is no mount of holdfast: {error}", at.display())))?;
    text.truncate(length);
    print!("{}", String::from_utf8_lossy(&text));
    Ok(())
}

/// What a line of fstab means is mounted: its source. Mounting it once more would hide it under another one of its kind.
fn already(args: &MountArgs) -> Outcome<Option<&str>> {
    let Some(source) = args.shown_as.as_deref() else { return Ok(None) };
    let at = table::named(args.target()?);
    let same = |mounted: &table::Mounted| mounted.is_ours() && mounted.at == at && mounted.source == *source;
    Ok(table::all()?.iter().any(same).then_some(source))
}

/// What can be told without the cluster.
fn check(args: &MountArgs) -> Outcome<()> {
    let target = args.target()?;
    let found = std::fs::metadata(target);
    if found
        .as_ref()
        .is_err_and(|error| error.raw_os_error() == Some(rustix::io::Errno::NOTCONN.raw_os_error()))
    {
        return Err(Failure::usage(format!(
            "{0} is a mount whose process has died: run 'holdfast umount --lazy {0}' first",
            target.display()
        )));
    }
    let found = found.map_err(|error| {
        Failure::usage(format!("cannot mount at {}: {error}; make the directory first", target.display()))
    })?;
    if !found.is_dir() {
        return Err(Failure::usage(format!("cannot mount at {}: it is not a directory", target.display())));
    }
    if !std::path::Path::new("/dev/fuse").exists() {
        return Err(Failure::failed(
            "this machine has no /dev/fuse: load the kernel module with 'modprobe fuse'",
        ));
    }
    Ok(())
}
