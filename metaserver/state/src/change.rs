//! One command on its way into the state: its own overlay, the counters, and the ledger of chunk references.
//!
//! What always holds:
//! - Nothing reaches the batch before the operation succeeded: a refused command leaves no trace but its reply.
//! - Chunk references are summed up here and settled once, at the end ([`crate::chunks::settle`]).
//! - Operations read and write only through this; time is [`Change::now`], never a clock.

use std::collections::BTreeSet;

use bytes::Bytes;
use holdfast_proto::ids::{LogIndex, PgId};
use holdfast_proto::inode::Inode;
use holdfast_proto::op::Reply;
use holdfast_proto::status::{Code, Status};
use prost::Message;

use crate::chunks::Ledger;
use crate::keys;
use crate::nameless;
use crate::records::{self, State};
use crate::table::{Broken, Overlay, Tx, View};

/// Most keys one command may change.
pub const MAX_KEYS: usize = 4096;
/// Most bytes of keys and values one command may write.
pub const MAX_BYTES: usize = 1 << 20;

/// Why an operation did not succeed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It was refused; this is the answer.
    Refused(Box<Reply>),
    /// The store is broken; the node stops.
    Broken(Broken),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<Status> for Stop {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(Reply::refused(status)))
    }
}

/// What an operation comes to.
pub(crate) type Outcome = Result<Reply, Stop>;

/// Shorthand for a refusal.
pub(crate) fn refuse(code: Code, message: impl Into<String>) -> Stop {
    Status::new(code, message).into()
}

/// Refuses unless `holds`.
pub(crate) fn require(holds: bool, code: Code, message: &str) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(refuse(code, message)) }
}

/// A changed inode: as it was, and as it is.
pub(crate) type Changed = (Option<Inode>, Option<Inode>);

/// Context of one command.
pub(crate) struct Change<'v> {
    tx: Overlay<'v, dyn View + 'v>,
    /// Its log index.
    pub(crate) at: u64,
    /// State time, nanoseconds.
    pub(crate) now: i64,
    /// Who sent it; 0: the leader.
    pub(crate) session: u64,
    /// Counters; written back at the end if changed.
    pub(crate) state: State,
    before: State,
    /// Seconds of uptime that came with the command and are not in the counters yet.
    pub(crate) up_s: u32,
    /// Inodes that were or are in the trash and were changed: what lies there is counted at the end.
    pub(crate) in_trash: BTreeSet<u64>,
    /// References to chunks that this command makes and drops.
    pub(crate) ledger: Ledger,
    epoch_bumped: bool,
}

impl<'v> Change<'v> {
    /// Starts a command over `base`.
    pub(crate) fn new(
        base: &'v (dyn View + 'v),
        at: LogIndex,
        now_ns: i64,
        session: u64,
    ) -> Result<Self, Broken> {
        let before: State = records::load(base, &[keys::STATE])?.unwrap_or_default();
        let now = before.time_ns.max(now_ns);
        let state = State { time_ns: now, ..before };
        Ok(Self {
            tx: Overlay::plain(base),
            at: at.0,
            now,
            session,
            state,
            before,
            up_s: 0,
            in_trash: BTreeSet::new(),
            ledger: Ledger::default(),
            epoch_bumped: false,
        })
    }

    /// Throws away what an operation did, counters included, but not the clock.
    pub(crate) fn rewind(self, base: &'v (dyn View + 'v)) -> Self {
        Self {
            tx: Overlay::plain(base),
            state: self.before,
            ledger: Ledger::default(),
            in_trash: BTreeSet::new(),
            epoch_bumped: false,
            ..self
        }
    }

    /// Seconds for which the cluster was up, as exactly as this command knows.
    pub(crate) fn uptime_s(&self) -> u64 {
        self.state.uptime_s.saturating_add(u64::from(self.up_s))
    }

    /// A successful reply.
    pub(crate) fn reply(&self) -> Reply {
        Reply {
            index: self.at,
            epoch: if self.epoch_bumped { self.state.epoch } else { 0 },
            ..Reply::default()
        }
    }

    /// A successful reply that carries an inode.
    pub(crate) fn reply_inode(&self, inode: Inode) -> Reply {
        Reply { inode: Some(inode), ..self.reply() }
    }

    /// The record at `key`.
    pub(crate) fn load<T: Message + Default>(&self, key: &[u8]) -> Result<Option<T>, Broken> {
        records::load(&self.tx, key)
    }

    /// Writes a record.
    pub(crate) fn store(&mut self, key: Bytes, record: &impl Message) {
        self.tx.put(key, records::encode(record));
    }

    /// Writes a raw value.
    pub(crate) fn store_raw(&mut self, key: Bytes, value: Bytes) {
        self.tx.put(key, value);
    }

    /// Removes a record.
    pub(crate) fn remove(&mut self, key: Bytes) {
        self.tx.delete(key);
    }

    /// The table as this command sees it.
    pub(crate) fn view(&self) -> &dyn View {
        &self.tx
    }

    /// The table as it was before this command.
    pub(crate) fn base(&self) -> &dyn View {
        self.tx.base()
    }

    /// Every inode this command changed.
    pub(crate) fn changed_inodes(&self) -> Result<Vec<Changed>, Broken> {
        let inodes = self.tx.changes_of(&[keys::INODE]);
        let decode = |(key, value): (&Bytes, &Option<Bytes>)| {
            let new = value.clone().map(|value| records::decode(key, value)).transpose()?;
            Ok((records::load(self.base(), key)?, new))
        };
        inodes.map(decode).collect()
    }

    /// Whether something starts with `prefix`.
    pub(crate) fn any(&self, prefix: &[u8]) -> Result<bool, Broken> {
        Ok(!self.tx.scan(prefix, &keys::after_prefix(prefix), 1)?.is_empty())
    }

    /// How many keys this command has changed, chunk records to come included.
    pub(crate) fn keys_touched(&self) -> usize {
        self.tx.len() + self.ledger.weight()
    }

    /// Bytes of keys and values written so far.
    pub(crate) fn bytes_written(&self) -> usize {
        self.tx.bytes()
    }

    /// The epoch of this command's changes of the map: one more than before, however many there are.
    pub(crate) fn bump_epoch(&mut self) -> u64 {
        if !self.epoch_bumped {
            self.epoch_bumped = true;
            self.state.epoch += 1;
        }
        self.state.epoch
    }

    /// A new inode number.
    pub(crate) fn new_ino(&mut self) -> u64 {
        let ino = self.state.next_ino;
        self.state.next_ino += 1;
        ino
    }

    /// The inode, or `StaleInode`. One that is being freed, joined or prepared does not exist for anybody else.
    pub(crate) fn inode(&self, ino: u64) -> Result<Inode, Stop> {
        let found: Option<Inode> = self.load(&keys::inode(ino))?;
        let stale = || refuse(Code::StaleInode, format!("inode {ino} does not exist"));
        let inode = found.ok_or_else(stale)?;
        if inode.nlink == 0 && !nameless::is_open(self.view(), ino)? {
            return Err(stale());
        }
        Ok(inode)
    }

    /// An inode that other records say is there.
    pub(crate) fn inode_there(&self, ino: u64) -> Result<Inode, Stop> {
        self.load(&keys::inode(ino))?
            .ok_or_else(|| Broken::Inconsistent(format!("inode {ino} is referred to but missing")).into())
    }

    /// As [`Self::inode`], but one that is kept in the trash is there, too: what it contains may move, and be read.
    pub(crate) fn inode_or_kept(&self, ino: u64) -> Result<Inode, Stop> {
        let found: Option<Inode> = self.load(&keys::inode(ino))?;
        match found {
            Some(inode) if inode.trashed_until != 0 => Ok(inode),
            _ => self.inode(ino),
        }
    }

    /// Writes an inode.
    pub(crate) fn store_inode(&mut self, inode: &Inode) {
        if inode.trashed_until != 0 {
            self.in_trash.insert(inode.ino);
        }
        self.store(keys::inode(inode.ino), inode);
    }

    /// The group, if it exists.
    pub(crate) fn pg(&self, pg: PgId) -> Result<Option<holdfast_proto::map::Pg>, Broken> {
        self.load(&keys::pg(pg.0))
    }

    /// Writes the counters if they changed and gives the changes away.
    pub(crate) fn finish(mut self) -> impl Iterator<Item = crate::table::Entry> {
        if self.state != self.before {
            let state = self.state;
            self.store(keys::state(), &state);
        }
        self.tx.into_changes()
    }

    /// Refuses with `NeedsSteps` when the command grew beyond what one command may change.
    pub(crate) fn check_bounds(&self) -> Result<(), Stop> {
        if self.tx.len() > MAX_KEYS || self.tx.bytes() > MAX_BYTES {
            return Err(refuse(
                Code::NeedsSteps,
                format!(
                    "the command would change {} keys and {} bytes; at most {MAX_KEYS} and {MAX_BYTES} are allowed",
                    self.tx.len(),
                    self.tx.bytes()
                ),
            ));
        }
        Ok(())
    }
}
