//! One function per request of the kernel.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, Errno, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags,
    IoctlFlags, KernelConfig, LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry,
    ReplyIoctl, ReplyLock, ReplyLseek, ReplyOpen, ReplyPoll, ReplyStatfs, ReplyWrite, ReplyXattr, Request,
    TimeOrNow, WriteFlags,
};
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::RenameMode;

use super::answers::{GENERATION, Requests, answer_open, caller, opened_flags, owned, sized};
use super::begin::begin;
use super::convert::{self, errno};
use crate::fs::{LockRequest, NewNode, Outcome, SetAttr, Whence, WriteAt, Written};
use crate::stats::{self, Timer};

/// Longest write of one request.
const MAX_WRITE: u32 = 1 << 20;

/// Requests in the background (reading ahead, direct I/O) that the kernel may have under way.
const MAX_BACKGROUND: u16 = 64;

/// Unit of statfs(2).
const BLOCK: u32 = 4096;

/// What the kernel may do that it does not do by itself.
const WANTED: [InitFlags; 11] = [
    InitFlags::FUSE_POSIX_LOCKS,
    InitFlags::FUSE_FLOCK_LOCKS,
    InitFlags::FUSE_POSIX_ACL,
    InitFlags::FUSE_PARALLEL_DIROPS,
    InitFlags::FUSE_DO_READDIRPLUS,
    InitFlags::FUSE_READDIRPLUS_AUTO,
    InitFlags::FUSE_ASYNC_DIO,
    InitFlags::FUSE_HANDLE_KILLPRIV_V2,
    // Own writes change the time of modification; pages go only when somebody else changed the file.
    InitFlags::FUSE_EXPLICIT_INVAL_DATA,
    InitFlags::FUSE_DONT_MASK,
    InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP,
];

impl Filesystem for Requests {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        for flag in WANTED {
            if config.add_capabilities(flag).is_err() {
                tracing::info!(?flag, "the kernel is too old for this; the mount does without");
            }
        }
        let _ = config.set_max_write(MAX_WRITE);
        let _ = config.set_max_background(MAX_BACKGROUND);
        if self.fs.config().read_only && self.fs.config().disk.is_some() {
            let stacks = config.set_max_stack_depth(1).is_ok();
            let can = stacks && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
            self.fs.set_passthrough(can);
            tracing::info!(can, "the kernel reads files of the disk cache by itself, or not");
        }
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let timer = Timer::start("lookup", self.inodes.ours(parent));
        let parent = self.inodes.ours(parent);
        if let Some(outcome) = self.fs.lookup_now(parent, name.as_bytes()) {
            return self.entry_now(timer, reply, outcome);
        }
        let (fs, name) = (self.fs.clone(), owned(name));
        self.entry(timer, reply, async move { fs.lookup(parent, &name).await });
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let timer = Timer::start("getattr", self.inodes.ours(ino));
        let (fs, ino) = (self.fs.clone(), self.inodes.ours(ino));
        if let Some(attr) = fs.attr_now(ino) {
            timer.done(&Ok(()));
            return reply.attr(&self.ttl(), &convert::attr(self.inodes, &attr));
        }
        self.attr(timer, reply, async move { fs.getattr(ino).await });
    }

    fn setattr(
        &self,
        request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let timer = Timer::start("setattr", self.inodes.ours(ino));
        let (fs, ino) = (self.fs.clone(), self.inodes.ours(ino));
        let chown = uid.is_some() || gid.is_some();
        let change = SetAttr {
            mode,
            uid,
            gid,
            size,
            atime: atime.map(convert::time),
            mtime: mtime.map(convert::time),
            clear_suid: chown || (size.is_some() && request.uid() != 0),
            at_least: false,
        };
        self.attr(timer, reply, async move { fs.setattr(ino, change).await });
    }

    fn readlink(&self, _: &Request, ino: INodeNo, reply: ReplyData) {
        let timer = Timer::start("readlink", self.inodes.ours(ino));
        let (fs, ino) = (self.fs.clone(), self.inodes.ours(ino));
        self.answer(timer, reply, async move { fs.readlink(ino).await }, move |reply, target| {
            reply.data(&target);
        });
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        rdev: u32,
        reply: ReplyEntry,
    ) {
        let timer = Timer::start("mknod", self.inodes.ours(parent));
        let Some(kind) = convert::kind_of_mode(mode) else { return reply.error(Errno::EINVAL) };
        let (fs, parent, name) = (self.fs.clone(), self.inodes.ours(parent), owned(name));
        let node = NewNode { rdev, ..NewNode::plain(kind, mode, umask) };
        let caller = caller(request);
        self.entry(timer, reply, async move { fs.create_node(caller, parent, &name, node).await });
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let timer = Timer::start("mkdir", self.inodes.ours(parent));
        let (fs, parent, name) = (self.fs.clone(), self.inodes.ours(parent), owned(name));
        let (caller, node) = (caller(request), NewNode::plain(FileKind::Directory, mode, umask));
        self.entry(timer, reply, async move { fs.create_node(caller, parent, &name, node).await });
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let timer = Timer::start("unlink", self.inodes.ours(parent));
        let (fs, parent, name) = (self.fs.clone(), self.inodes.ours(parent), owned(name));
        self.empty(timer, reply, async move { fs.unlink(parent, &name).await });
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let timer = Timer::start("rmdir", self.inodes.ours(parent));
        let (fs, parent, name) = (self.fs.clone(), self.inodes.ours(parent), owned(name));
        self.empty(timer, reply, async move { fs.rmdir(parent, &name).await });
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let timer = Timer::start("symlink", self.inodes.ours(parent));
        let (fs, parent, name) = (self.fs.clone(), self.inodes.ours(parent), owned(name));
        let target = owned(target.as_os_str());
        let node = NewNode { target, ..NewNode::plain(FileKind::Symlink, 0o777, 0) };
        let caller = caller(request);
        self.entry(timer, reply, async move { fs.create_node(caller, parent, &name, node).await });
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let timer = Timer::start("rename", self.inodes.ours(parent));
        let mode = match flags {
            flags if flags.is_empty() => RenameMode::Replace,
            RenameFlags::RENAME_NOREPLACE => RenameMode::NoReplace,
            RenameFlags::RENAME_EXCHANGE => RenameMode::Exchange,
            _ => return reply.error(Errno::EINVAL),
        };
        let fs = self.fs.clone();
        let from = (self.inodes.ours(parent), owned(name));
        let to = (self.inodes.ours(new_parent), owned(new_name));
        self.empty(timer, reply, async move { fs.rename((from.0, &from.1), (to.0, &to.1), mode).await });
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let timer = Timer::start("link", self.inodes.ours(ino));
        let (fs, ino, parent) = (self.fs.clone(), self.inodes.ours(ino), self.inodes.ours(parent));
        let name = owned(name);
        self.entry(timer, reply, async move { fs.link(ino, parent, &name).await });
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let timer = Timer::start("open", self.inodes.ours(ino));
        let (fs, ino) = (self.fs.clone(), self.inodes.ours(ino));
        let opening = fs.clone();
        self.answer(timer, reply, async move { opening.open(ino, flags.0).await }, move |reply, opened| {
            answer_open(&fs, &opened, reply);
        });
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let timer = Timer::start("create", self.inodes.ours(parent));
        let (fs, parent, name) = (self.fs.clone(), self.inodes.ours(parent), owned(name));
        let (caller, node) = (caller(request), NewNode::plain(FileKind::File, mode, umask));
        let (inodes, ttl) = (self.inodes, self.ttl());
        self.answer(
            timer,
            reply,
            async move { fs.create(caller, parent, &name, node, flags).await },
            move |reply, opened| {
                let attr = convert::attr(inodes, &opened.attr);
                reply.created(&ttl, &attr, GENERATION, FileHandle(opened.handle), opened_flags(&opened));
            },
        );
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let timer = Timer::start("read", self.inodes.ours(ino));
        let answer = move |result: Outcome<crate::fs::Pieces>, reply: ReplyData| {
            timer.done(&result);
            match result {
                Ok(pieces) => {
                    stats::moved("read", pieces.len());
                    pieces.with(|bytes| reply.data(bytes));
                }
                Err(error) => reply.error(errno(error)),
            }
        };
        if let Some(result) = self.fs.read_now(handle.0, offset, size.into()) {
            return answer(result, reply);
        }
        let fs = self.fs.clone();
        begin(&self.runtime, async move {
            let result = fs.read(handle.0, offset, size.into()).await;
            answer(result, reply);
        });
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        write_flags: WriteFlags,
        flags: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let timer = Timer::start("write", self.inodes.ours(ino));
        let how = WriteAt {
            offset,
            appends: flags.0 & libc::O_APPEND != 0,
            from_cache: write_flags.contains(WriteFlags::FUSE_WRITE_CACHE),
            clear_suid: write_flags.contains(WriteFlags::FUSE_WRITE_KILL_SUIDGID),
        };
        // After writes through its cache the kernel asks for a sync itself.
        let sync = flags.0 & (libc::O_SYNC | libc::O_DSYNC) != 0 && self.fs.is_direct(handle.0);
        if !sync {
            match self.fs.write_now(handle.0, data, how) {
                Written::Done(count) => {
                    timer.done(&Ok(()));
                    stats::moved("written", data.len());
                    return reply.written(count as u32);
                }
                Written::Appended(count) => {
                    stats::moved("written", data.len());
                    let fs = self.fs.clone();
                    let end = async move {
                        fs.appended(handle.0).await;
                        Ok(count)
                    };
                    return self.answer(timer, reply, end, |reply, count| reply.written(count as u32));
                }
                Written::Refused(error) => {
                    timer.done::<()>(&Err(error));
                    return reply.error(errno(error));
                }
                Written::Wait => {}
            }
        }
        stats::moved("written", data.len());
        let (fs, data) = (self.fs.clone(), Bytes::copy_from_slice(data));
        self.answer(
            timer,
            reply,
            async move { fs.write(handle.0, data, how, sync).await },
            move |reply, count| reply.written(count as u32),
        );
    }

    fn flush(&self, _: &Request, ino: INodeNo, handle: FileHandle, owner: LockOwner, reply: ReplyEmpty) {
        let timer = Timer::start("flush", self.inodes.ours(ino));
        let fs = self.fs.clone();
        self.empty(timer, reply, async move { fs.flush_handle(handle.0, owner.0).await });
    }

    fn release(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        let timer = Timer::start("release", self.inodes.ours(ino));
        let fs = self.fs.clone();
        begin(&self.runtime, async move {
            fs.release(handle.0).await;
            timer.done(&Ok(()));
            reply.ok();
        });
    }

    fn fsync(&self, _: &Request, ino: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        let timer = Timer::start("fsync", self.inodes.ours(ino));
        let fs = self.fs.clone();
        self.empty(timer, reply, async move { fs.fsync(handle.0).await });
    }

    fn opendir(&self, _: &Request, ino: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        let handle = self.fs.opendir(self.inodes.ours(ino));
        reply.opened(FileHandle(handle), FopenFlags::empty());
    }

    fn readdir(&self, _: &Request, ino: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let timer = Timer::start("readdir", self.inodes.ours(ino));
        let (fs, inodes) = (self.fs.clone(), self.inodes);
        begin(&self.runtime, async move {
            let filled = async {
                let mut listed = fs.readdir(handle.0, offset).await?;
                while let Some(entry) = listed.peek().await? {
                    let name = OsStr::from_bytes(&entry.name);
                    if reply.add(inodes.kernels(entry.ino), entry.next, convert::kind(entry.kind), name) {
                        break;
                    }
                    listed.advance();
                }
                Outcome::Ok(())
            };
            let outcome = filled.await;
            timer.done(&outcome);
            match outcome {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(errno(error)),
            }
        });
    }

    fn readdirplus(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        let timer = Timer::start("readdirplus", self.inodes.ours(ino));
        let (fs, inodes, ttl) = (self.fs.clone(), self.inodes, self.ttl());
        begin(&self.runtime, async move {
            let filled = async {
                let mut listed = fs.readdir(handle.0, offset).await?;
                while let Some(entry) = listed.peek().await? {
                    let name = OsStr::from_bytes(&entry.name);
                    let attr = convert::attr(inodes, &entry.attr_or_kind());
                    if reply.add(attr.ino, entry.next, name, &ttl, &attr, GENERATION) {
                        break;
                    }
                    listed.advance();
                }
                Outcome::Ok(())
            };
            let outcome = filled.await;
            timer.done(&outcome);
            match outcome {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(errno(error)),
            }
        });
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.fs.releasedir(handle.0);
        reply.ok();
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        // Names are durable when the call that changed them returns.
        reply.ok();
    }

    fn statfs(&self, _: &Request, ino: INodeNo, reply: ReplyStatfs) {
        let timer = Timer::start("statfs", self.inodes.ours(ino));
        let (fs, ino) = (self.fs.clone(), self.inodes.ours(ino));
        self.answer(timer, reply, async move { fs.statfs(ino).await }, move |reply, space| {
            let blocks = |bytes: u64| bytes / u64::from(BLOCK);
            let (total, free) = (blocks(space.total), blocks(space.available));
            let spare = space.free_inodes;
            reply.statfs(total, free, free, space.inodes + spare, spare, BLOCK, 255, BLOCK);
        });
    }

    fn setxattr(
        &self,
        request: &Request,
        ino: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _: u32,
        reply: ReplyEmpty,
    ) {
        let timer = Timer::start("setxattr", self.inodes.ours(ino));
        let (fs, ino, name) = (self.fs.clone(), self.inodes.ours(ino), owned(name));
        let value = Bytes::copy_from_slice(value);
        let caller = caller(request);
        if name == stats::ACCESS_LOG {
            let allowed = if caller.uid == 0 { Ok(()) } else { Err(crate::errno::Errno::PERM) };
            return match allowed.and_then(|()| stats::log_requests(&value)) {
                Ok(()) => reply.ok(),
                Err(error) => reply.error(errno(error)),
            };
        }
        self.empty(timer, reply, async move { fs.setxattr(caller, ino, &name, &value, flags).await });
    }

    fn getxattr(&self, _: &Request, ino: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let timer = Timer::start("getxattr", self.inodes.ours(ino));
        let (fs, ino, name) = (self.fs.clone(), self.inodes.ours(ino), owned(name));
        if name == stats::ATTRIBUTE {
            return sized(reply, size, stats::text(&self.fs).as_bytes());
        }
        if fs.has_no_xattr(ino) {
            return reply.error(Errno::ENODATA);
        }
        self.answer(timer, reply, async move { fs.getxattr(ino, &name).await }, move |reply, value| {
            sized(reply, size, &value);
        });
    }

    fn listxattr(&self, request: &Request, ino: INodeNo, size: u32, reply: ReplyXattr) {
        let timer = Timer::start("listxattr", self.inodes.ours(ino));
        let (fs, ino) = (self.fs.clone(), self.inodes.ours(ino));
        let caller = caller(request);
        self.answer(timer, reply, async move { fs.listxattr(caller, ino).await }, move |reply, names| {
            sized(reply, size, &names);
        });
    }

    fn removexattr(&self, _: &Request, ino: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let timer = Timer::start("removexattr", self.inodes.ours(ino));
        let (fs, ino, name) = (self.fs.clone(), self.inodes.ours(ino), owned(name));
        self.empty(timer, reply, async move { fs.removexattr(ino, &name).await });
    }

    fn getlk(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        pid: u32,
        reply: ReplyLock,
    ) {
        let timer = Timer::start("getlk", self.inodes.ours(ino));
        let Some(kind) = convert::lock_kind(kind) else { return reply.error(Errno::EINVAL) };
        let (fs, request) =
            (self.fs.clone(), LockRequest { owner: owner.0, start, end, kind, pid, waiter: 0 });
        let ours = self.fs.client().session().0;
        self.answer(timer, reply, async move { fs.getlk(handle.0, request).await }, move |reply, found| {
            let Some(lock) = found else { return reply.locked(0, 0, libc::F_UNLCK, 0) };
            // A process of another machine has no number here.
            let pid = if lock.session == ours { lock.pid } else { 0 };
            reply.locked(lock.start, lock.end.min(i64::MAX as u64), convert::lock_type(&lock), pid);
        });
    }

    fn setlk(
        &self,
        caller: &Request,
        ino: INodeNo,
        handle: FileHandle,
        owner: LockOwner,
        start: u64,
        end: u64,
        kind: i32,
        pid: u32,
        sleep: bool,
        reply: ReplyEmpty,
    ) {
        let timer = Timer::start("setlk", self.inodes.ours(ino));
        let Some(kind) = convert::lock_kind(kind) else { return reply.error(Errno::EINVAL) };
        let (fs, request) =
            (self.fs.clone(), LockRequest { owner: owner.0, start, end, kind, pid, waiter: caller.pid() });
        self.empty(timer, reply, async move { fs.setlk(handle.0, request, sleep).await });
    }

    fn fallocate(
        &self,
        request: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let timer = Timer::start("fallocate", self.inodes.ours(ino));
        let (fs, clear_suid) = (self.fs.clone(), caller(request).uid != 0);
        self.empty(
            timer,
            reply,
            async move { fs.fallocate(handle.0, offset, length, mode, clear_suid).await },
        );
    }

    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        // Many programs ask any file whether it is a terminal.
        reply.error(Errno::ENOTTY);
    }

    fn lseek(
        &self,
        _: &Request,
        ino: INodeNo,
        handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        let timer = Timer::start("lseek", self.inodes.ours(ino));
        let whence = match whence {
            libc::SEEK_DATA => Whence::Data,
            libc::SEEK_HOLE => Whence::Hole,
            _ => return reply.error(Errno::EINVAL),
        };
        let Ok(from) = u64::try_from(offset) else { return reply.error(Errno::ENXIO) };
        let fs = self.fs.clone();
        self.answer(
            timer,
            reply,
            async move { fs.seek(handle.0, from, whence).await },
            move |reply, found| reply.offset(i64::try_from(found).unwrap_or(i64::MAX)),
        );
    }

    fn copy_file_range(
        &self,
        request: &Request,
        ino: INodeNo,
        source: FileHandle,
        source_offset: u64,
        _: INodeNo,
        target: FileHandle,
        target_offset: u64,
        length: u64,
        _: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let timer = Timer::start("copy_file_range", self.inodes.ours(ino));
        let (fs, clear_suid) = (self.fs.clone(), caller(request).uid != 0);
        self.answer(
            timer,
            reply,
            async move {
                // The answer has 32 bits; whoever wants more asks again.
                let length = length.min(1 << 30);
                fs.copy_range((source.0, source_offset), (target.0, target_offset), length, clear_suid).await
            },
            move |reply, count| reply.written(count as u32),
        );
    }

    /// Files are always ready; the kernel does not ask again.
    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: PollNotifier,
        _: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        reply.error(Errno::ENOSYS);
    }
}
