//! Unmounting.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use crate::failure::{Failure, Outcome};
use crate::mount::table;

/// Flags of `holdfast umount`.
#[derive(Args, Clone, Debug)]
pub(crate) struct UmountArgs {
    /// Detach at once, even if it is in use; those who use it keep it until they are done
    #[arg(long, short)]
    pub(crate) lazy: bool,

    /// Where it is mounted
    pub(crate) target: PathBuf,
}

/// Unmounts; what was written is committed before the command returns, because files are committed when closed.
pub(crate) fn umount(args: &UmountArgs) -> Outcome<()> {
    let target = &args.target;
    check(target)?;
    let flags = if args.lazy { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    match unmount(target, flags) {
        Ok(()) => Ok(()),
        Err(Errno::PERM) => by_helper(target, args.lazy),
        Err(Errno::BUSY) => Err(Failure::failed(format!(
            "{} is in use: see who with 'fuser -m {0}' or 'lsof +f -- {0}', or detach it with --lazy",
            target.display()
        ))),
        Err(Errno::INVAL | Errno::NOENT) => Err(nothing(target)),
        Err(error) => Err(Failure::failed(format!("cannot unmount {}: {error}", target.display()))),
    }
}

fn nothing(target: &Path) -> Failure {
    Failure::usage(format!("nothing is mounted at {}", target.display()))
}

/// What lies on top there is a mount of ours: with a wrong word in a script, /home goes otherwise.
fn check(target: &Path) -> Outcome<()> {
    let at = table::named(target);
    let mounts = table::all()?;
    let top = mounts.iter().rev().find(|mounted| mounted.at == at).ok_or_else(|| nothing(target))?;
    match top.is_ours() {
        true => Ok(()),
        false => Err(Failure::usage(format!(
            "{} is a mount of {}, not one of holdfast: unmount it with umount(8) if that is meant",
            target.display(),
            top.kind
        ))),
    }
}

/// Users other than root may unmount what they mounted, through a helper of the system.
fn by_helper(target: &Path, lazy: bool) -> Outcome<()> {
    let mut command = Command::new("fusermount3");
    command.arg(if lazy { "-uz" } else { "-u" }).arg(target).stdin(Stdio::null());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failure::failed(format!("cannot unmount {}", target.display()))),
        Err(error) => {
            Err(Failure::failed(format!("cannot run fusermount3: {error}; install the package fuse3")))
        }
    }
}

/// Takes a mount away from those who use it.
pub(super) fn detach(target: &Path) -> Result<(), Errno> {
    unmount(target, UnmountFlags::DETACH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mount_of_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |target: &Path| {
            let args = UmountArgs { lazy: false, target: target.to_owned() };
            umount(&args).unwrap_err().to_string()
        };
        assert!(
            refusal(Path::new("/proc")).contains("not one of holdfast"),
            "{}",
            refusal(Path::new("/proc"))
        );
        assert!(refusal(dir.path()).contains("nothing is mounted"), "{}", refusal(dir.path()));
        assert!(refusal(&dir.path().join("absent")).contains("nothing is mounted"));
    }
}
