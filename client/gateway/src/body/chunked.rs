//! The `aws-chunked` encoding: chunks with or without signatures, and a trailer.
//!
//! ```text
//! <size in hex>[;chunk-signature=<64 hex>]\r\n  <size bytes>  \r\n      any number of times
//! 0[;chunk-signature=<64 hex>]\r\n
//! [name:value\r\n]*  [x-amz-trailer-signature:<64 hex>\r\n]  \r\n
//! ```
//!
//! What always holds: nothing is buffered but a line or the trailer, both bounded; data passes through as slices.
//! The decoded length must be exactly the announced one, the closing chunk must be there, and a trailer must
//! have every announced name, no other, and a good signature when the body is signed.

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use sha2::{Digest, Sha256};

use crate::auth::signing::ChunkSigner;
use crate::body::BodyError;

/// Longest line in front of a chunk: 16 digits and a signature need 99.
const MAX_LINE: usize = 256;

/// Longest trailer.
const MAX_TRAILER: usize = 16 * 1024;

enum State {
    /// Reading the line in front of a chunk.
    Line,
    /// Reading data of a chunk.
    Data { left: u64 },
    /// Behind the data of a chunk: the line end.
    DataEnd { seen_cr: bool },
    /// Behind the closing chunk.
    Trailer,
}

/// Decodes a body piece by piece.
pub(crate) struct Decoder {
    state: State,
    line: Vec<u8>,
    trailer: Vec<u8>,
    /// Signed bodies only: the chain, and the hash of the chunk under way with the signature it must have.
    signer: Option<Box<ChunkSigner>>,
    hash: Sha256,
    signature: String,
    /// Names that the trailer must have; `None` when none may follow.
    announced: Option<Vec<String>>,
    left: u64,
}

impl Decoder {
    /// A decoder for a body of `length` decoded bytes. `announced` are the names in `x-amz-trailer`.
    pub(crate) fn new(signer: Option<Box<ChunkSigner>>, announced: Option<Vec<String>>, length: u64) -> Self {
        Self {
            state: State::Line,
            line: Vec::new(),
            trailer: Vec::new(),
            signer,
            hash: Sha256::new(),
            signature: String::new(),
            announced,
            left: length,
        }
    }

    /// Takes input and returns the next piece of data in it, if there is one. Call again until it returns none.
    pub(crate) fn feed(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, BodyError> {
        while !input.is_empty() {
            match self.state {
                State::Line => self.read_line(input)?,
                State::Data { left } => {
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let data = input.split_to(take);
                    if self.signer.is_some() {
                        self.hash.update(&data);
                    }
                    let left = left - take as u64;
                    self.state =
                        if left == 0 { State::DataEnd { seen_cr: false } } else { State::Data { left } };
                    if left == 0 {
                        self.check_chunk()?;
                    }
                    return Ok(Some(data));
                }
                State::DataEnd { seen_cr } => {
                    let expected = if seen_cr { b'\n' } else { b'\r' };
                    if input.get_u8() != expected {
                        return Err(BodyError::MalformedChunk("no line end behind the data"));
                    }
                    self.state = if seen_cr { State::Line } else { State::DataEnd { seen_cr: true } };
                }
                State::Trailer => {
                    if self.trailer.len() + input.len() > MAX_TRAILER {
                        return Err(BodyError::MalformedTrailer("it is too long"));
                    }
                    self.trailer.extend_from_slice(input);
                    input.clear();
                }
            }
        }
        Ok(None)
    }

    /// The end of the input: checks that the body is whole and returns its trailer.
    pub(crate) fn finish(self) -> Result<HeaderMap, BodyError> {
        if !matches!(self.state, State::Trailer) || self.left != 0 {
            return Err(BodyError::Incomplete);
        }
        self.check_trailer()
    }

    fn read_line(&mut self, input: &mut Bytes) -> Result<(), BodyError> {
        let end = input.iter().position(|b| *b == b'\n');
        let take = end.map_or(input.len(), |at| at + 1);
        if self.line.len() + take > MAX_LINE {
            return Err(BodyError::MalformedChunk("the line in front of a chunk is too long"));
        }
        self.line.extend_from_slice(&input.split_to(take));
        if end.is_none() {
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or(BodyError::MalformedChunk("no line end"))?;
        let line = std::str::from_utf8(line).map_err(|_| BodyError::MalformedChunk("not text"))?;
        let (size, signature) = match line.split_once(';') {
            None => (line, None),
            Some((size, extension)) => (size, extension.strip_prefix("chunk-signature=")),
        };
        self.begin_chunk(parse_size(size)?, signature)
    }

    fn begin_chunk(&mut self, size: u64, signature: Option<&str>) -> Result<(), BodyError> {
        if size > self.left {
            return Err(BodyError::TooLong);
        }
        if self.signer.is_some() {
            signature.ok_or(BodyError::SignatureMismatch)?.clone_into(&mut self.signature);
        }
        self.left -= size;
        if size > 0 {
            self.state = State::Data { left: size };
            return Ok(());
        }
        self.state = State::Trailer;
        self.check_chunk()
    }

    fn check_chunk(&mut self) -> Result<(), BodyError> {
        let Some(signer) = &mut self.signer else { return Ok(()) };
        let hash = std::mem::take(&mut self.hash).finalize().into();
        if !signer.check_chunk(&hash, &self.signature) {
            return Err(BodyError::SignatureMismatch);
        }
        Ok(())
    }

    fn check_trailer(&self) -> Result<HeaderMap, BodyError> {
        let malformed = BodyError::MalformedTrailer;
        let text = std::str::from_utf8(&self.trailer).map_err(|_| malformed("not text"))?;
        let lines =
            text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).filter(|l| !l.is_empty());
        let mut pairs: Vec<(String, &str)> = Vec::new();
        let mut signature = None;
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(malformed("a line without a colon"))?;
            let (name, value) = (name.to_ascii_lowercase(), value.trim_matches([' ', '\t']));
            if name == "x-amz-trailer-signature" {
                if signature.replace(value).is_some() {
                    return Err(malformed("two signatures"));
                }
            } else {
                pairs.push((name, value));
            }
        }
        pairs.sort_unstable();
        let Some(announced) = &self.announced else {
            return if pairs.is_empty() && signature.is_none() {
                Ok(HeaderMap::new())
            } else {
                Err(malformed("none was announced"))
            };
        };
        if let Some(signer) = &self.signer {
            let canonical: String = pairs.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
            let given = signature.ok_or(BodyError::SignatureMismatch)?;
            if !signer.check_trailer(canonical.as_bytes(), given) {
                return Err(BodyError::SignatureMismatch);
            }
        }
        let names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        let mut expected: Vec<&str> = announced.iter().map(String::as_str).collect();
        expected.sort_unstable();
        if names != expected {
            return Err(malformed("it does not have the headers that x-amz-trailer announced"));
        }
        to_headers(&pairs)
    }
}

fn to_headers(pairs: &[(String, &str)]) -> Result<HeaderMap, BodyError> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = name.parse::<HeaderName>().map_err(|_| BodyError::MalformedTrailer("a bad name"))?;
        let value = HeaderValue::from_str(value).map_err(|_| BodyError::MalformedTrailer("a bad value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn parse_size(text: &str) -> Result<u64, BodyError> {
    if text.is_empty() || text.len() > 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(BodyError::MalformedChunk("the size is not a hexadecimal number"));
    }
    u64::from_str_radix(text, 16).map_err(|_| BodyError::MalformedChunk("the size is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::signing::signing_key;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    const SCOPE: &str = "20130524/us-east-1/s3/aws4_request";

    fn signer(seed: &str) -> Box<ChunkSigner> {
        Box::new(ChunkSigner::for_test(
            signing_key(SECRET, "20130524", "us-east-1"),
            "20130524T000000Z",
            SCOPE,
            seed,
        ))
    }

    fn decode(mut decoder: Decoder, wire: &[u8], step: usize) -> Result<(Vec<u8>, HeaderMap), BodyError> {
        let mut out = Vec::new();
        for piece in wire.chunks(step) {
            let mut input = Bytes::copy_from_slice(piece);
            while let Some(data) = decoder.feed(&mut input)? {
                out.extend_from_slice(&data);
            }
        }
        Ok((out, decoder.finish()?))
    }

    /// The example of the S3 documentation, with its signatures.
    fn documented() -> Vec<u8> {
        let mut wire = Vec::new();
        wire.extend_from_slice(
            b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n",
        );
        wire.extend_from_slice(&[b'a'; 65536]);
        wire.extend_from_slice(
            b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n",
        );
        wire.extend_from_slice(&[b'a'; 1024]);
        wire.extend_from_slice(
            b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n\r\n",
        );
        wire.extend_from_slice(b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n");
        wire
    }

    const SEED: &str = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";

    fn documented_decoder() -> Decoder {
        Decoder::new(Some(signer(SEED)), Some(vec!["x-amz-checksum-crc32c".into()]), 66560)
    }

    #[test]
    fn the_documented_example_decodes_whatever_the_pieces() {
        for step in [1 << 20, 8192, 97] {
            let (data, trailer) = decode(documented_decoder(), &documented(), step).unwrap();
            assert_eq!(data, vec![b'a'; 66560]);
            assert_eq!(trailer.get("x-amz-checksum-crc32c").unwrap(), "sOO8/Q==");
        }
    }

    #[test]
    fn every_flipped_byte_is_noticed() {
        let wire = documented();
        // Data, signatures, sizes and trailer alike; steps of a prime number keep the test short.
        for at in (0..wire.len() - 4).step_by(61).chain(wire.len() - 140..wire.len() - 4) {
            let mut bad = wire.clone();
            bad[at] ^= 1;
            assert!(decode(documented_decoder(), &bad, 8192).is_err(), "byte {at}");
        }
    }

    #[test]
    fn cut_bodies_are_refused() {
        let wire = documented();
        let trailer_at = wire.len() - 4 - 33 - 88;
        for cut in [1, 100, 65_000, 66_000, wire.len() - 300, trailer_at, wire.len() - 90] {
            assert!(decode(documented_decoder(), &wire[..cut], 8192).is_err(), "cut at {cut}");
        }
        let no_trailer = Decoder::new(Some(signer(SEED)), Some(vec![]), 66560);
        assert!(
            decode(no_trailer, &wire[..trailer_at], 8192).is_err(),
            "a signed trailer cannot be left out"
        );
    }

    #[test]
    fn unsigned_bodies_keep_their_announced_length_and_trailer() {
        let decoder = |length, names: &[&str]| {
            Decoder::new(None, Some(names.iter().map(|n| (*n).into()).collect()), length)
        };
        let wire = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
        let (data, trailer) = decode(decoder(5, &["x-amz-checksum-crc32"]), wire, 3).unwrap();
        assert_eq!((data.as_slice(), trailer.len()), (&b"hello"[..], 1));
        assert_eq!(decode(decoder(4, &["x-amz-checksum-crc32"]), wire, 3).unwrap_err(), BodyError::TooLong);
        assert_eq!(
            decode(decoder(6, &["x-amz-checksum-crc32"]), wire, 3).unwrap_err(),
            BodyError::Incomplete
        );
        assert!(decode(decoder(5, &["x-amz-checksum-sha1"]), wire, 3).is_err());
        assert!(decode(decoder(5, &[]), wire, 3).is_err());
        assert!(decode(Decoder::new(None, None, 5), wire, 3).is_err());
        let missing_end = b"5\r\nhello\r\n";
        assert_eq!(decode(decoder(5, &[]), missing_end, 3).unwrap_err(), BodyError::Incomplete);
        assert!(decode(decoder(5, &[]), b"5x\r\nhello\r\n0\r\n\r\n", 3).is_err());
    }

    proptest::proptest! {
        #[test]
        fn noise_never_panics(noise in proptest::collection::vec(proptest::num::u8::ANY, 0..300), step in 1usize..50) {
            let _ = decode(Decoder::new(None, Some(vec![]), 100), &noise, step);
            let _ = decode(Decoder::new(Some(signer(SEED)), None, 100), &noise, step);
        }

        #[test]
        fn what_a_client_signs_is_read_back(sizes in proptest::collection::vec(1usize..5000, 0..6), step in 1usize..4000) {
            let mut client = signer(SEED);
            let (mut wire, mut all) = (Vec::new(), Vec::new());
            for (i, size) in sizes.iter().chain(&[0]).enumerate() {
                let data = vec![i as u8; *size];
                let signature = client.sign_chunk(&data);
                wire.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
                wire.extend_from_slice(&data);
                wire.extend_from_slice(b"\r\n");
                all.extend_from_slice(&data);
            }
            let (data, _) = decode(Decoder::new(Some(signer(SEED)), None, all.len() as u64), &wire, step).unwrap();
            proptest::prop_assert_eq!(data, all);
        }
    }
}
