//! Mounting: the kernel is told what we can do, requests are served until somebody unmounts.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use fuser::{Config, MountOption, Session, SessionACL, SessionUnmounter};

use super::answers::Requests;
use super::convert::Inodes;
use super::notify::Kernel;
use crate::fs::Fs;

/// Bytes that the kernel reads ahead of a sequential reader, if we may set that.
const READ_AHEAD_KIB: u32 = 4096;

/// How the kernel sees the mount.
#[derive(Clone, Debug)]
pub struct Options {
    /// Inode of the directory that is mounted.
    pub top: u64,
    /// Shown as the source of the mount.
    pub source: String,
    /// Other users than the one who mounts may use it.
    pub allow_other: bool,
    /// Nothing can be changed through it.
    pub read_only: bool,
    /// Set-user-id bits and device nodes mean something.
    pub trusted: bool,
    /// Programs can be run.
    pub exec: bool,
    /// Every write is one with `O_SYNC`.
    pub sync: bool,
    /// Threads that take requests.
    pub threads: usize,
}

/// A mount that is being served.
pub struct Mounted {
    at: PathBuf,
    unmounter: SessionUnmounter,
    served: JoinHandle<io::Result<()>>,
}

/// Mounts a file system; requests are served from then on.
pub fn mount(fs: &Fs, at: &Path, options: &Options) -> io::Result<Mounted> {
    let inodes = Inodes::new(options.top);
    let requests = Requests::new(fs.clone(), inodes, tokio::runtime::Handle::current());
    // Before it is mounted: afterwards the kernel would ask us.
    let at = at.canonicalize()?;
    let mut session = Session::new(requests, &at, &config(options))?;
    fs.set_kernel(std::sync::Arc::new(Kernel::start(session.notifier(), inodes)?));
    let unmounter = session.unmount_callable();
    let served = std::thread::Builder::new().name("mount".to_owned()).spawn(move || session.run())?;
    read_ahead(&at);
    Ok(Mounted { at, unmounter, served })
}

fn config(options: &Options) -> Config {
    let mut mount_options = vec![
        MountOption::FSName(options.source.clone()),
        // For the kernel, which then shows the type fuse.holdfast; the binding tells its own option to helpers only.
        MountOption::CUSTOM("subtype=holdfast".to_owned()),
        MountOption::DefaultPermissions,
        MountOption::NoAtime,
    ];
    mount_options.push(if options.read_only { MountOption::RO } else { MountOption::RW });
    let (suid, dev) = match options.trusted {
        true => (MountOption::Suid, MountOption::Dev),
        false => (MountOption::NoSuid, MountOption::NoDev),
    };
    mount_options.extend([suid, dev]);
    mount_options.push(if options.exec { MountOption::Exec } else { MountOption::NoExec });
    mount_options.push(if options.sync { MountOption::Sync } else { MountOption::Async });
    let mut config = Config::default();
    config.mount_options = mount_options;
    config.acl = if options.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.n_threads = Some(options.threads.max(1));
    config.clone_fd = options.threads > 1;
    config
}

/// The kernel reads ahead in requests of 1 MiB, several at once. Only root may say so; otherwise its default stays.
fn read_ahead(at: &Path) {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let Some(device) = device_at(&mounts, at) else { return };
    let setting = format!("/sys/class/bdi/{device}/read_ahead_kb");
    if let Err(error) = std::fs::write(&setting, READ_AHEAD_KIB.to_string()) {
        tracing::debug!(setting, %error, "the kernel's read-ahead stays as it is");
    }
}

/// The device number (`major:minor`) of what is mounted last at a path, from `/proc/self/mountinfo` (proc(5)).
fn device_at<'a>(mounts: &'a str, at: &Path) -> Option<&'a str> {
    let at = at.to_str()?.replace('\\', "\\134").replace(' ', "\\040").replace('\t', "\\011");
    let found = mounts.lines().rev().find(|line| line.split(' ').nth(4) == Some(at.as_str()))?;
    found.split(' ').nth(2)
}

impl Mounted {
    /// Where it is mounted.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Whether requests are still served: false once somebody unmounted it.
    pub fn is_served(&self) -> bool {
        !self.served.is_finished()
    }

    /// Unmounts, and waits until the last request is answered.
    pub fn unmount(mut self) -> io::Result<()> {
        self.unmounter.unmount()?;
        self.wait()
    }

    /// Waits until somebody unmounts it.
    pub fn wait(self) -> io::Result<()> {
        match self.served.join() {
            Ok(result) => result,
            Err(_) => Err(io::Error::other("the thread that serves the mount has died")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_of_a_mount_is_found() {
        let mounts = "30 1 0:26 / /mnt/a\\040b rw - fuse.holdfast x rw\n31 1 0:27 / /mnt rw - ext4 x rw\n";
        assert_eq!(device_at(mounts, Path::new("/mnt/a b")), Some("0:26"));
        assert_eq!(device_at(mounts, Path::new("/mnt")), Some("0:27"));
        assert_eq!(device_at(mounts, Path::new("/mn")), None);
    }
}
