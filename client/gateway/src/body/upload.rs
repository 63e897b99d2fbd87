//! One request's body: its pieces in order, within its limits of time and length.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::auth::Payload;
use crate::body::BodyError;
use crate::body::checksum;
use crate::body::chunked::Decoder;
use crate::body::digest::Digester;

/// Limits on how slowly a body may come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Longest wait for the next bytes.
    pub(crate) idle: Duration,
    /// After this long,
    pub(crate) grace: Duration,
    /// at least this many bytes a second on average must have come.
    pub(crate) min_rate: u64,
}

/// A body that was not read yet, or only in part.
pub(crate) struct Upload {
    source: Option<Incoming>,
    decoder: Option<Decoder>,
    /// Bytes taken from the connection but not decoded.
    pending: Bytes,
    /// Decoded length, as announced.
    length: u64,
    seen: u64,
    wire: u64,
    pace: Pace,
    began: Instant,
    sha256: Option<[u8; 32]>,
    trailer: HeaderMap,
    ended: bool,
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload")
            .field("length", &self.length)
            .field("seen", &self.seen)
            .finish_non_exhaustive()
    }
}

/// What a request says about the length of its body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LengthError {
    #[error("you must provide the Content-Length HTTP header")]
    Missing,
    #[error("a length in the headers is not a number")]
    Invalid,
    #[error("x-amz-trailer is required with this way of signing")]
    NoTrailer,
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, LengthError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| LengthError::Invalid)?;
    if values.next().is_some() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(LengthError::Invalid);
    }
    text.parse().map(Some).map_err(|_| LengthError::Invalid)
}

fn announced_trailer(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all("x-amz-trailer");
    let names = values.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    names.map(|n| n.trim().to_ascii_lowercase()).filter(|n| !n.is_empty()).collect()
}

impl Upload {
    /// The body of a request whose signature was checked.
    pub(crate) fn new(
        source: Incoming,
        headers: &HeaderMap,
        payload: Payload,
        pace: Pace,
    ) -> Result<Self, LengthError> {
        let content_length = number(headers, "content-length")?;
        let chunked_length = number(headers, "x-amz-decoded-content-length")?;
        let empty = http_body::Body::is_end_stream(&source);
        let (decoder, length, sha256) = match payload {
            Payload::Unsigned | Payload::Hash(_) => {
                let length = content_length.or(empty.then_some(0)).ok_or(LengthError::Missing)?;
                let hash = if let Payload::Hash(hash) = payload { Some(hash) } else { None };
                (None, length, hash)
            }
            Payload::SignedChunks { signer, trailer } => {
                let length = chunked_length.ok_or(LengthError::Missing)?;
                let announced = Self::trailer_names(headers, trailer)?;
                (Some(Decoder::new(Some(signer), announced, length)), length, None)
            }
            Payload::UnsignedChunks => {
                let length = chunked_length.ok_or(LengthError::Missing)?;
                let announced = Self::trailer_names(headers, true)?;
                (Some(Decoder::new(None, announced, length)), length, None)
            }
        };
        Ok(Self {
            source: Some(source),
            decoder,
            pending: Bytes::new(),
            length,
            seen: 0,
            wire: 0,
            pace,
            began: Instant::now(),
            sha256,
            trailer: HeaderMap::new(),
            ended: false,
        })
    }

    fn trailer_names(headers: &HeaderMap, trailer: bool) -> Result<Option<Vec<String>>, LengthError> {
        if !trailer {
            return Ok(None);
        }
        let names = announced_trailer(headers);
        if names.is_empty() { Err(LengthError::NoTrailer) } else { Ok(Some(names)) }
    }

    /// Decoded length, as announced.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes taken from the connection so far.
    pub(crate) fn wire_bytes(&self) -> u64 {
        self.wire
    }

    /// The hash that the body was signed with.
    pub(crate) fn expected_sha256(&self) -> Option<&[u8; 32]> {
        self.sha256.as_ref()
    }

    /// The trailer; complete after the end.
    pub(crate) fn trailer(&self) -> &HeaderMap {
        &self.trailer
    }

    /// The next piece, or `None` after a good end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            if let Some(data) = self.decode()? {
                self.seen += data.len() as u64;
                if self.seen > self.length {
                    return Err(BodyError::TooLong);
                }
                return Ok(Some(data));
            }
            if self.ended {
                return Ok(None);
            }
            match self.receive().await? {
                Some(data) => self.pending = data,
                None => self.end()?,
            }
        }
    }

    fn decode(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        match &mut self.decoder {
            Some(decoder) => decoder.feed(&mut self.pending),
            None => Ok(Some(std::mem::take(&mut self.pending))),
        }
    }

    fn end(&mut self) -> Result<(), BodyError> {
        self.ended = true;
        self.source = None;
        if let Some(decoder) = self.decoder.take() {
            self.trailer = decoder.finish()?;
        }
        if self.seen != self.length {
            return Err(BodyError::Incomplete);
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, BodyError> {
        let Some(source) = &mut self.source else { return Ok(None) };
        loop {
            let frame = tokio::time::timeout(self.pace.idle, source.frame()).await;
            let frame = frame.map_err(|_| BodyError::TooSlow(self.pace.idle.as_secs()))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => {
                    let early =
                        error.is_incomplete_message() || error.is_body_write_aborted() || error.is_closed();
                    return Err(if early { BodyError::Incomplete } else { BodyError::Broken });
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.wire += data.len() as u64;
                    let age = self.began.elapsed();
                    if age > self.pace.grace && self.wire < self.pace.min_rate * age.as_secs() {
                        return Err(BodyError::TooSlow(age.as_secs()));
                    }
                    if !data.is_empty() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// Reads a short body whole and checks everything that was said about it in `headers`. With `own_checksum`
    /// the `x-amz-checksum-*` headers are about this body (and not about an object that the request names).
    pub(crate) async fn collect(
        mut self,
        headers: &HeaderMap,
        limit: u64,
        own_checksum: bool,
    ) -> Result<Bytes, CollectError> {
        if self.length > limit {
            return Err(BodyError::OverLimit(limit).into());
        }
        let md5 = checksum::content_md5(headers)?;
        let mut given = if own_checksum { checksum::given(headers)? } else { None };
        let in_trailer = if own_checksum { checksum::in_trailer(headers) } else { None };
        let algorithms: Vec<_> = given.as_ref().map(|g| g.algorithm).into_iter().chain(in_trailer).collect();
        let mut digester = Digester::new(&algorithms, self.sha256.is_some());
        let mut whole = BytesMut::new();
        let mut only: Option<Bytes> = None;
        while let Some(piece) = self.next().await? {
            digester.push(piece.clone()).await?;
            match only.take() {
                None if whole.is_empty() => only = Some(piece),
                None => whole.extend_from_slice(&piece),
                Some(first) => {
                    whole.extend_from_slice(&first);
                    whole.extend_from_slice(&piece);
                }
            }
        }
        if in_trailer.is_some() {
            given = checksum::given(&self.trailer)?;
        }
        digester.finish().await?.check(self.sha256.as_ref(), md5.as_ref(), given.as_ref())?;
        Ok(only.unwrap_or_else(|| whole.freeze()))
    }

    /// Reads and forgets what is left, if it is little, so that the connection can be used again and the client,
    /// which may still be sending, gets to read the answer.
    pub(crate) async fn drain(mut self, most: u64, patience: Duration) {
        let left = self.length.saturating_sub(self.seen);
        if self.ended || left > most {
            return;
        }
        let deadline = Instant::now() + patience;
        let budget = self.wire + most;
        while self.wire <= budget {
            match tokio::time::timeout_at(deadline, self.receive()).await {
                Ok(Ok(Some(_))) => {}
                Ok(Ok(None) | Err(_)) | Err(_) => return,
            }
        }
    }
}

/// Why a short body was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CollectError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Checksum(#[from] checksum::ChecksumError),
}
