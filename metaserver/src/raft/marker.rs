//! How far the table reaches: written into it with every batch, copied into every snapshot.
//!
//! Commands are counted apart from log entries: one entry carries many commands, while the state machine hands out
//! ids by the index at which a command stands. The count is the same on every member, since all apply the same
//! entries; it is what the rest of the program calls a log index.

use bytes::{BufMut, Bytes, BytesMut};

use super::codec::{self, Malformed, Reader};
use super::types::{LogId, SnapshotMeta, StoredMembership};

/// Version of the encoding.
const VERSION: u8 = 1;

/// See the module's head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marker {
    /// Last entry applied.
    pub(crate) applied: Option<LogId>,
    /// Commands applied since genesis.
    pub(crate) commands: u64,
    /// Last membership applied.
    pub(crate) membership: StoredMembership,
}

impl Marker {
    pub(crate) fn index(&self) -> u64 {
        self.applied.map_or(0, |id| id.index())
    }

    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(128);
        out.put_u8(VERSION);
        codec::put_opt_log_id(&mut out, self.applied.as_ref());
        out.put_u64(self.commands);
        codec::put_stored_membership(&mut out, &self.membership);
        out.freeze()
    }

    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Malformed> {
        let mut r = Reader(bytes);
        if r.u8()? != VERSION {
            return Err(Malformed("a marker of a version this build does not know"));
        }
        let marker =
            Self { applied: r.opt_log_id()?, commands: r.u64()?, membership: r.stored_membership()? };
        r.end()?;
        Ok(marker)
    }

    pub(crate) fn meta(&self) -> SnapshotMeta {
        SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() }
    }
}
