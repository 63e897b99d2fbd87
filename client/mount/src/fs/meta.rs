//! Attributes: change them, cut and lengthen files; totals of the file system.
//!
//! What always holds: a change of length or of times sees everything that was written before it committed first.

use std::sync::Arc;

use holdfast_proto::op::{self, Op, Reply};
use holdfast_proto::query::{GetQuota, Query, StatFs};

use crate::errno::Errno;
use crate::fs::file::File;
use crate::fs::write::{MAX_FILE_BYTES, now_ns};
use crate::fs::{Attr, Fs, Outcome};

/// Free inodes shown where nothing limits them.
const PLENTY: u64 = u32::MAX as u64;

/// A time to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The present.
    Now,
    /// Nanoseconds since the Unix epoch.
    At(i64),
}

impl Time {
    fn ns(self, now: i64) -> i64 {
        match self {
            Self::Now => now,
            Self::At(ns) => ns,
        }
    }
}

/// Attributes to change. Absent ones stay.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetAttr {
    /// Low twelve bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Length.
    pub size: Option<u64>,
    /// Last access.
    pub atime: Option<Time>,
    /// Last change of content.
    pub mtime: Option<Time>,
    /// Set-user-id and set-group-id go, unless it is a directory.
    pub clear_suid: bool,
    /// The file is not cut: it has this length at least.
    pub at_least: bool,
}

/// Totals in bytes and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes that fit in all, at the default class's redundancy.
    pub total: u64,
    /// Bytes that still fit.
    pub available: u64,
    /// Inodes there are.
    pub inodes: u64,
    /// Inodes that may still be made.
    pub free_inodes: u64,
}

impl Fs {
    /// Changes attributes.
    pub async fn setattr(&self, ino: u64, change: SetAttr) -> Outcome<Attr> {
        if change.size.is_some_and(|size| size > MAX_FILE_BYTES) {
            return Err(Errno::FBIG);
        }
        let now = now_ns();
        let op = op::SetAttr {
            ino,
            mode: change.mode.map(|mode| mode & 0o7777),
            uid: change.uid,
            gid: change.gid,
            size: change.size,
            atime_ns: change.atime.map(|time| time.ns(now)),
            mtime_ns: change.mtime.map(|time| time.ns(now)),
            class: None,
            clear_suid: change.clear_suid,
            at_least: change.at_least,
            draft: 0,
        };
        match self.shared.files.get(ino) {
            Some(file) => self.set_open(&file, op).await,
            None => {
                let reply = self.client().mutate(Op::SetAttr(op)).await?;
                Ok(Attr::of(&reply.inode.ok_or(Errno::IO)?))
            }
        }
    }

    async fn set_open(&self, file: &Arc<File>, op: op::SetAttr) -> Outcome<Attr> {
        let _quiet = self.quiet(file).await?;
        let empties = op.size == Some(0);
        match op.size {
            Some(0) => {}
            Some(_) => self.flush_locked(file).await?,
            None if op.mtime_ns.is_some() => self.flush_locked(file).await?,
            // What was written before would take away the bits that are set now.
            None if op.mode.is_some() && file.state.lock().clear_suid => self.flush_locked(file).await?,
            None => {}
        }
        let reply = match op.size {
            Some(_) => self.client_of(file).mutate(Op::SetAttr(op)).await?,
            None => self.client().mutate(Op::SetAttr(op)).await?,
        };
        if empties {
            // Not before: a command that is refused leaves the file, and what was written to it, as it was.
            self.discard(file);
        }
        self.install(file, reply)?;
        Ok(self.attr_for_kernel(file, &mut file.state.lock()))
    }

    /// The outcome of a command of ours on an open file.
    pub(crate) fn install(&self, file: &File, reply: Reply) -> Outcome<()> {
        let inode = reply.inode.ok_or(Errno::IO)?;
        let mut state = file.state.lock();
        let void = state.committed(inode, reply.replaced_version);
        // The kernel made the change too, and knows the length.
        let size = state.size();
        state.pages.resized(size);
        drop(state);
        if void {
            self.invalidate(file.ino);
        }
        Ok(())
    }

    /// What was written is cut off anyway. For who holds the file's `flushing`.
    fn discard(&self, file: &File) {
        let mut state = file.state.lock();
        let held = state.held();
        state.dirty.truncate(0);
        state.tail.truncate(0);
        state.settle();
        let left = state.held();
        drop(state);
        self.count_held(held, left);
    }

    /// Totals as seen from a directory or file: those of the cluster, or of the quota it lies under.
    pub async fn statfs(&self, ino: u64) -> Outcome<Space> {
        let answer = self.client().ask(Query::StatFs(StatFs {})).await?;
        let totals = answer.reply.totals.ok_or(Errno::IO)?;
        let mut space = Space {
            total: totals.bytes.saturating_add(totals.available),
            available: totals.available,
            inodes: totals.inodes,
            free_inodes: PLENTY,
        };
        let quota = self.client().ask(Query::GetQuota(GetQuota { ino })).await?.reply.quota;
        if let Some(quota) = quota.filter(|quota| !quota.counting) {
            if quota.bytes > 0 {
                space.total = quota.bytes.min(space.total);
                space.available = quota.bytes.saturating_sub(quota.used_bytes).min(space.available);
            }
            if quota.files > 0 {
                space.inodes = quota.used_files;
                space.free_inodes = quota.files.saturating_sub(quota.used_files);
            }
        }
        Ok(space)
    }
}
