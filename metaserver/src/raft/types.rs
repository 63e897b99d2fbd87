//! The types with which openraft is instantiated. They do not leave `raft/`.

use std::fmt;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use holdfast_proto::op::Reply;
use openraft::impls::BasicNode;

openraft::declare_raft_types!(
    /// Entries carry batches of commands; one leader per term, as in the paper, so that a term alone orders leaders.
    pub(crate) TypeConfig:
        D = Proposal,
        R = Replies,
        NodeId = u64,
        Node = BasicNode,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<Self::Term, Self::NodeId>,
);

pub(crate) type LogId = openraft::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::alias::VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::alias::EntryOf<TypeConfig>;
pub(crate) type Payload = openraft::alias::EntryPayloadOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, BasicNode>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot = openraft::alias::SnapshotOf<TypeConfig, super::snapshot::SnapshotRef>;
pub(crate) type Raft = openraft::Raft<TypeConfig, super::machine::Machine>;

/// One log entry's commands: each as a 32-bit length and its prost bytes. Encoded once, when a client's command
/// joins a batch; log, network and apply share the same bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proposal {
    pub(crate) bytes: Bytes,
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of commands", self.bytes.len())
    }
}

impl Proposal {
    /// Goes through the encoded commands; `Err` when a length does not fit the bytes.
    pub(crate) fn commands(&self) -> impl Iterator<Item = Result<Bytes, &'static str>> + use<> {
        let mut rest = self.bytes.clone();
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            if rest.len() < 4 {
                rest.clear();
                return Some(Err("a batch of commands ends within a length"));
            }
            let length = rest.get_u32() as usize;
            if length > rest.len() {
                rest.clear();
                return Some(Err("a batch of commands ends within a command"));
            }
            Some(Ok(rest.split_to(length)))
        })
    }
}

/// Puts a [`Proposal`] together.
#[derive(Default)]
pub(crate) struct ProposalBuilder {
    bytes: BytesMut,
}

impl ProposalBuilder {
    pub(crate) fn push(&mut self, command: &[u8]) {
        self.bytes.reserve(4 + command.len());
        self.bytes.put_u32(command.len() as u32);
        self.bytes.put_slice(command);
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn finish(self) -> Proposal {
        Proposal { bytes: self.bytes.freeze() }
    }
}

/// Replies to the commands of one entry, in their order. Empty for entries without commands.
#[derive(Debug, Default)]
pub(crate) struct Replies(pub(crate) Vec<Reply>);

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new_term_index(term, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_come_back_in_order() {
        let mut builder = ProposalBuilder::default();
        builder.push(b"one");
        builder.push(b"");
        builder.push(b"three");
        let all: Result<Vec<_>, _> = builder.finish().commands().collect();
        assert_eq!(all.unwrap(), vec![Bytes::from("one"), Bytes::new(), Bytes::from("three")]);
    }

    #[test]
    fn a_torn_batch_is_an_error() {
        for bytes in [&b"\0\0\0"[..], b"\0\0\0\x05abc"] {
            let proposal = Proposal { bytes: Bytes::copy_from_slice(bytes) };
            assert!(proposal.commands().any(|c| c.is_err()));
        }
    }
}
