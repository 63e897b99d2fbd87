//! Locks of files, flock(2) and fcntl(2), held by the metaserver so that they hold between mounts.
//!
//! What always holds:
//! - A lock that was granted survives a change of leader; it goes with its owner's close, or with this mount's
//!   session.
//! - Who gets a lock sees what its last holder wrote: unlocking commits first, and locking drops what the kernel
//!   holds of a file that changed meanwhile, before it returns.
//! - Waiting costs questions, not log entries, and ends when the waiting thread gets a signal.
//! - An owner is known with the handle through which it took its last lock, and what a release gives up was taken
//!   through that handle: the kernel sends releases late, and uses numbers of owners again. Locks of one file are taken
//!   and given up one after the other.
//! - The kernel tells of the end of locks that belong to an open file description (`F_OFD_SETLK`) only by the release
//!   of the handle, and names nobody: so all that were taken through it go then.
//! - What was written while a lock was held is committed in the session that holds the lock, or not at all: the
//!   metaserver refuses it once that session has ended, and it is given up ([`State::fence`]).
//!
//! The kernel binding does not tell flock(2) from fcntl(2): both lock ranges of one kind here, as over NFS.

use std::sync::Arc;
use std::time::Duration;

use holdfast_client::{Client, ClientError};
use holdfast_proto::ids::SessionId;
use holdfast_proto::op::{FileLock, LockKind, Op, Reply, SetLock};
use holdfast_proto::query::{GetLock, Query};
use holdfast_proto::status::Code;

use crate::errno::Errno;
use crate::fs::file::{File, Lost, State};
use crate::fs::{Fs, Outcome};

/// First and longest wait between two questions whether a lock is free.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// A lock that somebody asks for.
#[derive(Clone, Copy, Debug)]
pub struct LockRequest {
    /// Who, among the processes and open files of this mount.
    pub owner: u64,
    /// First byte.
    pub start: u64,
    /// Last byte; `u64::MAX`: to the end, wherever that is.
    pub end: u64,
    /// Which lock.
    pub kind: LockKind,
    /// For people.
    pub pid: u32,
    /// The thread that waits for it.
    pub waiter: u32,
}

/// Sessions in which a lock is asked for: a mount that was cut off or stood still for too long gets a new one.
const SESSIONS: usize = 3;

/// Who took locks on a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockOwner {
    /// The session in which the last one was taken.
    session: SessionId,
    /// The handle through which it was.
    handle: u64,
}

impl State {
    /// The session that holds this file's locks, as far as this mount took any. If they are of several, one that has
    /// ended.
    fn lock_session(&self, current: SessionId) -> Option<SessionId> {
        let mut sessions = self.lock_owners.values().map(|owner| owner.session);
        let first = sessions.next()?;
        Some(if first == current { sessions.find(|other| *other != current).unwrap_or(first) } else { first })
    }

    /// What is dirty must not be committed: somebody else may hold the locks under which it was written, or nobody
    /// waits for it any more.
    pub(crate) fn is_lost(&self, current: SessionId) -> bool {
        self.lost.is_some() || self.fence.is_some_and(|session| session != current)
    }

    /// What is written now is written under the locks that are held now.
    pub(crate) fn raise_fence(&mut self, current: SessionId) {
        if self.fence.is_none() {
            self.fence = self.lock_session(current);
        }
    }
}

impl Fs {
    /// The first lock that stands in the way, if any.
    pub async fn getlk(&self, handle: u64, request: LockRequest) -> Outcome<Option<FileLock>> {
        let handle = self.file_handle(handle)?;
        self.in_the_way(&handle.file, request).await
    }

    async fn in_the_way(&self, file: &File, request: LockRequest) -> Outcome<Option<FileLock>> {
        let LockRequest { owner, start, end, kind, .. } = request;
        let question = GetLock { ino: file.ino, owner, start, end, kind: kind as i32, flock: false };
        Ok(self.client().ask(Query::GetLock(question)).await?.reply.lock)
    }

    /// Takes, changes or gives up a lock; with `wait`, as soon as it is free.
    pub async fn setlk(&self, number: u64, request: LockRequest, wait: bool) -> Outcome<()> {
        let handle = self.file_handle(number)?;
        let file = &handle.file;
        if request.kind == LockKind::Unlock {
            let _one = file.locking.lock().await;
            return self.unlock(file, request).await;
        }
        let mut pause = FIRST_WAIT;
        loop {
            match self.try_lock(file, number, request).await {
                Err(Errno::AGAIN) if wait => {}
                other => return other,
            }
            loop {
                if signalled(request.waiter) {
                    return Err(Errno::INTR);
                }
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_WAIT);
                if self.in_the_way(file, request).await?.is_none() {
                    break;
                }
            }
        }
    }

    async fn try_lock(&self, file: &Arc<File>, handle: u64, request: LockRequest) -> Outcome<()> {
        let _one = file.locking.lock().await;
        let (reply, session) = self.take_lock(file, request).await?;
        let inode = reply.inode.ok_or(Errno::IO)?;
        let void = {
            let mut state = file.state.lock();
            let owners = &mut state.lock_owners;
            owners.insert(request.owner, LockOwner { session, handle });
            let changed = state.inode.version != inode.version;
            state.learn(&inode);
            let void = changed && state.kernel_version != 0;
            if void {
                state.kernel_version = state.inode.version;
            }
            void
        };
        // Whoever gets a lock sees all that was written before, and all of its length.
        if void {
            self.drop_pages(file, Some(0)).await;
        } else if file.state.lock().shows_zeros() {
            self.drop_end(file).await;
        }
        Ok(())
    }

    /// Asks for a lock, and says in which session it is held. Who lost one on this file must notice before it gets
    /// another.
    async fn take_lock(&self, file: &File, request: LockRequest) -> Outcome<(Reply, SessionId)> {
        for _ in 0..SESSIONS {
            let session = self.client().session();
            self.check_locks(file)?;
            match self.client().only_in(session).mutate(Op::SetLock(message(file.ino, request))).await {
                Ok(reply) => return Ok((reply, session)),
                // If it was taken, it went with the session.
                Err(ClientError::SessionLost(_)) => {}
                Err(error) => return Err(of_lock(error)),
            }
        }
        tracing::warn!(ino = file.ino, "a lock cannot be had: sessions end faster than it is taken");
        Err(Errno::IO)
    }

    /// For who holds the file's `locking`.
    async fn unlock(&self, file: &Arc<File>, request: LockRequest) -> Outcome<()> {
        if let Err(errno) = self.flush(file).await {
            // It is told to who closes or syncs the file. A lock that stayed would be in everybody's way for ever.
            tracing::warn!(ino = file.ino, ?errno, "a lock is given up without what was written under it");
            self.give_up_fenced(file);
        }
        let whole = request.start == 0 && request.end >= i64::MAX as u64;
        match self.client().mutate(Op::SetLock(message(file.ino, request))).await.map_err(of_lock) {
            // With the file its locks are gone.
            Ok(_) | Err(Errno::STALE) => {}
            Err(errno) => return Err(errno),
        }
        if whole {
            file.state.lock().lock_owners.remove(&request.owner);
        }
        Ok(())
    }

    /// What was written under a lock could not be committed, and the lock goes: its next holder must not find these
    /// bytes coming later.
    fn give_up_fenced(&self, file: &File) {
        {
            let mut state = file.state.lock();
            if state.fence.is_none() || !state.is_dirty() {
                return;
            }
            state.lost = Some(Lost::Unlocked);
        }
        // A flush that is under way decides at its end; the next one throws away what is left.
        if let Ok(_quiet) = file.flushing.try_lock() {
            let _ = self.drop_lost(file);
        }
    }

    /// For commands that change an open file: where this mount holds locks on it, they are carried out only while it
    /// does.
    pub(crate) fn client_of(&self, file: &File) -> Client {
        match file.state.lock().lock_session(self.client().session()) {
            Some(session) => self.client().only_in(session),
            None => self.client().clone(),
        }
    }

    /// A process closed the file: its locks go, through whichever handle it took them.
    pub(crate) async fn drop_locks(&self, file: &Arc<File>, owner: u64) {
        if !file.state.lock().lock_owners.contains_key(&owner) {
            return;
        }
        let _one = file.locking.lock().await;
        self.drop_all(file, owner).await;
    }

    /// A handle was released: what was taken through it goes.
    pub(crate) async fn drop_locks_of(&self, file: &Arc<File>, handle: u64) {
        let owners = || -> Vec<u64> {
            let state = file.state.lock();
            state.lock_owners.iter().filter(|(_, o)| o.handle == handle).map(|(owner, _)| *owner).collect()
        };
        if owners().is_empty() {
            return;
        }
        let _one = file.locking.lock().await;
        // Looked for again: somebody else may have the number by now.
        for owner in owners() {
            self.drop_all(file, owner).await;
        }
    }

    async fn drop_all(&self, file: &Arc<File>, owner: u64) {
        let all = LockRequest { owner, start: 0, end: u64::MAX, kind: LockKind::Unlock, pid: 0, waiter: 0 };
        if let Err(errno) = self.unlock(file, all).await {
            tracing::warn!(ino = file.ino, ?errno, "locks could not be given up; they go with the session");
        }
    }

    /// Locks on the file are gone because the cluster ended the session they were taken in: whoever relied on them
    /// must not go on as if nothing had happened. Their owners get errors until they close.
    pub(crate) fn check_locks(&self, file: &File) -> Outcome<()> {
        let state = file.state.lock();
        if state.lock_owners.is_empty() {
            return Ok(());
        }
        let current = self.client().session();
        if state.lock_session(current).is_none_or(|session| session == current) {
            return Ok(());
        }
        tracing::warn!(ino = file.ino, "locks were lost with the session they were taken in");
        Err(Errno::IO)
    }
}

fn message(ino: u64, request: LockRequest) -> SetLock {
    let LockRequest { owner, start, end, kind, pid, .. } = request;
    // The kernel's "to the end" has 63 bits.
    let end = if end >= i64::MAX as u64 { u64::MAX } else { end };
    SetLock { ino, owner, start, end, kind: kind as i32, pid, flock: false }
}

fn of_lock(error: ClientError) -> Errno {
    match error.code() {
        Code::Locked => Errno::AGAIN,
        Code::TooLarge => Errno::NOLCK,
        _ => error.into(),
    }
}

/// Whether a thread has a signal that it neither blocks nor ignores: the kernel binding does not pass interrupts on.
/// Threads of other PID namespaces than this process can see have no number here; they wait until they get the lock.
fn signalled(thread: u32) -> bool {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{thread}/status")) else { return false };
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        u64::from_str_radix(line.trim_start_matches(':').trim(), 16).ok()
    };
    let pending = field("SigPnd").unwrap_or(0) | field("ShdPnd").unwrap_or(0);
    let deaf = field("SigBlk").unwrap_or(0) | field("SigIgn").unwrap_or(0);
    pending & !deaf != 0
}
