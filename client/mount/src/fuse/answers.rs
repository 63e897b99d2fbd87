//! Answers to the kernel in the forms that many requests share, and what a request is answered with.
//!
//! What always holds: an answer is counted when it is given, and given once.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use bytes::Bytes;
use fuser::{
    Errno, FileHandle, FopenFlags, Generation, ReplyAttr, ReplyCreate, ReplyData, ReplyEmpty, ReplyEntry,
    ReplyLock, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr, Request,
};
use tokio::runtime::Handle;

use super::begin::begin;
use super::convert::{self, Inodes, errno};
use crate::fs::{Attr, Caller, Fs, Opened, Outcome};
use crate::stats::Timer;

/// Inode numbers are never used again.
pub(super) const GENERATION: Generation = Generation(0);

/// Serves the kernel's requests.
pub(crate) struct Requests {
    pub(super) fs: Fs,
    pub(super) inodes: Inodes,
    pub(super) runtime: Handle,
}

impl Requests {
    pub(crate) fn new(fs: Fs, inodes: Inodes, runtime: Handle) -> Self {
        Self { fs, inodes, runtime }
    }

    pub(super) fn ttl(&self) -> Duration {
        self.fs.config().attr_ttl
    }

    /// Does the work, and gives what it came to, or its error.
    pub(super) fn answer<R: Refuse, T: Send + 'static>(
        &self,
        timer: Timer,
        reply: R,
        work: impl Future<Output = Outcome<T>> + Send + 'static,
        give: impl FnOnce(R, T) + Send + 'static,
    ) {
        let fs = self.fs.clone();
        begin(&self.runtime, async move {
            let outcome = work.await;
            if matches!(outcome, Err(crate::errno::Errno::STALE)) {
                fs.is_gone(timer.ino());
            }
            timer.done(&outcome);
            match outcome {
                Ok(value) => give(reply, value),
                Err(error) => reply.refuse(errno(error)),
            }
        });
    }

    /// Answers with a name's attributes.
    pub(super) fn entry(
        &self,
        timer: Timer,
        reply: ReplyEntry,
        work: impl Future<Output = Outcome<Attr>> + Send + 'static,
    ) {
        let (inodes, ttl) = (self.inodes, self.ttl());
        self.answer(timer, reply, work, move |reply, attr| {
            reply.entry(&ttl, &convert::attr(inodes, &attr), GENERATION);
        });
    }

    /// The same, known already.
    pub(super) fn entry_now(&self, timer: Timer, reply: ReplyEntry, outcome: Outcome<Attr>) {
        timer.done(&outcome);
        match outcome {
            Ok(attr) => reply.entry(&self.ttl(), &convert::attr(self.inodes, &attr), GENERATION),
            Err(error) => reply.error(errno(error)),
        }
    }

    pub(super) fn attr(
        &self,
        timer: Timer,
        reply: ReplyAttr,
        work: impl Future<Output = Outcome<Attr>> + Send + 'static,
    ) {
        let (inodes, ttl) = (self.inodes, self.ttl());
        self.answer(timer, reply, work, move |reply, attr| reply.attr(&ttl, &convert::attr(inodes, &attr)));
    }

    pub(super) fn empty(
        &self,
        timer: Timer,
        reply: ReplyEmpty,
        work: impl Future<Output = Outcome<()>> + Send + 'static,
    ) {
        self.answer(timer, reply, work, |reply, ()| reply.ok());
    }
}

/// An answer that can be an error instead.
pub(super) trait Refuse: Send + 'static {
    fn refuse(self, error: Errno);
}

macro_rules! refuse {
    ($($reply:ty),* $(,)?) => {
        $(impl Refuse for $reply {
            fn refuse(self, error: Errno) {
                self.error(error);
            }
        })*
    };
}

refuse!(ReplyAttr, ReplyCreate, ReplyData, ReplyEmpty, ReplyEntry, ReplyLock, ReplyLseek);
refuse!(ReplyOpen, ReplyStatfs, ReplyWrite, ReplyXattr);

pub(super) fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

pub(super) fn owned(name: &OsStr) -> Bytes {
    Bytes::copy_from_slice(name.as_bytes())
}

pub(super) fn opened_flags(opened: &Opened) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache && !opened.direct);
    flags.set(FopenFlags::FOPEN_DIRECT_IO, opened.direct);
    flags
}

/// Answers an open. Where the kernel does not take a file to read by itself, it asks us.
pub(super) fn answer_open(fs: &Fs, opened: &Opened, reply: ReplyOpen) {
    let (handle, flags) = (FileHandle(opened.handle), opened_flags(opened));
    let Some(backing) = &opened.backing else { return reply.opened(handle, flags) };
    match backing.registered(|file| reply.open_backing(file)) {
        Ok(id) => {
            let mut flags = FopenFlags::empty();
            flags.set(FopenFlags::FOPEN_DIRECT_IO, opened.direct);
            reply.opened_passthrough(handle, flags, &id);
        }
        Err(error) => {
            tracing::info!(%error, "the kernel does not read files of the disk cache by itself");
            fs.does_not_pass(opened.handle);
            reply.opened(handle, flags);
        }
    }
}

pub(super) fn sized(reply: ReplyXattr, size: u32, value: &[u8]) {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    match size {
        0 => reply.size(length),
        room if room < length => reply.error(Errno::ERANGE),
        _ => reply.data(value),
    }
}
