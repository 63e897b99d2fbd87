//! Frames of the protocol between nodes, made by hand: the tests link nothing of the store, and no peer of ours
//! would send what they send. The layout is described in `proto/rpc/src/frame.rs`.

/// Kinds of frames.
pub const HELLO: u8 = 1;
/// See [`HELLO`].
pub const REQUEST: u8 = 3;

/// A frame's header with right checksums.
pub fn header(kind: u8, message: &[u8], message_length: u32, payload_length: u32) -> Vec<u8> {
    let mut out = b"HFR1\x01".to_vec();
    out.push(kind);
    out.extend([0; 6]);
    out.extend(message_length.to_le_bytes());
    out.extend(7u64.to_le_bytes());
    out.extend(payload_length.to_le_bytes());
    out.extend(1000u32.to_le_bytes());
    out.extend(crc32c(message).to_le_bytes());
    out.extend(crc32c(&out).to_le_bytes());
    out
}

/// A whole frame without payload.
pub fn frame(kind: u8, message: &[u8]) -> Vec<u8> {
    [header(kind, message, message.len() as u32, 0), message.to_vec()].concat()
}

/// The first frame of a caller that belongs to this cluster (16 bytes; empty: none) and speaks these versions.
pub fn hello(cluster: &[u8], (lowest, highest): (u8, u8)) -> Vec<u8> {
    // Fields 1, 5, 6 and 10: cluster, lowest and highest version, class 3 for metadata.
    let mut message = vec![0x0A, cluster.len() as u8];
    message.extend(cluster);
    message.extend([0x28, lowest, 0x30, highest, 0x50, 3]);
    frame(HELLO, &message)
}

/// The checksum of frames, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0x82F6_3B78 } else { crc >> 1 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_checksum_and_a_header_of_forty_bytes() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(header(HELLO, b"", 0, 0).len(), 40);
        assert_eq!(frame(REQUEST, b"abc").len(), 43);
    }
}
