//! Commands that prepare in steps what is too much for one command: a copy of a file, or of the part of it that
//! stays, on an inode that nobody sees. The command that needed it takes it over at the end, and that is small.
//!
//! What always holds: nothing is visible before that last command, and it succeeds only if the file is still as it
//! was when the draft was begun. A draft belongs to its session and goes with it.

/// A range of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct Span {
    /// First byte.
    #[prost(uint64, tag = "1")]
    pub from: u64,
    /// First byte behind it.
    #[prost(uint64, tag = "2")]
    pub to: u64,
}

/// See [`super::Op::BeginDraft`]. A refusal with `NeedsSteps` carries the one that is wanted; the reply to this one
/// carries the draft's number in `id`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct BeginDraft {
    /// The file to copy from.
    #[prost(uint64, tag = "1")]
    pub source: u64,
    /// Its version; another one is refused with `PreconditionFailed`, here and in every later step.
    #[prost(uint64, tag = "2")]
    pub source_version: u64,
    /// From this byte, which becomes byte 0 of the draft,
    #[prost(uint64, tag = "3")]
    pub from: u64,
    /// up to this one.
    #[prost(uint64, tag = "4")]
    pub to: u64,
    /// Ranges to leave out, in order and apart from each other: the command brings something else there.
    #[prost(message, repeated, tag = "5")]
    pub skip: Vec<Span>,
}

/// See [`super::Op::FillDraft`]. The reply's `progress` is 0 when the draft is whole.
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct FillDraft {
    /// The draft.
    #[prost(uint64, tag = "1")]
    pub draft: u64,
}

/// See [`super::Op::DropDraft`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
pub struct DropDraft {
    /// The draft.
    #[prost(uint64, tag = "1")]
    pub draft: u64,
    /// Only if it came no further than this byte of its source.
    #[prost(uint64, tag = "2")]
    pub at: u64,
}
