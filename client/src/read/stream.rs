//! Delivers a range of a file in order while the next pieces are already under way.
//!
//! What always holds: pieces beyond the one that is due take their bytes from the read budget only if it has them
//! to spare. The one that is due waits for the budget for a moment and then goes ahead without: its reader may be
//! what others wait for (a copy holds write budget while it reads), so it must never starve. Memory beyond the
//! budget is therefore at most one piece per stream.

use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, Stream, StreamExt as _, unfold};
use holdfast_support::budget::BytePermit;
use tokio::time::Instant;

use crate::error::ClientError;
use crate::metrics::METRICS;
use crate::read::file::OpenFile;
use crate::read::layout::{Piece, Source};

/// Longest wait for read budget.
const BUDGET_WAIT: Duration = Duration::from_millis(250);

/// Pieces planned at once.
const PLAN: usize = 64;

type Fetched = (Result<Bytes, ClientError>, Option<BytePermit>);

/// A read under way.
pub(crate) struct ReadStream {
    file: OpenFile,
    /// Planned up to here.
    at: u64,
    end: u64,
    plan: VecDeque<Piece>,
    ahead: FuturesOrdered<BoxFuture<'static, Fetched>>,
    /// Pieces that may be under way; grows while the reader keeps reading.
    window: usize,
    over: bool,
}

impl ReadStream {
    pub(crate) fn new(file: OpenFile, from: u64, end: u64) -> Self {
        let plan = VecDeque::new();
        Self { file, at: from, end, plan, ahead: FuturesOrdered::new(), window: 2, over: false }
    }

    pub(crate) fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + Unpin + 'static {
        Box::pin(unfold(self, |mut stream| async move {
            let item = stream.next().await?;
            stream.over = item.is_err();
            Some((item, stream))
        }))
    }

    async fn next(&mut self) -> Option<Result<Bytes, ClientError>> {
        if self.over {
            return None;
        }
        if let Err(error) = self.fill().await {
            return Some(Err(error));
        }
        // The permit ends here: from now on the bytes are the reader's.
        let (result, _permit) = self.ahead.next().await?;
        let most = self.file.client().inner().config.read_ahead.max(1);
        self.window = (self.window * 2).min(most);
        Some(result)
    }

    /// Puts as many pieces under way as may be.
    async fn fill(&mut self) -> Result<(), ClientError> {
        while self.ahead.len() < self.window {
            let Some(piece) = self.planned().await? else { return Ok(()) };
            let permit = match self.permit(&piece).await {
                Some(permit) => permit,
                None => {
                    self.plan.push_front(piece);
                    return Ok(());
                }
            };
            let file = self.file.clone();
            let deadline = file.client().deadline();
            self.ahead.push_back(fetch(file, piece, permit, deadline));
        }
        Ok(())
    }

    async fn planned(&mut self) -> Result<Option<Piece>, ClientError> {
        if self.plan.is_empty() && self.at < self.end {
            // What is under way already need not wait for a page of extents to be delivered.
            if !self.ahead.is_empty() && self.file.needs_page(self.at, self.end) {
                return Ok(None);
            }
            self.plan.extend(self.file.pieces(self.at, self.end, PLAN).await?);
            if let Some(last) = self.plan.back() {
                self.at = last.offset + last.length;
            }
        }
        Ok(self.plan.pop_front())
    }

    /// The piece's share of the read budget; outer `None`: not now, inner `None`: it needs none.
    async fn permit(&mut self, piece: &Piece) -> Option<Option<BytePermit>> {
        if !matches!(piece.source, Source::Chunk { .. }) {
            return Some(None);
        }
        let budget = &self.file.client().inner().read_budget;
        if !self.ahead.is_empty() {
            return budget.try_take(piece.length).ok().map(Some);
        }
        match budget.take(piece.length, Instant::now() + BUDGET_WAIT).await {
            Ok(permit) => Some(Some(permit)),
            Err(_) => {
                METRICS.read_overdrafts.inc();
                Some(None)
            }
        }
    }
}

fn fetch(
    file: OpenFile,
    piece: Piece,
    permit: Option<BytePermit>,
    deadline: Instant,
) -> BoxFuture<'static, Fetched> {
    let work: std::pin::Pin<Box<dyn Future<Output = Fetched> + Send>> =
        Box::pin(async move { (file.fetch_piece(piece, deadline).await, permit) });
    work
}
