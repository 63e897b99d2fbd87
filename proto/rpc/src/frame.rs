//! The frame: a fixed header, a message, a payload.
//!
//! ```text
//! offset size field                     (little endian)
//!      0    4 magic "HFR1"
//!      4    1 version of this layout, 1
//!      5    1 kind
//!      6    2 flags
//!      8    2 method
//!     10    2 zero
//!     12    4 message length, bytes
//!     16    8 request id
//!     24    4 payload length, bytes
//!     28    4 time left for the request, ms; 0: none given
//!     32    4 CRC32C of the message
//!     36    4 CRC32C of bytes 0..36
//!     40      message, then payload
//! ```
//!
//! What always holds: decoding looks at every field, refuses what it does not know, and never panics. The payload
//! carries no checksum here: chunk bytes bring their own, checked by whoever stores or reads them.

use holdfast_support::crc::crc32c;

/// Length of the header, in bytes.
pub const HEADER_BYTES: usize = 40;

/// Longest message, in bytes.
pub const MAX_MESSAGE_BYTES: u32 = 16 << 20;

/// Longest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: u32 = 64 << 20;

const MAGIC: [u8; 4] = *b"HFR1";
const LAYOUT: u8 = 1;
const CRC_AT: usize = HEADER_BYTES - 4;

/// Flag: the message of a reply is an encoded status, a refusal.
pub const FLAG_REFUSED: u16 = 1;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// First frame of the side that connects.
    Hello = 1,
    /// Answer to it.
    HelloReply = 2,
    /// A call.
    Request = 3,
    /// Its answer.
    Reply = 4,
    /// The caller no longer waits for this id.
    Cancel = 5,
    /// "Are you there?"
    Ping = 6,
    /// "Yes", also sent unasked while a long payload is being received.
    Pong = 7,
    /// No new requests on this connection, please.
    Goodbye = 8,
}

impl Kind {
    fn from_wire(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Hello,
            2 => Self::HelloReply,
            3 => Self::Request,
            4 => Self::Reply,
            5 => Self::Cancel,
            6 => Self::Ping,
            7 => Self::Pong,
            8 => Self::Goodbye,
            _ => return None,
        })
    }
}

/// Why bytes are not a frame. Each of these ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Not our protocol.
    #[error("bad magic {0:02x?}: not a Holdfast peer")]
    Magic([u8; 4]),
    /// A layout this build does not know.
    #[error("frame layout {0} is not known")]
    Layout(u8),
    /// The header was damaged.
    #[error("header checksum is {found:08x}, expected {expected:08x}")]
    HeaderChecksum {
        /// As sent.
        expected: u32,
        /// As computed.
        found: u32,
    },
    /// The message was damaged.
    #[error("message checksum is {found:08x}, expected {expected:08x}")]
    MessageChecksum {
        /// As sent.
        expected: u32,
        /// As computed.
        found: u32,
    },
    /// A kind of frame this build does not know.
    #[error("frame kind {0} is not known")]
    Kind(u8),
    /// Bits that must be zero.
    #[error("reserved header bits are set")]
    Reserved,
    /// The message is longer than allowed.
    #[error("message of {0} bytes is longer than {MAX_MESSAGE_BYTES}")]
    MessageTooLong(u32),
    /// The payload is longer than allowed.
    #[error("payload of {0} bytes is longer than {MAX_PAYLOAD_BYTES}")]
    PayloadTooLong(u32),
    /// A frame that has no place here (a request from a server, a second hello).
    #[error("unexpected {0:?} frame")]
    Unexpected(Kind),
}

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: Kind,
    /// See [`FLAG_REFUSED`].
    pub flags: u16,
    /// The method of a request.
    pub method: u16,
    /// Which request.
    pub id: u64,
    /// Message length.
    pub message_bytes: u32,
    /// Payload length.
    pub payload_bytes: u32,
    /// Time left for a request, in milliseconds.
    pub left_ms: u32,
    /// CRC32C of the message.
    pub message_crc: u32,
}

impl Header {
    /// A header of a frame that has neither message nor payload.
    pub fn bare(kind: Kind, id: u64) -> Self {
        Self { kind, flags: 0, method: 0, id, message_bytes: 0, payload_bytes: 0, left_ms: 0, message_crc: 0 }
    }

    /// The wire form.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC);
        out[4] = LAYOUT;
        out[5] = self.kind as u8;
        out[6..8].copy_from_slice(&self.flags.to_le_bytes());
        out[8..10].copy_from_slice(&self.method.to_le_bytes());
        out[12..16].copy_from_slice(&self.message_bytes.to_le_bytes());
        out[16..24].copy_from_slice(&self.id.to_le_bytes());
        out[24..28].copy_from_slice(&self.payload_bytes.to_le_bytes());
        out[28..32].copy_from_slice(&self.left_ms.to_le_bytes());
        out[32..36].copy_from_slice(&self.message_crc.to_le_bytes());
        let crc = crc32c(&out[..CRC_AT]);
        out[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// Reads and checks a header.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Self, FrameError> {
        let u16_at = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let magic = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if magic != MAGIC {
            return Err(FrameError::Magic(magic));
        }
        let (expected, found) = (u32_at(CRC_AT), crc32c(&bytes[..CRC_AT]));
        if expected != found {
            return Err(FrameError::HeaderChecksum { expected, found });
        }
        if bytes[4] != LAYOUT {
            return Err(FrameError::Layout(bytes[4]));
        }
        let kind = Kind::from_wire(bytes[5]).ok_or(FrameError::Kind(bytes[5]))?;
        let flags = u16_at(6);
        if flags & !FLAG_REFUSED != 0 || u16_at(10) != 0 {
            return Err(FrameError::Reserved);
        }
        let (message_bytes, payload_bytes) = (u32_at(12), u32_at(24));
        if message_bytes > MAX_MESSAGE_BYTES {
            return Err(FrameError::MessageTooLong(message_bytes));
        }
        if payload_bytes > MAX_PAYLOAD_BYTES {
            return Err(FrameError::PayloadTooLong(payload_bytes));
        }
        Ok(Self {
            kind,
            flags,
            method: u16_at(8),
            id: u64::from(u32_at(16)) | u64::from(u32_at(20)) << 32,
            message_bytes,
            payload_bytes,
            left_ms: u32_at(28),
            message_crc: u32_at(32),
        })
    }
}

/// Header and message in one buffer, ready to be written in front of the payload.
///
/// `None` when message or payload are longer than a frame can carry.
pub fn encode_head(
    mut header: Header,
    message: &impl prost::Message,
    payload_bytes: usize,
) -> Option<bytes::Bytes> {
    let message_bytes = message.encoded_len();
    header.message_bytes = u32::try_from(message_bytes).ok().filter(|bytes| *bytes <= MAX_MESSAGE_BYTES)?;
    header.payload_bytes = u32::try_from(payload_bytes).ok().filter(|bytes| *bytes <= MAX_PAYLOAD_BYTES)?;
    let mut out = Vec::with_capacity(HEADER_BYTES + message_bytes);
    out.resize(HEADER_BYTES, 0);
    message.encode(&mut out).ok()?;
    header.message_crc = crc32c(&out[HEADER_BYTES..]);
    out[..HEADER_BYTES].copy_from_slice(&header.encode());
    Some(out.into())
}
