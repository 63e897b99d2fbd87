//! What can go wrong in the metadata group, for its callers.
//!
//! One enum for the whole crate boundary; [`MetaError::status`] is the only place where it becomes a wire status.

use std::time::Duration;

use holdfast_proto::ids::NodeId;
use holdfast_proto::status::{Code, Status};

/// Why the metadata group did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MetaError {
    /// Another node leads, or none does at the moment. Nothing was executed.
    #[error("this node does not lead the metadata group (leader: {leader:?} at {address:?})")]
    NotLeader {
        /// The leader, if known.
        leader: Option<NodeId>,
        /// Its RPC address; empty when unknown.
        address: String,
    },
    /// Leadership was lost while the command was under way. It may or may not be carried out; a retry under the
    /// same session and sequence number finds out.
    #[error("leadership changed while the command was under way; its outcome is not known yet")]
    Unknown,
    /// No quorum answered in time.
    #[error("no quorum of metaservers answered within {waited:?}")]
    NoQuorum {
        /// How long was waited.
        waited: Duration,
    },
    /// Too many commands or reads are waiting.
    #[error("the metadata group has too much work waiting: {what}")]
    Busy {
        /// Which queue is full.
        what: &'static str,
    },
    /// The command is larger than one log entry may be.
    #[error("a command of {bytes} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Size of the encoded command.
        bytes: usize,
        /// Largest size.
        limit: usize,
    },
    /// A genesis was asked of a node that already has state, or the directory is not what it should be.
    #[error("{0}")]
    Refused(String),
    /// A membership change is under way, or does not fit the current membership.
    #[error("the membership cannot be changed: {0}")]
    Membership(String),
    /// A local file, log record or table is damaged. This node takes no part until it is repaired.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which file or store.
        what: String,
        /// What was found.
        reason: String,
    },
    /// The disk refused a read, write or sync.
    #[error("{what}: {reason}")]
    Io {
        /// What was being done.
        what: String,
        /// The operating system's answer.
        reason: String,
    },
    /// The group is shutting down or its core has died.
    #[error("the metadata group is stopped")]
    Stopped,
}

impl MetaError {
    /// An I/O failure while doing `what`.
    pub fn io(what: impl Into<String>, error: impl std::fmt::Display) -> Self {
        Self::Io { what: what.into(), reason: error.to_string() }
    }

    /// Damage found in `what`.
    pub fn damaged(what: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { what: what.into(), reason: reason.to_string() }
    }

    /// The form in which it travels.
    pub fn status(&self) -> Status {
        match self {
            Self::NotLeader { leader, address } => Status::not_leader(*leader, address.clone()),
            Self::Unknown | Self::NoQuorum { .. } => Status::new(Code::Unavailable, self.to_string()),
            Self::Busy { .. } => Status::busy(Duration::from_millis(20), self.to_string()),
            Self::TooLarge { .. } => Status::new(Code::TooLarge, self.to_string()),
            Self::Refused(_) | Self::Membership(_) => Status::new(Code::PreconditionFailed, self.to_string()),
            Self::Damaged { .. } | Self::Io { .. } => Status::new(Code::Internal, self.to_string()),
            Self::Stopped => Status::new(Code::ShuttingDown, self.to_string()),
        }
    }
}

impl From<MetaError> for Status {
    fn from(error: MetaError) -> Self {
        error.status()
    }
}
