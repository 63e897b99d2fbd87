//! Small file systems on loop devices: for full disks, dying disks and power loss.
//!
//! Power loss: kill -9 the process, then the file-system shutdown ioctl without log flush, unmount, mount again.
//! Bytes that were not fsynced are gone then, and so are renames, creates and unlinks that were not made durable.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// `FS_IOC_SHUTDOWN`, the same number for ext4 and XFS: `_IOR('X', 125, __u32)`.
const FS_IOC_SHUTDOWN: libc::c_ulong = 0x8004_587d;
/// Leave the journal as it is on the disk (`EXT4_GOING_FLAGS_NOLOGFLUSH`, `XFS_FSOP_GOING_FLAGS_NOLOGFLUSH`).
const NO_LOG_FLUSH: u32 = 2;

/// Which file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ext4
    Ext4,
    /// XFS, at least 300 MiB
    Xfs,
}

impl Kind {
    /// The program that makes one.
    fn mkfs(self) -> [&'static str; 3] {
        match self {
            Self::Ext4 => ["mkfs.ext4", "-q", "-F"],
            Self::Xfs => ["mkfs.xfs", "-q", "-f"],
        }
    }
}

/// A mounted file system in a file. Unmounted and removed when dropped.
#[derive(Debug)]
pub struct Volume {
    image: PathBuf,
    mount: PathBuf,
    mounted: bool,
    frozen: bool,
}

impl Volume {
    /// Makes and mounts one of `mib` MiB at `mount`; the image lies beside it.
    pub fn make(kind: Kind, mib: u64, mount: &Path) -> Result<Self> {
        let image = mount.with_extension("img");
        let file = File::create(&image).with_context(|| format!("create {}", image.display()))?;
        file.set_len(mib << 20).context("size the image")?;
        let [program, args @ ..] = kind.mkfs();
        run(Command::new(program).args(args).arg(&image))?;
        std::fs::create_dir_all(mount).context("make the mount point")?;
        let mut volume = Self { image, mount: mount.to_path_buf(), mounted: false, frozen: false };
        volume.mount()?;
        Ok(volume)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Major and minor number of the device that it is mounted from.
    pub fn device(&self) -> Result<(u32, u32)> {
        let device = rustix::fs::stat(&self.mount).context("stat the mount point")?.st_dev;
        Ok((rustix::fs::major(device), rustix::fs::minor(device)))
    }

    /// Forgets everything on it: a new and empty one is mounted in its place.
    pub fn replace(&mut self, kind: Kind) -> Result<()> {
        self.unmount()?;
        let [program, args @ ..] = kind.mkfs();
        run(Command::new(program).args(args).arg(&self.image))?;
        self.mount()
    }

    fn mount(&mut self) -> Result<()> {
        run(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount))?;
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<()> {
        if self.mounted {
            run(Command::new("umount").arg(&self.mount))?;
            self.mounted = false;
        }
        Ok(())
    }

    /// Cuts the file system off at once: every later call on it answers EIO, nothing more reaches the image.
    pub fn shut_down(&self) -> Result<()> {
        let root = File::open(&self.mount).context("open the mount point")?;
        let flags = NO_LOG_FLUSH;
        // SAFETY: the descriptor is open for the whole call, and the kernel reads exactly one u32 behind the
        // pointer, which lives until the call returns.
        let result = unsafe { libc::ioctl(root.as_raw_fd(), FS_IOC_SHUTDOWN, &raw const flags) };
        if result != 0 {
            return Err(std::io::Error::last_os_error()).context("shut the file system down");
        }
        Ok(())
    }

    /// Lets every write to it hang, without an error, until [`Self::thaw`].
    pub fn freeze(&mut self) -> Result<()> {
        self.frozen = true;
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.mount))
    }

    /// What hung goes on.
    pub fn thaw(&mut self) -> Result<()> {
        self.frozen = false;
        run(Command::new("fsfreeze").arg("--unfreeze").arg(&self.mount))
    }

    /// After [`Self::shut_down`], with all processes on it gone: the machine comes up again.
    pub fn power_up(&mut self) -> Result<()> {
        self.unmount()?;
        self.mount()
    }

    /// Fills it with a file, down to about `left` free bytes. Removing the file gives the room back.
    pub fn fill(&self, left: u64) -> Result<PathBuf> {
        let stat = rustix::fs::statvfs(&self.mount).context("statvfs")?;
        let free = stat.f_bavail * stat.f_frsize;
        let path = self.mount.join("filler");
        let file = File::create(&path).context("create the filler")?;
        rustix::fs::fallocate(
            &file,
            rustix::fs::FallocateFlags::empty(),
            0,
            free.saturating_sub(left).max(1),
        )
        .context("fill the volume")?;
        Ok(path)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if self.frozen {
            let _ = self.thaw();
        }
        if self.mounted && self.unmount().is_err() {
            // Somebody still has files open: detach it, the kernel finishes when they close.
            let _ = run(Command::new("umount").arg("-l").arg(&self.mount));
        }
        let _ = std::fs::remove_file(&self.image);
    }
}

/// Runs a system tool; its output goes into the error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn what_survives(kind: Kind, mib: u64) -> Result<()> {
        let dir = tempfile::tempdir()?;
        let mut volume = Volume::make(kind, mib, &dir.path().join("v"))?;
        let (safe, lost) = (volume.path().join("safe"), volume.path().join("lost"));
        let mut file = File::create(&safe)?;
        file.write_all(b"kept")?;
        file.sync_all()?;
        File::open(volume.path())?.sync_all()?;
        File::create(&lost)?.write_all(&[1; 8192])?;
        volume.shut_down()?;
        assert!(File::create(volume.path().join("late")).is_err());
        drop(file);
        volume.power_up()?;
        assert_eq!(std::fs::read(&safe)?, b"kept");
        assert_ne!(std::fs::read(&lost).unwrap_or_default(), [1; 8192], "unsynced bytes survived");
        Ok(())
    }

    #[test]
    fn power_loss_takes_what_was_not_synced() -> Result<()> {
        crate::skip_unless_root_with!("mkfs.ext4", "mount", "losetup");
        what_survives(Kind::Ext4, 64)
    }

    #[test]
    fn power_loss_on_xfs_too() -> Result<()> {
        crate::skip_unless_root_with!("mkfs.xfs", "mount", "losetup");
        what_survives(Kind::Xfs, 320)
    }
}
