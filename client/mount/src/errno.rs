//! What an application is told: the one place where failures become error numbers.
//!
//! What always holds: no catch-all arm, so that a new code asks for a decision. A failure of the cluster that was
//! waited out until the deadline is `EIO`; the log line with the reason is written where it is mapped.

use holdfast_client::ClientError;
use holdfast_proto::status::Code;

/// An error number as errno(3) lists them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

macro_rules! numbers {
    ($($name:ident = $value:ident),* $(,)?) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($value), "`")]
                pub const $name: Self = Self(libc::$value);
            )*
        }

        impl std::fmt::Debug for Errno {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.0 {
                    $(libc::$value => f.write_str(stringify!($value)),)*
                    other => write!(f, "errno {other}"),
                }
            }
        }
    };
}

numbers! {
    ACCES = EACCES,
    AGAIN = EAGAIN,
    BADF = EBADF,
    DQUOT = EDQUOT,
    EXIST = EEXIST,
    FBIG = EFBIG,
    INTR = EINTR,
    INVAL = EINVAL,
    IO = EIO,
    ISDIR = EISDIR,
    MLINK = EMLINK,
    NAMETOOLONG = ENAMETOOLONG,
    NODATA = ENODATA,
    NOENT = ENOENT,
    NOLCK = ENOLCK,
    NOSPC = ENOSPC,
    NOSYS = ENOSYS,
    NOTDIR = ENOTDIR,
    NOTEMPTY = ENOTEMPTY,
    NXIO = ENXIO,
    OPNOTSUPP = EOPNOTSUPP,
    PERM = EPERM,
    RANGE = ERANGE,
    ROFS = EROFS,
    STALE = ESTALE,
    TOOBIG = E2BIG,
    XDEV = EXDEV,
}

impl Errno {
    /// The number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// What a failure of the client library means to an application.
    pub fn of(error: &ClientError) -> Self {
        let errno = Self::of_code(error.code());
        if errno == Self::IO {
            tracing::warn!(%error, "an operation failed with EIO");
        }
        errno
    }

    fn of_code(code: Code) -> Self {
        use Code as C;
        match code {
            C::InvalidArgument | C::Loop => Self::INVAL,
            C::NotFound | C::NoSuchBucket | C::NoSuchUpload => Self::NOENT,
            C::Exists => Self::EXIST,
            C::NotADirectory => Self::NOTDIR,
            C::IsADirectory => Self::ISDIR,
            C::NotEmpty => Self::NOTEMPTY,
            C::NameTooLong => Self::NAMETOOLONG,
            C::PermissionDenied => Self::PERM,
            C::Unauthenticated | C::NoSuchKey => Self::ACCES,
            C::TooManyLinks => Self::MLINK,
            C::TooLarge => Self::FBIG,
            C::NoSpace | C::DiskFull => Self::NOSPC,
            C::QuotaExceeded => Self::DQUOT,
            C::Unsupported => Self::OPNOTSUPP,
            C::NoAttribute => Self::NODATA,
            C::StaleInode => Self::STALE,
            C::Locked => Self::AGAIN,
            C::CrossDevice => Self::XDEV,
            C::Ok
            | C::PreconditionFailed
            | C::InvalidPart
            | C::InvalidPartOrder
            | C::PartTooSmall
            | C::SessionExpired
            | C::GrantClosed
            | C::ChunksRejected
            | C::OutOfWindow
            | C::NeedsSteps
            | C::NotLeader
            | C::StaleMap
            | C::StaleOrder
            | C::WrongNode
            | C::WrongCluster
            | C::WrongVersion
            | C::WrongDisk
            | C::Busy
            | C::Timeout
            | C::Unavailable
            | C::ShuttingDown
            | C::Corrupt
            | C::ChunkNotFound
            | C::ChunkConflict
            | C::DiskFailed
            | C::DataUnavailable
            | C::Internal => Self::IO,
        }
    }
}

impl From<ClientError> for Errno {
    fn from(error: ClientError) -> Self {
        Self::of(&error)
    }
}
