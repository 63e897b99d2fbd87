//! Commands: what changes the replicated state. They are the wire form of a client's request and what lies in
//! the Raft log, so both are pinned by golden bytes.
//!
//! What always holds:
//! - A command is deterministic to apply: time and everything random travels in it. The leader's `prepare` fills
//!   what a client must not choose (`now_ns`, `up_s`, `unheld`).
//! - No command touches more than 4,096 keys or 1 MiB. Longer work goes in steps on an invisible inode.
//! - A refusal is an answer: it is replicated and kept in the session's window like a success.

mod access;
mod balance;
mod cluster;
mod drafts;
mod files;
mod locks;
mod objects;
mod placement;
mod quotas;
mod sessions;
mod trash;
mod uploads;

pub use access::{
    DeleteAccount, DeleteCredential, DeleteShare, NoteAudit, NoteUsage, PutAccount, PutCredential, PutShare,
    TouchCredential, TrimAudit,
};
pub use balance::{Balance, BalanceAction, BalanceState, SteerBalance};
pub use cluster::{DeleteKey, Genesis, KeyRule, PutJoinToken, PutKey, PutSetting};
pub use drafts::{BeginDraft, DropDraft, FillDraft, Span};
pub use files::{
    AccessTime, Compact, CopyRange, Create, FreeStep, Link, Piece, RemoveDir, RemoveXattr, Rename,
    RenameMode, SetAccessTimes, SetAttr, SetXattr, Unlink, Write, XattrMode,
};
pub use locks::{FileLock, LockKind, SetLock};
pub use objects::{
    Conditions, CopyObject, CreateBucket, DeleteBucket, DeleteObjects, MakeDirs, PutObject, SetObjectMeta,
};
pub use placement::{
    AddMissing, AdvanceGc, Ailment, ChangePg, ClearLeave, ClearMissing, CreatePgs, DiskRef, GcCursor,
    GroupNote, MemberClean, NewPg, NoteGroups, OrderScrub, PutClass, RegisterDisk, RegisterNode, SetDisk,
    SetNode, SetPgState,
};
pub use quotas::{QuotaStep, SetQuota};
pub use sessions::{
    CloseSession, CountUptime, ExpireSession, FreeNameless, Noop, ReleaseInode, RenewGrant, Unheld,
};
pub use trash::{EmptyTrash, RestoreFile, SetTrashTime, TrashRef, TrashWay};
pub use uploads::{
    AbortUpload, AssembleUpload, CopyPart, CreateUpload, FinishUpload, FreeUploadStep, NamedPart, PutPart,
};

use crate::audit::Actor;
use crate::inode::Inode;
use crate::session::OpenSession;
use crate::status::Status;

/// A command as a client sends it and as it is logged.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Command {
    /// Who. 0: the leader itself; such commands are conditional and have no window.
    #[prost(uint64, tag = "1")]
    pub session: u64,
    /// Number of the command within the session, from 1.
    #[prost(uint64, tag = "2")]
    pub seq: u64,
    /// Lowest number whose reply the client has not seen; replies below are dropped.
    #[prost(uint64, tag = "3")]
    pub lowest_unanswered: u64,
    /// The leader's wall clock, set by `prepare`. The state machine uses max(previous, this).
    #[prost(int64, tag = "4")]
    pub now_ns: i64,
    /// Seconds for which the leader has led that the state did not count yet, set by `prepare`: what delays that begin
    /// with this command count from. Too many only make them longer.
    #[prost(uint32, tag = "6")]
    pub up_s: u32,
    /// Opens the session first.
    #[prost(message, optional, tag = "5")]
    pub open: Option<OpenSession>,
    /// Who wants it, if it is for somebody: what they do is noted in the audit log, whatever it is. Absent: what
    /// administers the cluster is noted all the same.
    #[prost(message, optional, tag = "7")]
    pub actor: Option<Actor>,
    /// What to do.
    #[prost(
        oneof = "Op",
        tags = "10, 11, 12, 13, 14, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 40, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 55, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 80, 81, 82, 83, 84, 85, 90, 91, 92, 95, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109"
    )]
    pub op: Option<Op>,
}

/// Everything that can be asked of the state.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Op {
    // Sessions
    /// Nothing, but through the log: opens a session, or proves leadership.
    #[prost(message, tag = "10")]
    Noop(Noop),
    /// End the session.
    #[prost(message, tag = "11")]
    CloseSession(CloseSession),
    /// The leader ends a silent session.
    #[prost(message, tag = "12")]
    ExpireSession(ExpireSession),
    /// A new grant, closing old ones.
    #[prost(message, tag = "13")]
    RenewGrant(RenewGrant),
    /// A session gives up a draft.
    #[prost(message, tag = "14")]
    ReleaseInode(ReleaseInode),
    // Files by inode (mount)
    /// Create a file, directory, symlink or special file.
    #[prost(message, tag = "20")]
    Create(Create),
    /// One more name.
    #[prost(message, tag = "21")]
    Link(Link),
    /// Remove a name of something that is not a directory.
    #[prost(message, tag = "22")]
    Unlink(Unlink),
    /// Remove an empty directory.
    #[prost(message, tag = "23")]
    RemoveDir(RemoveDir),
    /// Move or exchange names.
    #[prost(message, tag = "24")]
    Rename(Rename),
    /// Change attributes, length included.
    #[prost(message, tag = "25")]
    SetAttr(SetAttr),
    /// Set an extended attribute.
    #[prost(message, tag = "26")]
    SetXattr(SetXattr),
    /// Remove an extended attribute.
    #[prost(message, tag = "27")]
    RemoveXattr(RemoveXattr),
    /// Swap ranges of a file's content.
    #[prost(message, tag = "28")]
    Write(Write),
    /// Copy a range by reference.
    #[prost(message, tag = "29")]
    CopyRange(CopyRange),
    /// A worker replaces a window of extents by one chunk, if nothing changed.
    #[prost(message, tag = "30")]
    Compact(Compact),
    /// Begin to prepare what one command cannot do.
    #[prost(message, tag = "31")]
    BeginDraft(BeginDraft),
    /// One step of preparing it.
    #[prost(message, tag = "32")]
    FillDraft(FillDraft),
    /// Lock or unlock a range of a file.
    #[prost(message, tag = "33")]
    SetLock(SetLock),
    /// Limit what a directory may hold.
    #[prost(message, tag = "34")]
    SetQuota(SetQuota),
    /// The leader has a tree counted that got a quota, step by step.
    #[prost(message, tag = "35")]
    QuotaStep(QuotaStep),
    /// Files were read.
    #[prost(message, tag = "36")]
    SetAccessTimes(SetAccessTimes),
    // Objects by path (S3, command line)
    /// Create or replace a file by path, with its parents.
    #[prost(message, tag = "40")]
    PutObject(PutObject),
    /// Remove files by path.
    #[prost(message, tag = "41")]
    DeleteObjects(DeleteObjects),
    /// Copy a file by reference.
    #[prost(message, tag = "42")]
    CopyObject(CopyObject),
    /// Create a directory and its parents by path.
    #[prost(message, tag = "43")]
    MakeDirs(MakeDirs),
    /// Create a bucket.
    #[prost(message, tag = "44")]
    CreateBucket(CreateBucket),
    /// Delete an empty bucket.
    #[prost(message, tag = "45")]
    DeleteBucket(DeleteBucket),
    /// Replace metadata or tags of an object.
    #[prost(message, tag = "46")]
    SetObjectMeta(SetObjectMeta),
    // Multipart
    /// Begin an upload.
    #[prost(message, tag = "50")]
    CreateUpload(CreateUpload),
    /// Put one part.
    #[prost(message, tag = "51")]
    PutPart(PutPart),
    /// Put one part by reference to an object.
    #[prost(message, tag = "52")]
    CopyPart(CopyPart),
    /// One step of joining parts on an invisible inode.
    #[prost(message, tag = "53")]
    AssembleUpload(AssembleUpload),
    /// Make the joined object visible and end the upload.
    #[prost(message, tag = "54")]
    FinishUpload(FinishUpload),
    /// Give the upload up; its parts are freed in steps.
    #[prost(message, tag = "55")]
    AbortUpload(AbortUpload),
    // Cluster
    /// Register or update a node.
    #[prost(message, tag = "60")]
    RegisterNode(RegisterNode),
    /// Register a disk, or a new incarnation of one.
    #[prost(message, tag = "61")]
    RegisterDisk(RegisterDisk),
    /// Change labels or standing of a node.
    #[prost(message, tag = "62")]
    SetNode(SetNode),
    /// Change weight or standing of a disk.
    #[prost(message, tag = "63")]
    SetDisk(SetDisk),
    /// Create or change a storage class.
    #[prost(message, tag = "64")]
    PutClass(PutClass),
    /// Create placement groups.
    #[prost(message, tag = "65")]
    CreatePgs(CreatePgs),
    /// Replace, add or drop members of a group.
    #[prost(message, tag = "66")]
    ChangePg(ChangePg),
    /// Seal, reopen or retire a group.
    #[prost(message, tag = "67")]
    SetPgState(SetPgState),
    /// A member holds every chunk it should.
    #[prost(message, tag = "68")]
    MemberClean(MemberClean),
    /// Chunks that a member lacked are there now.
    #[prost(message, tag = "69")]
    ClearMissing(ClearMissing),
    /// Chunks that a member should hold were found missing or damaged on it.
    #[prost(message, tag = "70")]
    AddMissing(AddMissing),
    /// Members made deletes durable.
    #[prost(message, tag = "71")]
    AdvanceGc(AdvanceGc),
    /// One step of freeing an inode without names.
    #[prost(message, tag = "72")]
    FreeStep(FreeStep),
    /// One step of removing an aborted or finished upload's rest.
    #[prost(message, tag = "73")]
    FreeUploadStep(FreeUploadStep),
    /// The first command of a cluster.
    #[prost(message, tag = "74")]
    Genesis(Genesis),
    /// A disk that left a group holds nothing of it any more.
    #[prost(message, tag = "75")]
    ClearLeave(ClearLeave),
    /// The leader gives up a draft that nobody went on with.
    #[prost(message, tag = "76")]
    DropDraft(DropDraft),
    /// The leader counts the time for which the cluster was up: delays that delete something go by it.
    #[prost(message, tag = "77")]
    CountUptime(CountUptime),
    /// The leader frees inodes without names that nobody holds open any more.
    #[prost(message, tag = "78")]
    FreeNameless(FreeNameless),
    // Administration
    /// Create or replace an S3 access key.
    #[prost(message, tag = "80")]
    PutKey(PutKey),
    /// Delete an S3 access key.
    #[prost(message, tag = "81")]
    DeleteKey(DeleteKey),
    /// Change a cluster setting.
    #[prost(message, tag = "82")]
    PutSetting(PutSetting),
    /// Create or delete the token with which nodes join.
    #[prost(message, tag = "83")]
    PutJoinToken(PutJoinToken),
    /// Start, pause, resume, cancel or end the evening out of disks.
    #[prost(message, tag = "84")]
    SteerBalance(SteerBalance),
    /// Begin a round of scrub on disks.
    #[prost(message, tag = "85")]
    OrderScrub(OrderScrub),
    // Trash
    /// Give a kept file a name again.
    #[prost(message, tag = "90")]
    RestoreFile(RestoreFile),
    /// Let go of kept files.
    #[prost(message, tag = "91")]
    EmptyTrash(EmptyTrash),
    /// For how long files deleted below a directory are kept.
    #[prost(message, tag = "92")]
    SetTrashTime(SetTrashTime),
    /// The leader notes since when groups lack redundancy.
    #[prost(message, tag = "95")]
    NoteGroups(NoteGroups),
    // Who administers the cluster, and what they do
    /// Make or change an account.
    #[prost(message, tag = "100")]
    PutAccount(PutAccount),
    /// Delete an account.
    #[prost(message, tag = "101")]
    DeleteAccount(DeleteAccount),
    /// Somebody logged in, or got a token.
    #[prost(message, tag = "102")]
    PutCredential(PutCredential),
    /// A login or token was used.
    #[prost(message, tag = "103")]
    TouchCredential(TouchCredential),
    /// End a login, or take a token back.
    #[prost(message, tag = "104")]
    DeleteCredential(DeleteCredential),
    /// Share a file by a link.
    #[prost(message, tag = "105")]
    PutShare(PutShare),
    /// Take a link back.
    #[prost(message, tag = "106")]
    DeleteShare(DeleteShare),
    /// Note in the audit log what is no command of its own.
    #[prost(message, tag = "107")]
    NoteAudit(NoteAudit),
    /// The leader lets go of entries of the audit log that are old enough.
    #[prost(message, tag = "108")]
    TrimAudit(TrimAudit),
    /// The leader notes how full and busy the cluster is, once an hour.
    #[prost(message, tag = "109")]
    NoteUsage(NoteUsage),
}

/// What a command came to.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Reply {
    /// Absent: it worked.
    #[prost(message, optional, tag = "1")]
    pub status: Option<Status>,
    /// The log index at which it was applied.
    #[prost(uint64, tag = "2")]
    pub index: u64,
    /// The inode it made or changed, if any.
    #[prost(message, optional, tag = "3")]
    pub inode: Option<Inode>,
    /// The grant it opened, or 0.
    #[prost(uint64, tag = "4")]
    pub grant: u64,
    /// With `ChunksRejected` and `GrantClosed`: positions in the command's `chunks` that must be written anew.
    #[prost(uint32, repeated, tag = "5")]
    pub rejected: Vec<u32>,
    /// With `DeleteObjects`: one per key, in order; absent codes are successes.
    #[prost(message, repeated, tag = "6")]
    pub outcomes: Vec<Status>,
    /// `CopyRange`: bytes copied. `AssembleUpload`: parts fully taken so far in the whole list. `FreeStep` and
    /// `FreeUploadStep`: extents freed, `FillDraft`: extents taken, `QuotaStep`: entries
    /// looked at; 0: done. `EmptyTrash`: items done with.
    #[prost(uint64, tag = "7")]
    pub progress: u64,
    /// The id of what was made: upload, node, disk (with `incarnation`), class, first PG, quota.
    #[prost(uint64, tag = "8")]
    pub id: u64,
    /// `RegisterDisk`: the disk's incarnation.
    #[prost(uint64, tag = "9")]
    pub incarnation: u64,
    /// The offset at which an append landed.
    #[prost(uint64, tag = "10")]
    pub offset: u64,
    /// Map epoch after the command, when it changed the map.
    #[prost(uint64, tag = "11")]
    pub epoch: u64,
    /// `PutObject`, `DeleteObjects`: what was there before, for an audit trail: its version, or 0. `Write`, `SetAttr`,
    /// `CopyRange`: the version that the file had, so that its writer knows whether somebody came in between.
    #[prost(uint64, tag = "12")]
    pub replaced_version: u64,
    /// `Create` with `or_open`: the file was there already.
    #[prost(bool, tag = "13")]
    pub existed: bool,
    /// With `NeedsSteps`: the draft to prepare. The same command, naming it, then does what was refused.
    #[prost(message, optional, tag = "14")]
    pub steps: Option<BeginDraft>,
    /// With `Locked`: the first lock that is in the way.
    #[prost(message, optional, tag = "15")]
    pub lock: Option<FileLock>,
    /// The term in which the session will hear of every later change of what the command changed; 0: it will not.
    /// Filled by the leader's service for sessions that watch, never by the state.
    #[prost(uint64, tag = "16")]
    pub lease_term: u64,
    /// With it: the directories that the command names, as of `parents_index`.
    #[prost(message, repeated, tag = "17")]
    pub parents: Vec<Inode>,
    /// See `parents`.
    #[prost(uint64, tag = "18")]
    pub parents_index: u64,
    /// Of a rename: the file that lost its name to another, as it is now, without extents.
    #[prost(message, optional, tag = "19")]
    pub lost: Option<Inode>,
}

impl Op {
    /// Inodes that a change of files names, and works on; 0: none. The reply, or who sent it, knows what became of
    /// them and of names in them. Empty for commands of other kinds, also if they name inodes.
    pub fn works_on(&self) -> [u64; 2] {
        match self {
            Self::Create(op) => [op.parent, 0],
            Self::Link(op) => [op.parent, op.ino],
            Self::Unlink(op) => [op.parent, 0],
            Self::RemoveDir(op) => [op.parent, 0],
            Self::Rename(op) => [op.parent, op.new_parent],
            Self::SetAttr(op) => [op.ino, 0],
            Self::Write(op) => [op.ino, 0],
            Self::CopyRange(op) => [op.target, 0],
            Self::SetXattr(op) => [op.ino, 0],
            Self::RemoveXattr(op) => [op.ino, 0],
            _ => [0, 0],
        }
    }

    /// The draft that the command takes over, if it is of a kind that may take one.
    pub fn draft_mut(&mut self) -> Option<&mut u64> {
        match self {
            Self::SetAttr(op) => Some(&mut op.draft),
            Self::Write(op) => Some(&mut op.draft),
            Self::CopyObject(op) => Some(&mut op.draft),
            Self::CopyPart(op) => Some(&mut op.draft),
            _ => None,
        }
    }

    /// Where the leader says what nobody holds open, if the operation is of a kind that may take a file's last name.
    pub fn unheld_mut(&mut self) -> Option<&mut Option<Unheld>> {
        match self {
            Self::Unlink(op) => Some(&mut op.unheld),
            Self::Rename(op) => Some(&mut op.unheld),
            Self::PutObject(op) => Some(&mut op.unheld),
            Self::CopyObject(op) => Some(&mut op.unheld),
            Self::DeleteObjects(op) => Some(&mut op.unheld),
            Self::FinishUpload(op) => Some(&mut op.unheld),
            Self::RestoreFile(op) => Some(&mut op.unheld),
            _ => None,
        }
    }
}

impl Reply {
    /// Whether it worked.
    pub fn is_ok(&self) -> bool {
        self.status.as_ref().is_none_or(Status::is_ok)
    }

    /// A refusal.
    pub fn refused(status: Status) -> Self {
        Self { status: Some(status), ..Self::default() }
    }

    /// The reply, or its refusal as an error.
    pub fn into_result(self) -> Result<Self, Status> {
        match self.status {
            Some(ref status) if !status.is_ok() => Err(status.clone()),
            _ => Ok(self),
        }
    }
}
