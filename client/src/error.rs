//! What can go wrong for a caller of this library, with ids instead of prose.
//!
//! What always holds: every error answers [`ClientError::code`] and [`ClientError::retry`]; a command that may have
//! been carried out is [`ClientError::Unknown`] or [`ClientError::SessionLost`] and nothing else, so that a timed-out
//! write is never mistaken for a failed one. The doors (S3, errno) choose their codes from [`ClientError::code`].

use std::time::Duration;

use holdfast_proto::ids::{ChunkId, ClassId, Ino, SessionId};
use holdfast_proto::inode::Inode;
use holdfast_proto::status::{Code, Retry, Status};

/// A failure of the client library.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// A server refused the request; nothing was changed by it.
    #[error("{0}")]
    Refused(Status),
    /// A command was sent and no answer came in time: it may or may not have been carried out.
    #[error("the outcome of the command is unknown: {0}")]
    Unknown(Status),
    /// The session ended while a command was under way: it may have been carried out before that. It is not
    /// executed again; later work goes through a new session.
    #[error("session {0} ended while the command was under way; its outcome is unknown")]
    SessionLost(SessionId),
    /// The deadline passed before the work was done. Nothing was changed.
    #[error("the deadline passed during: {doing}")]
    Deadline {
        /// A verb phrase: what was being done.
        doing: &'static str,
    },
    /// No placement group of the class can take a chunk with enough copies.
    #[error("no placement group of {class} has the {needed} working members that a chunk needs: {last}")]
    NoPlacement {
        /// The storage class.
        class: ClassId,
        /// Acknowledgements needed at least.
        needed: u32,
        /// What the last member said.
        last: Status,
    },
    /// No member gave a good copy of the bytes in time. Nothing says that they are lost.
    #[error("chunk {chunk} cannot be read now: {last}")]
    Unreadable {
        /// The chunk.
        chunk: ChunkId,
        /// What the last member said.
        last: Status,
    },
    /// The file's content changed while it was being read; what was read so far belongs to the old content.
    #[error("{0} changed while it was being read")]
    Changed(Ino),
    /// A condition of the request does not hold for what is there.
    #[error("a condition of the request does not hold: {status}")]
    ConditionFailed {
        /// The refusal.
        status: Status,
        /// What is there, if anything is.
        inode: Option<Box<Inode>>,
    },
    /// Known, but not offered (yet).
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// The caller asked for something that makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The client was closed.
    #[error("the client is closed")]
    Closed,
}

impl ClientError {
    /// The code under which a door reports it.
    pub fn code(&self) -> Code {
        match self {
            Self::Refused(status) | Self::ConditionFailed { status, .. } => status.kind(),
            Self::Unknown(_) | Self::Deadline { .. } => Code::Timeout,
            Self::SessionLost(_) => Code::SessionExpired,
            Self::NoPlacement { last, .. } => match last.kind() {
                Code::DiskFull | Code::NoSpace => Code::NoSpace,
                _ => Code::Unavailable,
            },
            Self::Unreadable { .. } => Code::DataUnavailable,
            Self::Changed(_) => Code::StaleInode,
            Self::Unsupported(_) => Code::Unsupported,
            Self::Invalid(_) => Code::InvalidArgument,
            Self::Closed => Code::ShuttingDown,
        }
    }

    /// What a caller may do about it. The library has already retried what is safe, until its deadline.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Refused(status) => status.retry(),
            Self::Deadline { .. } | Self::NoPlacement { .. } | Self::Unreadable { .. } => {
                Retry::Busy { after: Duration::from_secs(1) }
            }
            Self::Unknown(_)
            | Self::SessionLost(_)
            | Self::Changed(_)
            | Self::ConditionFailed { .. }
            | Self::Unsupported(_)
            | Self::Invalid(_)
            | Self::Closed => Retry::Never,
        }
    }

    /// Whether the command may have been carried out all the same.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::SessionLost(_))
    }

    /// As a status, for passing it on over the wire.
    pub fn status(&self) -> Status {
        match self {
            Self::Refused(status) | Self::ConditionFailed { status, .. } => status.clone(),
            other => Status::new(other.code(), other.to_string()),
        }
    }

    /// A failed exchange that changes nothing at the server (a question, a chunk read).
    pub(crate) fn of_question(status: Status, doing: &'static str) -> Self {
        match status.kind() {
            Code::Timeout => Self::Deadline { doing },
            _ => Self::Refused(status),
        }
    }

    /// A failed exchange of a command.
    pub(crate) fn of_command(status: Status) -> Self {
        if status.outcome_unknown() { Self::Unknown(status) } else { Self::Refused(status) }
    }
}

impl From<ClientError> for Status {
    fn from(error: ClientError) -> Self {
        error.status()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timed_out_command_is_unknown_not_refused() {
        let error = ClientError::of_command(Status::new(Code::Timeout, ""));
        assert!(error.outcome_unknown());
        assert_eq!(error.retry(), Retry::Never);
        let refused = ClientError::of_command(Status::new(Code::Exists, ""));
        assert!(!refused.outcome_unknown());
        assert_eq!(refused.code(), Code::Exists);
    }
}
