//! The byte form of Raft's own types, on the wire, in the log and in snapshot manifests.
//!
//! Fixed-width big-endian numbers by hand: the formats are small, must not change with openraft's version, and
//! lie on the hot path. Format version 1:
//!
//! ```text
//! log id       term u64, index u64                      optional log id   0 | 1 + log id
//! vote         term u64, node u64, committed u8         text              length u32, bytes
//! membership   configs u16 × (voters u16 × node u64), nodes u16 × (node u64, address text)
//! payload      0 | 1 + length u32 + commands | 2 + membership
//! ```
//!
//! Readers check every length against what is left; nothing here panics on foreign bytes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use openraft::impls::BasicNode;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use super::types::{Entry, LogId, Membership, Payload, Proposal, StoredMembership, TypeConfig, Vote, log_id};

/// Version of every encoding in this module; travels in `RaftEnvelope::version` and in manifests.
pub(crate) const VERSION: u32 = 1;

/// Bytes that are not what they should be.
#[derive(Clone, Debug, thiserror::Error)]
#[error("malformed Raft bytes: {0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

type Decoded<T> = Result<T, Malformed>;

/// Takes typed values off the front of a byte string.
pub(crate) struct Reader(pub(crate) Bytes);

impl Reader {
    fn need(&self, bytes: usize) -> Decoded<()> {
        if self.0.len() < bytes { Err(Malformed("too short")) } else { Ok(()) }
    }

    pub(crate) fn u8(&mut self) -> Decoded<u8> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    pub(crate) fn u16(&mut self) -> Decoded<u16> {
        self.need(2)?;
        Ok(self.0.get_u16())
    }

    pub(crate) fn u32(&mut self) -> Decoded<u32> {
        self.need(4)?;
        Ok(self.0.get_u32())
    }

    pub(crate) fn u64(&mut self) -> Decoded<u64> {
        self.need(8)?;
        Ok(self.0.get_u64())
    }

    fn flag(&mut self) -> Decoded<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a flag is neither 0 nor 1")),
        }
    }

    fn bytes(&mut self) -> Decoded<Bytes> {
        let length = self.u32()? as usize;
        self.need(length)?;
        Ok(self.0.split_to(length))
    }

    fn text(&mut self) -> Decoded<String> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| Malformed("text is not UTF-8"))
    }

    pub(crate) fn end(&self) -> Decoded<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("bytes left over")) }
    }

    pub(crate) fn log_id(&mut self) -> Decoded<LogId> {
        Ok(log_id(self.u64()?, self.u64()?))
    }

    pub(crate) fn opt_log_id(&mut self) -> Decoded<Option<LogId>> {
        if self.flag()? { Ok(Some(self.log_id()?)) } else { Ok(None) }
    }

    pub(crate) fn vote(&mut self) -> Decoded<Vote> {
        let (term, node) = (self.u64()?, self.u64()?);
        Ok(if self.flag()? { Vote::new_committed(term, node) } else { Vote::new(term, node) })
    }

    pub(crate) fn membership(&mut self) -> Decoded<Membership> {
        let mut configs = Vec::new();
        for _ in 0..self.u16()? {
            let mut voters = BTreeSet::new();
            for _ in 0..self.u16()? {
                voters.insert(self.u64()?);
            }
            configs.push(voters);
        }
        let mut nodes = BTreeMap::new();
        for _ in 0..self.u16()? {
            let node = self.u64()?;
            nodes.insert(node, BasicNode { addr: self.text()? });
        }
        if configs.is_empty() && nodes.is_empty() {
            return Ok(Membership::default());
        }
        Membership::new(configs, nodes)
            .map_err(|_| Malformed("a membership names a voter without an address"))
    }

    pub(crate) fn stored_membership(&mut self) -> Decoded<StoredMembership> {
        Ok(StoredMembership::new(self.opt_log_id()?, self.membership()?))
    }

    pub(crate) fn payload(&mut self) -> Decoded<Payload> {
        match self.u8()? {
            0 => Ok(Payload::Blank),
            1 => Ok(Payload::Normal(Proposal { bytes: self.bytes()? })),
            2 => Ok(Payload::Membership(self.membership()?)),
            _ => Err(Malformed("unknown kind of entry")),
        }
    }
}

pub(crate) fn put_log_id(out: &mut BytesMut, id: &LogId) {
    out.put_u64(id.committed_leader_id().term);
    out.put_u64(id.index());
}

pub(crate) fn put_opt_log_id(out: &mut BytesMut, id: Option<&LogId>) {
    out.put_u8(u8::from(id.is_some()));
    if let Some(id) = id {
        put_log_id(out, id);
    }
}

pub(crate) fn put_vote(out: &mut BytesMut, vote: &Vote) {
    out.put_u64(vote.leader_id().term);
    out.put_u64(vote.leader_id().voted_for);
    out.put_u8(u8::from(vote.is_committed()));
}

fn put_text(out: &mut BytesMut, text: &str) {
    out.put_u32(text.len() as u32);
    out.put_slice(text.as_bytes());
}

pub(crate) fn put_membership(out: &mut BytesMut, membership: &Membership) {
    let configs = membership.get_joint_config();
    out.put_u16(configs.len() as u16);
    for voters in configs {
        out.put_u16(voters.len() as u16);
        voters.iter().for_each(|node| out.put_u64(*node));
    }
    let nodes: Vec<_> = membership.nodes().collect();
    out.put_u16(nodes.len() as u16);
    for (node, info) in nodes {
        out.put_u64(*node);
        put_text(out, &info.addr);
    }
}

pub(crate) fn put_stored_membership(out: &mut BytesMut, stored: &StoredMembership) {
    put_opt_log_id(out, stored.log_id().as_ref());
    put_membership(out, stored.membership());
}

pub(crate) fn put_payload(out: &mut BytesMut, payload: &Payload) {
    match payload {
        Payload::Blank => out.put_u8(0),
        Payload::Normal(proposal) => {
            out.put_u8(1);
            out.put_u32(proposal.bytes.len() as u32);
            out.put_slice(&proposal.bytes);
        }
        Payload::Membership(membership) => {
            out.put_u8(2);
            put_membership(out, membership);
        }
    }
}

/// Bytes an entry takes, for limits.
pub(crate) fn payload_bytes(payload: &Payload) -> usize {
    match payload {
        Payload::Normal(proposal) => proposal.bytes.len() + 32,
        Payload::Blank => 32,
        Payload::Membership(membership) => 64 + membership.nodes().count() * 64,
    }
}

/// An append request: vote, previous log id, commit, entries.
pub(crate) fn encode_append(request: &AppendEntriesRequest<TypeConfig>) -> Bytes {
    let size: usize = request.entries.iter().map(|e| payload_bytes(&e.payload)).sum();
    let mut out = BytesMut::with_capacity(size + 64);
    put_vote(&mut out, &request.vote);
    put_opt_log_id(&mut out, request.prev_log_id.as_ref());
    put_opt_log_id(&mut out, request.leader_commit.as_ref());
    out.put_u32(request.entries.len() as u32);
    for entry in &request.entries {
        put_log_id(&mut out, &entry.log_id);
        put_payload(&mut out, &entry.payload);
    }
    out.freeze()
}

/// Reverse of [`encode_append`]; commands stay slices of `bytes`.
pub(crate) fn decode_append(bytes: Bytes) -> Decoded<AppendEntriesRequest<TypeConfig>> {
    let mut r = Reader(bytes);
    let vote = r.vote()?;
    let prev_log_id = r.opt_log_id()?;
    let leader_commit = r.opt_log_id()?;
    let count = r.u32()? as usize;
    let mut entries = Vec::with_capacity(count.min(4096));
    for _ in 0..count {
        entries.push(Entry { log_id: r.log_id()?, payload: r.payload()? });
    }
    r.end()?;
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit })
}

pub(crate) fn encode_append_reply(reply: &AppendEntriesResponse<TypeConfig>) -> Bytes {
    let mut out = BytesMut::with_capacity(32);
    match reply {
        AppendEntriesResponse::Success => out.put_u8(0),
        AppendEntriesResponse::PartialSuccess(upto) => {
            out.put_u8(1);
            put_opt_log_id(&mut out, upto.as_ref());
        }
        AppendEntriesResponse::Conflict => out.put_u8(2),
        AppendEntriesResponse::HigherVote(vote) => {
            out.put_u8(3);
            put_vote(&mut out, vote);
        }
    }
    out.freeze()
}

pub(crate) fn decode_append_reply(bytes: Bytes) -> Decoded<AppendEntriesResponse<TypeConfig>> {
    let mut r = Reader(bytes);
    let reply = match r.u8()? {
        0 => AppendEntriesResponse::Success,
        1 => AppendEntriesResponse::PartialSuccess(r.opt_log_id()?),
        2 => AppendEntriesResponse::Conflict,
        3 => AppendEntriesResponse::HigherVote(r.vote()?),
        _ => return Err(Malformed("unknown append reply")),
    };
    r.end()?;
    Ok(reply)
}

/// A vote request; `pre` asks only whether the vote would be given.
pub(crate) fn encode_vote(request: &VoteRequest<TypeConfig>, pre: bool) -> Bytes {
    let mut out = BytesMut::with_capacity(48);
    out.put_u8(u8::from(pre));
    put_vote(&mut out, &request.vote);
    put_opt_log_id(&mut out, request.last_log_id.as_ref());
    out.put_u8(u8::from(request.leadership_transfer));
    out.freeze()
}

pub(crate) fn decode_vote(bytes: Bytes) -> Decoded<(VoteRequest<TypeConfig>, bool)> {
    let mut r = Reader(bytes);
    let pre = r.flag()?;
    let mut request = VoteRequest::new(r.vote()?, r.opt_log_id()?);
    request.leadership_transfer = r.flag()?;
    r.end()?;
    Ok((request, pre))
}

pub(crate) fn encode_vote_reply(reply: &VoteResponse<TypeConfig>) -> Bytes {
    let mut out = BytesMut::with_capacity(48);
    put_vote(&mut out, &reply.vote);
    out.put_u8(u8::from(reply.vote_granted));
    put_opt_log_id(&mut out, reply.last_log_id.as_ref());
    out.freeze()
}

pub(crate) fn decode_vote_reply(bytes: Bytes) -> Decoded<VoteResponse<TypeConfig>> {
    let mut r = Reader(bytes);
    let (vote, granted) = (r.vote()?, r.flag()?);
    let last = r.opt_log_id()?;
    r.end()?;
    Ok(VoteResponse::new(vote, last, granted))
}

pub(crate) fn encode_transfer(request: &TransferLeaderRequest<TypeConfig>) -> Bytes {
    let mut out = BytesMut::with_capacity(48);
    put_vote(&mut out, request.from_leader());
    out.put_u64(*request.to_node_id());
    put_opt_log_id(&mut out, request.last_log_id());
    out.freeze()
}

pub(crate) fn decode_transfer(bytes: Bytes) -> Decoded<TransferLeaderRequest<TypeConfig>> {
    let mut r = Reader(bytes);
    let request = TransferLeaderRequest::new(r.vote()?, r.u64()?, r.opt_log_id()?);
    r.end()?;
    Ok(request)
}

pub(crate) fn encode_transfer_reply(reply: &TransferLeaderResponse<TypeConfig>) -> Bytes {
    let mut out = BytesMut::with_capacity(48);
    match reply {
        Ok(()) => out.put_u8(0),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => {
            out.put_u8(1);
            put_vote(&mut out, expected);
            put_vote(&mut out, actual);
        }
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            out.put_u8(2);
            put_opt_log_id(&mut out, expected.as_ref());
            put_opt_log_id(&mut out, actual.as_ref());
        }
    }
    out.freeze()
}

pub(crate) fn decode_transfer_reply(bytes: Bytes) -> Decoded<TransferLeaderResponse<TypeConfig>> {
    let mut r = Reader(bytes);
    let reply = match r.u8()? {
        0 => Ok(()),
        1 => Err(TransferLeaderError::VoteChanged { expected: r.vote()?, actual: r.vote()? }),
        2 => Err(TransferLeaderError::LogNotFlushed { expected: r.opt_log_id()?, actual: r.opt_log_id()? }),
        _ => return Err(Malformed("unknown transfer reply")),
    };
    r.end()?;
    Ok(reply)
}

pub(crate) fn encode_one_vote(vote: &Vote) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    put_vote(&mut out, vote);
    out.freeze()
}

pub(crate) fn decode_one_vote(bytes: Bytes) -> Decoded<Vote> {
    let mut r = Reader(bytes);
    let vote = r.vote()?;
    r.end()?;
    Ok(vote)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> AppendEntriesRequest<TypeConfig> {
        let nodes: BTreeMap<_, _> =
            [(1, BasicNode { addr: "a:1".into() }), (7, BasicNode { addr: "b:2".into() })].into();
        let membership = Membership::new(vec![BTreeSet::from([1, 7])], nodes).unwrap();
        AppendEntriesRequest {
            vote: Vote::new_committed(3, 7),
            prev_log_id: Some(log_id(2, 9)),
            entries: vec![
                Entry { log_id: log_id(3, 10), payload: Payload::Blank },
                Entry {
                    log_id: log_id(3, 11),
                    payload: Payload::Normal(Proposal { bytes: Bytes::from("cmd") }),
                },
                Entry { log_id: log_id(3, 12), payload: Payload::Membership(membership) },
            ],
            leader_commit: None,
        }
    }

    #[test]
    fn an_append_survives_the_wire() {
        let request = sample();
        let bytes = encode_append(&request);
        let back = decode_append(bytes).unwrap();
        assert_eq!(format!("{back:?}"), format!("{request:?}"));
    }

    #[test]
    fn the_append_format_is_pinned() {
        let request = AppendEntriesRequest { entries: sample().entries[..2].to_vec(), ..sample() };
        assert_eq!(
            encode_append(&request).as_ref(),
            [
                &[0u8, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7, 1][..],
                &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0],
                &[0, 0, 0, 2],
                &[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 10, 0],
                &[0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 11, 1, 0, 0, 0, 3, b'c', b'm', b'd'],
            ]
            .concat()
        );
    }

    #[test]
    fn every_truncation_is_refused() {
        let bytes = encode_append(&sample());
        for length in 0..bytes.len() {
            assert!(decode_append(bytes.slice(..length)).is_err(), "length {length}");
        }
    }

    #[test]
    fn votes_survive_the_wire() {
        let mut request = VoteRequest::new(Vote::new(4, 2), Some(log_id(3, 5)));
        request.leadership_transfer = true;
        assert_eq!(decode_vote(encode_vote(&request, true)).unwrap(), (request, true));
        let reply = VoteResponse::<TypeConfig>::new(Vote::new(4, 2), None, true);
        assert_eq!(decode_vote_reply(encode_vote_reply(&reply)).unwrap(), reply);
    }

    #[test]
    fn damaged_messages_are_read_or_refused() {
        let vote = VoteRequest::<TypeConfig>::new(Vote::new(4, 2), Some(log_id(3, 5)));
        let reply = VoteResponse::<TypeConfig>::new(Vote::new(4, 2), None, true);
        let corpus = [
            encode_append(&sample()),
            encode_vote(&vote, true),
            encode_vote_reply(&reply),
            encode_one_vote(&Vote::new(4, 2)),
        ];
        holdfast_fuzz::run(corpus.map(|bytes| bytes.to_vec()).to_vec(), |bytes| {
            let bytes = Bytes::copy_from_slice(bytes);
            let append = decode_append(bytes.clone());
            // What is read says the same when it is written again.
            if let Ok(append) = &append {
                let again = decode_append(encode_append(append)).unwrap();
                assert_eq!(format!("{again:?}"), format!("{append:?}"));
            }
            (
                append.map(|append| append.entries.len()).ok(),
                decode_append_reply(bytes.clone()).is_ok(),
                decode_vote(bytes.clone()).is_ok(),
                decode_vote_reply(bytes.clone()).is_ok(),
                decode_one_vote(bytes).is_ok(),
            )
        });
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let bytes = Bytes::from(bytes);
            let _ = decode_append(bytes.clone());
            let _ = decode_append_reply(bytes.clone());
            let _ = decode_vote(bytes.clone());
            let _ = decode_vote_reply(bytes.clone());
            let _ = decode_transfer(bytes.clone());
            let _ = decode_transfer_reply(bytes);
        }
    }
}
