//! What a command ends with when it does not succeed: one clear line and an exit code.
//!
//! What always holds: the line says what went wrong and, where there is something to do, what to do. Secrets
//! never appear in it. Called by every command; printed once, in `main`.

use std::fmt;
use std::io;

use holdfast_client::ClientError;
use holdfast_proto::status::{Code, Status};

/// Exit codes, also listed in `holdfast help`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed; the line says what.
    Failed = 1,
    /// The command line or a configuration makes no sense.
    Usage = 2,
    /// The file, bucket or other thing named is not there.
    NotFound = 3,
    /// The cluster, or what is needed of it, did not answer in time.
    Unreachable = 4,
    /// The cluster answered and refused: exists, not empty, no permission, a condition.
    Refused = 5,
    /// Some items of many failed; the others were done.
    Partial = 6,
    /// `fsck --repair` found problems, and all of them are repaired.
    Repaired = 7,
}

/// Result of a command.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// See the module's first lines.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process returns.
    pub(crate) exit: Exit,
    /// The line.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, message)
    }

    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// The reader of our output went away (`holdfast ls | head`): not an error worth a line.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.message == BROKEN_PIPE
    }
}

const BROKEN_PIPE: &str = "the reader of the output went away";

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The exit code for a refusal of the cluster.
fn exit_for(code: Code) -> Exit {
    use Code as C;
    match code {
        C::NotFound | C::NoSuchBucket | C::NoSuchUpload | C::NoAttribute | C::NoSuchKey | C::StaleInode => {
            Exit::NotFound
        }
        C::Timeout
        | C::Unavailable
        | C::NotLeader
        | C::Busy
        | C::ShuttingDown
        | C::DataUnavailable
        | C::StaleMap
        | C::WrongNode => Exit::Unreachable,
        C::InvalidArgument => Exit::Usage,
        C::Exists
        | C::NotADirectory
        | C::IsADirectory
        | C::NotEmpty
        | C::NameTooLong
        | C::PermissionDenied
        | C::Unauthenticated
        | C::PreconditionFailed
        | C::TooManyLinks
        | C::TooLarge
        | C::NoSpace
        | C::QuotaExceeded
        | C::Unsupported
        | C::InvalidPart
        | C::InvalidPartOrder
        | C::PartTooSmall
        | C::Locked
        | C::CrossDevice
        | C::Loop
        | C::WrongCluster
        | C::WrongVersion => Exit::Refused,
        C::Ok
        | C::SessionExpired
        | C::GrantClosed
        | C::ChunksRejected
        | C::OutOfWindow
        | C::NeedsSteps
        | C::StaleOrder
        | C::WrongDisk
        | C::Corrupt
        | C::ChunkNotFound
        | C::ChunkConflict
        | C::DiskFailed
        | C::DiskFull
        | C::Internal => Exit::Failed,
    }
}

/// A refusal in words for a person at a terminal, without the code's name where the message says it all.
fn words(status: &Status) -> String {
    let plain = match status.kind() {
        Code::NotFound => "no such file or directory",
        Code::Exists => "it exists already",
        Code::NotADirectory => "not a directory",
        Code::IsADirectory => "it is a directory",
        Code::NotEmpty => "the directory is not empty",
        Code::NoSuchBucket => "no such bucket",
        Code::NoSpace => "no disk of the cluster can take the data; add disks or delete something",
        Code::Timeout => {
            "no answer within the deadline; whether it was done is unknown. See `holdfast admin status`"
        }
        Code::Unavailable => "the cluster cannot be reached; check --cluster and that the servers run",
        Code::DataUnavailable => "too few disks with this data answer right now; see `holdfast admin status`",
        Code::WrongCluster => "this address belongs to another cluster than the one expected",
        _ => return status.to_string(),
    };
    if status.message.is_empty() { plain.to_owned() } else { format!("{plain} ({})", status.message) }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::new(exit_for(status.kind()), words(&status))
    }
}

impl From<holdfast_admin::Problem> for Failure {
    fn from(problem: holdfast_admin::Problem) -> Self {
        let exit = match problem.status().as_u16() {
            _ if problem.code == "invalid_argument" => Exit::Usage,
            404 => Exit::NotFound,
            503 => Exit::Unreachable,
            400 | 401 | 403 | 405 | 408 | 409 | 412 | 413 | 415 | 422 | 429 | 507 => Exit::Refused,
            _ => Exit::Failed,
        };
        match problem.message.as_str() {
            "" => Self::new(exit, problem.code.replace('_', " ")),
            message => Self::new(exit, message),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match &error {
            ClientError::Refused(status) => status.clone().into(),
            other => Self::new(exit_for(other.code()), other.to_string()),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::failed(BROKEN_PIPE);
        }
        Self::failed(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        if error.io_error_kind() == Some(io::ErrorKind::BrokenPipe) {
            return Self::failed(BROKEN_PIPE);
        }
        Self::failed(error.to_string())
    }
}

/// Says what was being done, in front of the error.
pub(crate) trait Doing<T> {
    /// `what` is a verb phrase with the thing's name: "read /b/x".
    fn doing(self, what: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: Into<Failure>> Doing<T> for Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| {
            let failure = error.into();
            if failure.is_broken_pipe() {
                return failure;
            }
            Failure::new(failure.exit, format!("{what}: {}", failure.message))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_kind_through_context() {
        let failure = Err::<(), _>(Status::new(Code::NotFound, "")).doing("stat /b/x").unwrap_err();
        assert_eq!(failure.exit, Exit::NotFound);
        assert_eq!(failure.message, "stat /b/x: no such file or directory");
    }
}
