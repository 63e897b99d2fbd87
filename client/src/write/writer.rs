//! A stream on its way into the cluster: inline if it stays small, else chunks, several in flight.
//!
//! What always holds:
//! - Memory: a writer waits for a share of the byte budget only while it holds no part of it in an unsent buffer.
//!   A stream's first buffer is small and comes from a budget of its own; the writer waits for a full one holding
//!   only that. So any number of writers gets on under any budget, without deadlock.
//! - A payload byte is copied once (into its chunk), or not at all: what arrives as one piece and is a whole
//!   chunk, or all of a content of known length, is sent as it is.
//! - The first error is final: the content is never short without being said so.

use bytes::{Buf as _, Bytes, BytesMut};
use holdfast_proto::ids::ClassId;
use holdfast_proto::map::{StorageClass, redundancy};
use holdfast_proto::status::Status;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::ClientError;
use crate::inner::over_budget;
use crate::write::buffer::{Filling, Sealed};
use crate::write::content::{Content, MAX_CHUNKS, Stored};
use crate::write::place::{self, copies_needed};

/// First buffer of a stream, in bytes.
const STARTER_BYTES: u64 = 256 << 10;

/// Bytes copied and checksummed before other tasks get a turn: about 100 µs.
const TURN_BYTES: usize = 512 << 10;

/// How a stream is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteOptions {
    /// Its length, if known. Anything else is then an error.
    pub size: Option<u64>,
    /// When the whole must be written; absent: each chunk has the client's limit of its own.
    pub deadline: Option<Instant>,
    /// Never inline, however short.
    pub chunks_only: bool,
}

/// Takes a stream and makes it durable, invisible yet. See [`Client::writer`].
pub struct ContentWriter {
    client: Client,
    class: StorageClass,
    options: WriteOptions,
    needed: Result<usize, ClientError>,
    size: u64,
    /// Pieces that may turn out to be all there is.
    staged: Vec<Bytes>,
    staged_bytes: u64,
    filling: Option<Box<Filling>>,
    /// Bytes that are in chunks being sent or sent.
    sealed: u64,
    sent: usize,
    sending: JoinSet<(usize, Result<Stored, ClientError>)>,
    stored: Vec<(usize, Stored)>,
    failed: Option<ClientError>,
}

impl ContentWriter {
    pub(crate) fn new(client: Client, class: &StorageClass, options: WriteOptions) -> Self {
        Self {
            client,
            class: class.clone(),
            options,
            needed: copies_needed(class),
            size: 0,
            staged: Vec::new(),
            staged_bytes: 0,
            filling: None,
            sealed: 0,
            sent: 0,
            sending: JoinSet::new(),
            stored: Vec::new(),
            failed: None,
        }
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Chunks so far, the one being filled included.
    pub fn chunk_count(&self) -> usize {
        self.sent + usize::from(self.filling.is_some())
    }

    /// Whether the next bytes may still go into the same command (see [`MAX_CHUNKS`]).
    pub fn has_room(&self) -> bool {
        self.sent < MAX_CHUNKS
    }

    /// Takes the next bytes. Waits while too much is in flight.
    pub async fn write(&mut self, data: Bytes) -> Result<(), ClientError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.take(data).await;
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.sending.abort_all();
        }
        result
    }

    async fn take(&mut self, data: Bytes) -> Result<(), ClientError> {
        if data.is_empty() {
            return Ok(());
        }
        self.size += data.len() as u64;
        if let Some(expected) = self.options.size
            && self.size > expected
        {
            return Err(ClientError::Invalid(format!("more than the {expected} bytes announced")));
        }
        if self.sent == 0 && self.filling.is_none() && self.fits_inline(self.size) {
            self.staged_bytes = self.size;
            self.staged.push(data);
            return Ok(());
        }
        self.needed.clone()?;
        for piece in self.unstage() {
            self.absorb(piece).await?;
        }
        self.absorb(data).await
    }

    fn unstage(&mut self) -> Vec<Bytes> {
        self.staged_bytes = 0;
        std::mem::take(&mut self.staged)
    }

    fn fits_inline(&self, size: u64) -> bool {
        !self.options.chunks_only
            && size <= self.class.inline_limit
            && self.options.size.unwrap_or(0) <= self.class.inline_limit
    }

    fn chunk_bytes(&self) -> u64 {
        self.class.chunk_bytes.max(1)
    }

    /// Bytes that are not in sent chunks nor in the current one, if the length is known.
    fn rest(&self) -> Option<u64> {
        let current = self.filling.as_ref().map_or(0, |filling| filling.filled() as u64);
        self.options.size.map(|size| size.saturating_sub(self.sealed + current))
    }

    async fn absorb(&mut self, mut data: Bytes) -> Result<(), ClientError> {
        while !data.is_empty() {
            let Some(filling) = &mut self.filling else {
                let here = data.len() as u64;
                if here >= self.chunk_bytes() || Some(here) == self.rest() {
                    let whole = data.split_to(here.min(self.chunk_bytes()) as usize);
                    self.send_as_is(whole).await?;
                } else {
                    self.begin().await?;
                }
                continue;
            };
            if filling.room() == 0 {
                self.next_buffer().await?;
                continue;
            }
            let turn = data.len().min(TURN_BYTES);
            let took = filling.append(data.get(..turn).unwrap_or_default());
            data.advance(took);
            if filling.filled() as u64 >= self.chunk_bytes() || self.rest() == Some(0) {
                self.send_filling(false).await?;
            }
            if !data.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        let own = self.client.deadline();
        self.options.deadline.map_or(own, |whole| whole.min(own))
    }

    /// Memory that a buffer of this length comes to: shards are cut out of it beside it.
    fn cost(&self, bytes: u64) -> u64 {
        let shards = match self.class.redundancy.and_then(|redundancy| redundancy.kind) {
            Some(redundancy::Kind::Erasure(shape)) => {
                bytes * u64::from(shape.data + shape.parity) / u64::from(shape.data.max(1))
            }
            _ => 0,
        };
        (bytes + shards).min(self.client.inner().budget.limit())
    }

    /// The most the chunk that begins now can become.
    fn expected_chunk(&self) -> u64 {
        self.rest().unwrap_or(u64::MAX).clamp(1, self.chunk_bytes())
    }

    async fn begin(&mut self) -> Result<(), ClientError> {
        let expected = self.expected_chunk();
        let deadline = self.deadline();
        let inner = self.client.inner();
        // A stream that has shown that it is long gets whole buffers at once.
        let starter = self.sent == 0 && (expected > STARTER_BYTES || self.options.size.is_none());
        let (budget, bytes) = match starter {
            true => (&inner.starters, expected.min(STARTER_BYTES)),
            false => (&inner.budget, expected),
        };
        let cost = self.cost(bytes).min(budget.limit());
        let permit = budget.take(cost, deadline).await.map_err(over_budget)?;
        self.filling = Some(Box::new(Filling::new(bytes as usize, permit)));
        Ok(())
    }

    /// The starter is full: move on to a buffer for the whole chunk.
    async fn next_buffer(&mut self) -> Result<(), ClientError> {
        let filled = self.filling.as_ref().map_or(0, |filling| filling.filled() as u64);
        let capacity = self.rest().map_or(u64::MAX, |rest| filled + rest).min(self.chunk_bytes());
        let cost = self.cost(capacity);
        let permit = self.client.inner().budget.take(cost, self.deadline()).await.map_err(over_budget)?;
        if let Some(filling) = &mut self.filling {
            filling.grow(capacity as usize, permit);
        }
        Ok(())
    }

    async fn send_as_is(&mut self, data: Bytes) -> Result<(), ClientError> {
        let cost = self.cost(data.len() as u64);
        let permit = self.client.inner().budget.take(cost, self.deadline()).await.map_err(over_budget)?;
        let sealed = Sealed::of(data, permit).await?;
        let last = self.options.size == Some(self.sealed + sealed.data.len() as u64);
        self.send(sealed, last).await
    }

    async fn send_filling(&mut self, last: bool) -> Result<(), ClientError> {
        match self.filling.take() {
            Some(filling) => {
                let last = last
                    || self.options.size == Some(self.size)
                        && self.sealed + filling.filled() as u64 == self.size;
                self.send(filling.seal(), last).await
            }
            None => Ok(()),
        }
    }

    /// Sends a chunk in a task of its own. Of the last one the bytes are kept until the commit, in case it must be
    /// written anew: no further budget is needed by then, so keeping them blocks nobody.
    async fn send(&mut self, chunk: Sealed, last: bool) -> Result<(), ClientError> {
        if self.sent >= MAX_CHUNKS {
            return Err(ClientError::Invalid(format!("more than {MAX_CHUNKS} chunks in one content")));
        }
        while self.sending.len() >= self.client.inner().config.chunks_in_flight.max(1) {
            self.reap().await?;
        }
        let at = self.sent;
        self.sent += 1;
        self.sealed += chunk.data.len() as u64;
        let (inner, class, deadline) = (self.client.inner().clone(), self.class.clone(), self.deadline());
        self.sending.spawn(async move {
            let mut result = place::store(&inner, &class, &chunk, deadline).await;
            if let (true, Ok(stored)) = (last, &mut result) {
                stored.retained = Some(chunk.data.clone());
            }
            (at, result)
        });
        Ok(())
    }

    async fn reap(&mut self) -> Result<(), ClientError> {
        match self.sending.join_next().await {
            Some(Ok((at, Ok(stored)))) => self.stored.push((at, stored)),
            Some(Ok((_, Err(error)))) => return Err(error),
            Some(Err(error)) => return Err(ClientError::Refused(Status::internal(error.to_string()))),
            None => {}
        }
        Ok(())
    }

    /// The stream is complete: waits until every chunk is durable.
    pub async fn finish(mut self) -> Result<Content, ClientError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if let Some(expected) = self.options.size
            && expected != self.size
        {
            let got = self.size;
            return Err(ClientError::Invalid(format!("{got} bytes instead of the {expected} announced")));
        }
        let class = ClassId(self.class.id);
        if self.sent == 0 && self.filling.is_none() {
            let inline = (self.size > 0).then(|| join(self.unstage()));
            return Ok(Content { class, size: self.size, inline, chunks: Vec::new() });
        }
        self.send_filling(true).await?;
        while !self.sending.is_empty() {
            self.reap().await?;
        }
        self.stored.sort_unstable_by_key(|(at, _)| *at);
        let chunks = std::mem::take(&mut self.stored).into_iter().map(|(_, stored)| stored).collect();
        Ok(Content { class, size: self.size, inline: None, chunks })
    }
}

fn join(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() <= 1 {
        return pieces.pop().unwrap_or_default();
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}
