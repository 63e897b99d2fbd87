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
