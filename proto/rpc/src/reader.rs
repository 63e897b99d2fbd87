//! Turns a byte stream into frames.
//!
//! Headers and small messages are read in batches through a small buffer; the rest of a long message or payload
//! is read straight into its own buffer, together with what follows it (one `readv`).
//!
//! What always holds: a payload's memory is asked for only after its header was checked and admitted; a refused
//! payload is read and thrown away, so that the connection stays usable. A message is copied to memory of its own:
//! who keeps a slice of it does not keep the read buffer.

use std::io::{self, IoSliceMut};

use bytes::Bytes;
use holdfast_proto::method::Class;
use holdfast_support::budget::{ByteBudget, BytePermit};
use holdfast_support::buffers::{self, PoolBuffer};
use holdfast_support::crc::crc32c;

use crate::frame::{FrameError, HEADER_BYTES, Header, Kind};
use crate::transport::Stream;

/// A whole frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) header: Header,
    pub(crate) message: Bytes,
    pub(crate) payload: Bytes,
    /// The payload was not admitted and thrown away.
    pub(crate) payload_refused: bool,
}

/// Frames of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    current: Option<Current>,
    /// Admission of payloads; `None`: all are welcome (replies to one's own calls).
    budget: Option<ByteBudget>,
    /// Only a hello may come.
    stranger: bool,
}

/// The frame being read.
#[derive(Debug)]
struct Current {
    header: Header,
    message: Vec<u8>,
    message_have: usize,
    payload: PoolBuffer,
    payload_have: usize,
    permit: Option<BytePermit>,
    refused: bool,
}

/// Longest message before hellos are exchanged, in bytes.
const MAX_HELLO_BYTES: u32 = 64 << 10;

/// Small buffers for data connections: less of a payload is copied through them.
fn buffer_bytes(class: Class) -> usize {
    match class {
        Class::Data => 4 << 10,
        Class::RaftControl | Class::RaftLog | Class::Meta => 16 << 10,
    }
}

impl Reader {
    /// A reader for a connection on which only a hello may come so far.
    pub(crate) fn new() -> Self {
        let buffer = vec![0; buffer_bytes(Class::Data)].into();
        Self { buffer, start: 0, end: 0, current: None, budget: None, stranger: true }
    }

    /// Hellos are exchanged: from now on anything may come. Payload is taken within `budget`, if given.
    pub(crate) fn welcome(&mut self, class: Class, budget: Option<ByteBudget>) {
        let mut buffer = vec![0; buffer_bytes(class).max(self.end)];
        buffer[..self.end].copy_from_slice(&self.buffer[..self.end]);
        self.buffer = buffer.into();
        self.budget = budget;
        self.stranger = false;
    }

    /// Whether a frame has begun but not ended.
    pub(crate) fn midway(&self) -> bool {
        self.current.is_some()
    }

    /// Reads once from the stream. `Ok(0)`: the other side is done. Call [`Self::next`] until it has no more
    /// frame before reading again.
    pub(crate) fn read(&mut self, stream: &Stream) -> io::Result<usize> {
        self.read_with(|parts| stream.try_read(parts))
    }

    fn read_with(
        &mut self,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let Self { buffer, end, current, .. } = self;
        let mut small = IoSliceMut::new(&mut buffer[*end..]);
        let Some(now) = current else {
            let count = read(std::slice::from_mut(&mut small))?;
            *end += count;
            return Ok(count);
        };
        let wanted = now.rest_bytes();
        let mut count = read(&mut [IoSliceMut::new(now.rest()), small])?;
        let direct = count.min(wanted);
        now.advance(direct);
        let total = count;
        count -= direct;
        *end += count;
        Ok(total)
    }

    /// The next whole frame, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(now) = &mut self.current {
                while self.start < self.end && !now.done() {
                    let rest = now.rest();
                    let count = rest.len().min(self.end - self.start);
                    rest[..count].copy_from_slice(&self.buffer[self.start..self.start + count]);
                    self.start += count;
                    now.advance(count);
                }
                if !now.done() {
                    return Ok(None);
                }
                return match self.current.take() {
                    Some(now) => now.finish().map(Some),
                    None => Ok(None),
                };
            }
            let Some(bytes) = self.buffer[self.start..self.end].first_chunk::<HEADER_BYTES>() else {
                return Ok(None);
            };
            let header = Header::decode(bytes)?;
            if self.stranger {
                check_hello(&header)?;
            }
            self.start += HEADER_BYTES;
            self.current = Some(Current::begin(header, self.budget.as_ref()));
        }
    }
}

fn check_hello(header: &Header) -> Result<(), FrameError> {
    if !matches!(header.kind, Kind::Hello | Kind::HelloReply) {
        return Err(FrameError::Unexpected(header.kind));
    }
    if header.message_bytes > MAX_HELLO_BYTES {
        return Err(FrameError::MessageTooLong(header.message_bytes));
    }
    if header.payload_bytes > 0 {
        return Err(FrameError::PayloadTooLong(header.payload_bytes));
    }
    Ok(())
}

/// Where the bytes of a refused payload go, piece by piece.
const SINK_BYTES: usize = 16 << 10;

impl Current {
    fn begin(header: Header, budget: Option<&ByteBudget>) -> Self {
        let payload_bytes = header.payload_bytes as usize;
        let (permit, refused) = match budget {
            Some(budget) if header.kind == Kind::Request && payload_bytes > 0 => {
                let permit = budget.try_take(payload_bytes as u64).ok();
                let refused = permit.is_none();
                (permit, refused)
            }
            _ => (None, false),
        };
        let memory = if refused { SINK_BYTES.min(payload_bytes) } else { payload_bytes };
        Self {
            header,
            message: vec![0; header.message_bytes as usize],
            message_have: 0,
            payload: buffers::shared().get(memory),
            payload_have: 0,
            permit,
            refused,
        }
    }

    fn done(&self) -> bool {
        self.message_have == self.message.len() && self.payload_have == self.header.payload_bytes as usize
    }

    /// Where the next bytes go; empty only when done.
    fn rest(&mut self) -> &mut [u8] {
        if self.message_have < self.message.len() {
            return &mut self.message[self.message_have..];
        }
        let left = self.header.payload_bytes as usize - self.payload_have;
        if self.refused {
            let count = self.payload.len().min(left);
            return &mut self.payload[..count];
        }
        &mut self.payload[self.payload_have..]
    }

    fn rest_bytes(&self) -> usize {
        if self.message_have < self.message.len() {
            return self.message.len() - self.message_have;
        }
        let left = self.header.payload_bytes as usize - self.payload_have;
        if self.refused { self.payload.len().min(left) } else { left }
    }

    fn advance(&mut self, count: usize) {
        if self.message_have < self.message.len() {
            self.message_have += count;
        } else {
            self.payload_have += count;
        }
    }

    fn finish(self) -> Result<Frame, FrameError> {
        let found = crc32c(&self.message);
        if found != self.header.message_crc {
            return Err(FrameError::MessageChecksum { expected: self.header.message_crc, found });
        }
        let payload = if self.refused { Bytes::new() } else { self.payload.freeze() };
        let payload = match self.permit {
            Some(permit) => permit.guard(payload),
            None => payload,
        };
        Ok(Frame {
            header: self.header,
            message: self.message.into(),
            payload,
            payload_refused: self.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::frame::{HEADER_BYTES, MAX_MESSAGE_BYTES, MAX_PAYLOAD_BYTES};

    /// Feeds a stream of bytes in pieces; collects frames until the first error.
    fn feed(reader: &mut Reader, mut bytes: &[u8], piece: usize) -> Result<Vec<Frame>, FrameError> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let count = reader
                .read_with(|parts| {
                    let mut count = 0;
                    for part in parts {
                        let now = part.len().min(bytes.len() - count).min(piece - count);
                        part[..now].copy_from_slice(&bytes[count..count + now]);
                        count += now;
                    }
                    Ok(count)
                })
                .unwrap();
            assert!(count > 0, "the reader makes no room");
            bytes = &bytes[count..];
            while let Some(frame) = reader.next()? {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    fn reader(budget: u64) -> Reader {
        let mut reader = Reader::new();
        reader.welcome(Class::Data, Some(ByteBudget::new(budget)));
        reader
    }

    fn wire(id: u64, message: &[u8], payload: &[u8]) -> Vec<u8> {
        let header = Header {
            message_bytes: message.len() as u32,
            payload_bytes: payload.len() as u32,
            message_crc: crc32c(message),
            method: 7,
            ..Header::bare(Kind::Request, id)
        };
        [&header.encode()[..], message, payload].concat()
    }

    #[test]
    fn the_header_has_the_bytes_of_its_picture() {
        let header = Header {
            kind: Kind::Reply,
            flags: 1,
            method: 0x0203,
            id: 0x0405_0607_0809_0a0b,
            message_bytes: 0x000c_0d0e,
            payload_bytes: 0x010f_1011,
            left_ms: 0x1213_1415,
            message_crc: 0x1617_1819,
        };
        let bytes = header.encode();
        assert_eq!(&bytes[..8], b"HFR1\x01\x04\x01\x00");
        assert_eq!(bytes[8..12], [3, 2, 0, 0]);
        assert_eq!(bytes[12..16], [0x0e, 0x0d, 0x0c, 0]);
        assert_eq!(bytes[16..24], [0x0b, 0x0a, 9, 8, 7, 6, 5, 4]);
        assert_eq!(bytes[24..36], [0x11, 0x10, 0x0f, 1, 0x15, 0x14, 0x13, 0x12, 0x19, 0x18, 0x17, 0x16]);
        assert_eq!(bytes[36..], crc32c(&bytes[..36]).to_le_bytes());
        assert_eq!(Header::decode(&bytes), Ok(header));
        let beyond = Header { message_bytes: MAX_MESSAGE_BYTES + 1, ..header };
        assert_eq!(Header::decode(&beyond.encode()), Err(FrameError::MessageTooLong(MAX_MESSAGE_BYTES + 1)));
        let beyond = Header { payload_bytes: MAX_PAYLOAD_BYTES + 1, ..header };
        assert_eq!(Header::decode(&beyond.encode()), Err(FrameError::PayloadTooLong(MAX_PAYLOAD_BYTES + 1)));
    }

    #[test]
    fn a_payload_beyond_the_budget_is_thrown_away_and_the_next_frame_is_found() {
        let mut reader = reader(1000);
        let bytes = [wire(1, b"a", &[1; 900]), wire(2, b"b", &[2; 50_000]), wire(3, b"c", &[3; 10])].concat();
        let frames = feed(&mut reader, &bytes, 1 << 20).unwrap();
        let seen: Vec<_> = frames.iter().map(|f| (f.header.id, f.payload.len(), f.payload_refused)).collect();
        assert_eq!(seen, [(1, 900, false), (2, 0, true), (3, 10, false)]);
        assert_eq!(&frames[1].message[..], b"b");
    }

    #[test]
    fn only_a_short_hello_may_come_first() {
        let request = wire(1, b"", b"");
        assert_eq!(
            feed(&mut Reader::new(), &request, 100).unwrap_err(),
            FrameError::Unexpected(Kind::Request)
        );
        let long = Header { message_bytes: MAX_HELLO_BYTES + 1, ..Header::bare(Kind::Hello, 0) };
        let error = feed(&mut Reader::new(), &long.encode(), 100).unwrap_err();
        assert_eq!(error, FrameError::MessageTooLong(MAX_HELLO_BYTES + 1));
    }

    /// Gives every frame that is still recognised its checksums again, so that damage gets past them.
    fn mend(bytes: &mut [u8]) {
        let mut rest = bytes;
        while rest.len() >= HEADER_BYTES {
            let (head, tail) = rest.split_at_mut(HEADER_BYTES);
            let length = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()) as usize;
            let (message, payload) = (length(12).min(tail.len()), length(24));
            let crc = crc32c(&tail[..message]);
            head[32..36].copy_from_slice(&crc.to_le_bytes());
            let crc = crc32c(&head[..36]);
            head[36..].copy_from_slice(&crc.to_le_bytes());
            let end = (message + payload).min(tail.len());
            rest = &mut tail[end..];
        }
    }

    #[test]
    fn damaged_frames_are_read_or_refused() {
        let (one, two) = (wire(1, b"message", &[7; 3000]), wire(2, b"", b""));
        let corpus = vec![two.clone(), one.clone(), [one, two, wire(3, &[1; 300], b"x")].concat()];
        let mut turn = 0;
        holdfast_fuzz::run(corpus, |bytes| {
            let mut bytes = bytes.to_vec();
            turn += 1;
            if turn % 2 == 0 {
                mend(&mut bytes);
            }
            let piece = 16 + bytes.len() / 3;
            let known = feed(&mut reader(1 << 20), &bytes, piece);
            let stranger = feed(&mut Reader::new(), &bytes, piece);
            [known, stranger].map(|read| match read {
                Ok(frames) => (frames.len(), None),
                Err(error) => (0, Some(std::mem::discriminant(&error))),
            })
        });
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            parts in proptest::collection::vec((0usize..9000, 0usize..70_000), 1..6),
            piece in 1usize..50_000,
        ) {
            let fill = |bytes: usize, seed: usize| (0..bytes).map(|i| (i * 7 + seed) as u8).collect::<Vec<_>>();
            let bytes: Vec<u8> = parts
                .iter()
                .enumerate()
                .flat_map(|(id, (message, payload))| wire(id as u64, &fill(*message, id), &fill(*payload, id + 1)))
                .collect();
            let frames = feed(&mut reader(1 << 30), &bytes, piece.max(16)).unwrap();
            prop_assert_eq!(frames.len(), parts.len());
            for (id, (frame, (message, payload))) in frames.iter().zip(&parts).enumerate() {
                prop_assert_eq!(frame.header.id, id as u64);
                prop_assert!(frame.message == fill(*message, id) && frame.payload == fill(*payload, id + 1));
            }
        }

        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1usize..100) {
            drop(feed(&mut reader(1 << 20), &bytes, piece));
            drop(feed(&mut Reader::new(), &bytes, piece));
        }

        #[test]
        fn a_changed_byte_is_noticed_or_lies_in_the_payload(
            at in any::<proptest::sample::Index>(),
            flip in 1u8..,
            message in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let whole = wire(9, &message, b"payload");
            let mut bytes = whole.clone();
            let at = at.index(bytes.len() - 7);
            bytes[at] ^= flip;
            prop_assert!(feed(&mut reader(1 << 20), &bytes, 64).is_err(), "byte {} of {}", at, whole.len());
        }

        #[test]
        fn headers_with_a_right_checksum_never_panic(mut bytes in any::<[u8; HEADER_BYTES]>(), kind in 0u8..12) {
            bytes[..4].copy_from_slice(b"HFR1");
            bytes[4] = 1;
            bytes[5] = kind;
            (bytes[6], bytes[7], bytes[10], bytes[11]) = (bytes[6] & 1, 0, 0, 0);
            let crc = crc32c(&bytes[..36]);
            bytes[36..].copy_from_slice(&crc.to_le_bytes());
            if let Ok(header) = Header::decode(&bytes) {
                prop_assert_eq!(header.encode(), bytes);
            }
            drop(feed(&mut reader(1 << 20), &bytes, 64));
        }
    }
}
