//! A file opened for reading: one version of it, whatever happens to its name meanwhile.
//!
//! What always holds: all bytes given out belong to the version that was opened. While any clone lives, its pin
//! keeps the version's chunks in the cluster, so a long read goes on across overwrite and deletion. If the file
//! itself is changed in place and its layout must be fetched again, the reader gets [`ClientError::Changed`].

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{Stream, StreamExt as _};
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{Extent, FileKind, Inode};
use holdfast_proto::map::StorageClass;
use holdfast_proto::query::{GetExtents, Query, QueryReply};
use holdfast_proto::status::{Code, Retry, Status};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::client::Client;
use crate::error::ClientError;
use crate::metrics::METRICS;
use crate::read::fetch::{Want, fetch};
use crate::read::layout::{Layout, Piece, Source};
use crate::read::stream::ReadStream;
use crate::session::Answer;
use crate::session::pins::Pin;

/// First wait before every member is asked again.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// Pages of extents fetched before a stream starts (1,000 extents each): from then on an overwrite cannot take
/// the layout away from it.
const PAGES_AHEAD: usize = 64;

/// Pieces that [`OpenFile::pieces_at`] has under way at once.
const PIECES_AT_ONCE: usize = 64;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// One version of a file. Cheap to clone.
#[derive(Clone)]
pub struct OpenFile {
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    inode: Inode,
    inline: Option<Bytes>,
    class: Option<StorageClass>,
    layout: Arc<Mutex<Layout>>,
    /// Absent: nothing is protected, see [`OpenFile::unprotected`].
    pin: Option<Pin>,
}

impl std::fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inode { ino, version, size, .. } = self.shared.inode;
        f.debug_struct("OpenFile").field("ino", &ino).field("version", &version).field("size", &size).finish()
    }
}

impl OpenFile {
    pub(crate) fn new(client: Client, answer: Answer) -> Result<Self, ClientError> {
        let Answer { mut reply, pin } = answer;
        let Some(inode) = reply.inode.take() else {
            return Err(ClientError::Refused(Status::internal("the answer holds no inode")));
        };
        if inode.kind() == FileKind::Directory {
            return Err(ClientError::Refused(Status::new(
                Code::IsADirectory,
                format!("{} is a directory", inode.ino),
            )));
        }
        if inode.inline && reply.inline.as_ref().is_none_or(|bytes| bytes.len() as u64 != inode.size) {
            return Err(ClientError::Refused(Status::internal("the answer lacks the inline content")));
        }
        let layout = Arc::new(Mutex::new(first_layout(&inode, &mut reply)));
        let shared =
            Shared { client, inode, inline: reply.inline, class: reply.class, layout, pin: Some(pin) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// What an answer with a page of extents tells of, for reading just that.
    pub(crate) fn of_page(client: Client, answer: Answer) -> Result<(Self, Vec<Extent>), ClientError> {
        let Answer { mut reply, pin } = answer;
        let Some(inode) = reply.inode.take() else {
            return Err(ClientError::Refused(Status::internal("the answer holds no inode")));
        };
        let extents = std::mem::take(&mut reply.extents);
        let mut layout = Layout::default();
        if let (Some(first), Some(last)) = (extents.first(), extents.last()) {
            layout.learn(first.offset, last.end(), extents.iter().cloned());
        }
        let layout = Arc::new(Mutex::new(layout));
        let shared = Shared { client, inode, inline: None, class: None, layout, pin: Some(pin) };
        Ok((Self { shared: Arc::new(shared) }, extents))
    }

    /// The same file as a later answer to the same question tells of it: what is known of the layout is kept if the
    /// content is still the same, and only what lived at the later answer stays protected.
    pub fn renewed(&self, answer: Answer) -> Result<Self, ClientError> {
        let later = Self::new(self.client().clone(), answer)?;
        if as_known(later.inode()) != as_known(self.inode()) || later.inode().inline {
            return Ok(later);
        }
        let Shared { inode, inline, class, pin, .. } = match Arc::try_unwrap(later.shared) {
            Ok(shared) => shared,
            Err(shared) => return Ok(Self { shared }),
        };
        let (client, layout) = (self.client().clone(), self.shared.layout.clone());
        Ok(Self { shared: Arc::new(Shared { client, inode, inline, class, layout, pin }) })
    }

    /// The same, but its chunks may go: for [`OpenFile::renewed`] later, so that nothing dead is kept in the cluster
    /// for who may never read again.
    pub fn unprotected(&self) -> Self {
        let Shared { client, inode, inline, class, layout, .. } = &*self.shared;
        let (client, inode, inline) = (client.clone(), inode.clone(), inline.clone());
        let (class, layout) = (class.clone(), layout.clone());
        Self { shared: Arc::new(Shared { client, inode, inline, class, layout, pin: None }) }
    }

    /// Whether its chunks stay while it lives.
    pub fn is_protected(&self) -> bool {
        self.shared.pin.is_some()
    }

    /// The file as an answer to [`GetExtents`] of `from..to`, of any version, tells of it. The answer alone is one
    /// consistent look at the range (at its beginning, if it takes more than one page), so a file that others never
    /// stop changing can be read. `None`: the content lies in the metadata and did not come with the answer.
    pub fn renewed_range(&self, answer: Answer, from: u64, to: u64) -> Result<Option<Self>, ClientError> {
        let covered = covered(&answer.reply, from, to)?;
        let Answer { mut reply, pin } = answer;
        let Some(inode) = reply.inode.take() else {
            return Err(ClientError::Refused(Status::internal("the answer holds no inode")));
        };
        if inode.inline {
            return Ok(None);
        }
        let same = as_known(&inode) == as_known(self.inode());
        let layout = if same { self.shared.layout.clone() } else { Arc::default() };
        layout.lock().learn(from, covered, reply.extents);
        let (client, class) = (self.client().clone(), self.shared.class.clone());
        Ok(Some(Self {
            shared: Arc::new(Shared { client, inode, inline: None, class, layout, pin: Some(pin) }),
        }))
    }

    /// The inode as it was when the file was opened.
    pub fn inode(&self) -> &Inode {
        &self.shared.inode
    }

    /// The class that new content of the file would get.
    pub fn class(&self) -> Option<&StorageClass> {
        self.shared.class.as_ref()
    }

    /// Length in bytes.
    pub fn size(&self) -> u64 {
        self.shared.inode.size
    }

    /// The bytes of a range, in order, fetched ahead. The range is cut at the end of the file. Each piece has the
    /// client's time limit of its own. The stream ends after an error.
    pub fn read(
        &self,
        range: Range<u64>,
    ) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + Unpin + 'static {
        let end = range.end.min(self.size());
        ReadStream::new(self.clone(), range.start.min(end), end).into_stream()
    }

    /// The bytes at an offset, as one buffer; fewer at the end of the file.
    pub async fn read_at(&self, offset: u64, length: u64) -> Result<Bytes, ClientError> {
        let mut stream = self.read(offset..offset.saturating_add(length));
        let Some(first) = stream.next().await.transpose()? else { return Ok(Bytes::new()) };
        let Some(second) = stream.next().await.transpose()? else { return Ok(first) };
        let expected = length.min(self.size().saturating_sub(offset));
        let mut whole = BytesMut::with_capacity(expected as usize);
        whole.extend_from_slice(&first);
        whole.extend_from_slice(&second);
        while let Some(piece) = stream.next().await.transpose()? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// The bytes at an offset in the pieces they came in, all fetched at once; fewer at the end of the file. For
    /// short ranges: the caller bounds the memory.
    pub async fn pieces_at(&self, offset: u64, length: u64) -> Result<Vec<Bytes>, ClientError> {
        let end = offset.saturating_add(length).min(self.size());
        let (mut at, mut bytes) = (offset, Vec::new());
        // A range that is one piece long is not cut where pieces of streams are: in two it costs twice the requests,
        // and putting it together.
        let cut_at = if length <= self.piece_bytes() { u64::MAX } else { self.piece_bytes() };
        while at < end {
            let pieces = self.pieces_cut_at(cut_at, at, end, PIECES_AT_ONCE).await?;
            at = pieces.last().map_or(end, |piece| piece.offset + piece.length);
            let deadline = self.client().deadline();
            let fetched = pieces.into_iter().map(|piece| self.fetch_piece(piece, deadline));
            bytes.extend(futures::future::try_join_all(fetched).await?);
        }
        Ok(bytes)
    }

    /// Whether the byte at `from` is data (`Some(true)`) or lies in a hole (`Some(false)`), and up to where that is
    /// known to go on; `None` at or behind the end of the file. At most one page of extents is fetched.
    pub async fn stretch(&self, from: u64) -> Result<Option<(bool, u64)>, ClientError> {
        let size = self.size();
        if from >= size {
            return Ok(None);
        }
        if self.shared.inline.is_some() {
            return Ok(Some((true, size)));
        }
        let stretch = |layout: &Layout, known_to| layout.stretch(from, known_to);
        Ok(Some(self.known(from, size, stretch).await?))
    }

    /// The whole content, if it came with the answer.
    pub fn inline(&self) -> Option<&Bytes> {
        self.shared.inline.as_ref()
    }

    /// The ranges that extents with bytes of their own cover, in order. There are few of them in any file.
    pub async fn carried(&self) -> Result<Vec<(u64, Bytes)>, ClientError> {
        let (mut at, mut found) = (0, Vec::new());
        // The inode says how many there are: what lies behind the last one need not be looked at.
        while at < self.size() && found.len() < self.shared.inode.inline_extents as usize {
            let carried = |layout: &Layout, known_to| (known_to, layout.carried(at, known_to));
            let (known_to, carried) = self.known(at, self.size(), carried).await?;
            found.extend(carried);
            at = known_to;
        }
        Ok(found)
    }

    /// Looks at the extents from `from` on, up to where they are known (`to` at the latest), once the first are.
    async fn known<T>(&self, from: u64, to: u64, look: impl Fn(&Layout, u64) -> T) -> Result<T, ClientError> {
        loop {
            {
                // Under one lock: who fetches other pages may have the layout forget these.
                let layout = self.shared.layout.lock();
                let known_to = layout.unknown(from, to).unwrap_or(to);
                if known_to > from {
                    return Ok(look(&layout, known_to));
                }
            }
            self.fetch_page(from, to).await?;
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.shared.client
    }

    /// The next pieces from `from` on; their extents are fetched if need be.
    pub(crate) async fn pieces(&self, from: u64, to: u64, most: usize) -> Result<Vec<Piece>, ClientError> {
        self.pieces_cut_at(self.piece_bytes(), from, to, most).await
    }

    async fn pieces_cut_at(
        &self,
        cut_at: u64,
        from: u64,
        to: u64,
        most: usize,
    ) -> Result<Vec<Piece>, ClientError> {
        if let Some(bytes) = &self.shared.inline {
            let bytes = bytes.slice(from as usize..to as usize);
            return Ok(vec![Piece { offset: from, length: to - from, source: Source::Inline(bytes) }]);
        }
        let mut pages = 0;
        loop {
            let at = {
                // Under one lock: what the layout was made to forget meanwhile must not be taken for a hole.
                let layout = self.shared.layout.lock();
                match layout.unknown(from, to) {
                    None => return Ok(layout.pieces(from, to, cut_at, most)),
                    // What is known already is enough to go on with, once the first pages are in.
                    Some(at) if at > from && pages >= PAGES_AHEAD => {
                        return Ok(layout.pieces(from, at, cut_at, most));
                    }
                    Some(at) => at,
                }
            };
            self.fetch_page(at, to).await?;
            pages += 1;
        }
    }

    fn unknown(&self, from: u64, to: u64) -> Option<u64> {
        self.shared.layout.lock().unknown(from, to)
    }

    /// Whether the extents at `from` must be fetched before the next piece.
    pub(crate) fn needs_page(&self, from: u64, to: u64) -> bool {
        self.shared.inline.is_none() && self.unknown(from, to) == Some(from)
    }

    fn piece_bytes(&self) -> u64 {
        self.client().inner().config.read_piece_bytes.max(4096)
    }

    async fn fetch_page(&self, at: u64, to: u64) -> Result<(), ClientError> {
        let Inode { ino, version, .. } = self.shared.inode;
        let query = Query::GetExtents(GetExtents { ino, offset: at, end: to, if_version: version });
        let client = self.client();
        let answer = client.inner().question(query, false, client.deadline()).await?;
        let status = answer.reply.status.clone().unwrap_or_default();
        match status.kind() {
            Code::Ok => {}
            Code::PreconditionFailed | Code::StaleInode | Code::NotFound => {
                return Err(ClientError::Changed(Ino(ino)));
            }
            _ => return Err(ClientError::Refused(status)),
        }
        let covered = covered(&answer.reply, at, to)?;
        self.shared.layout.lock().learn(at, covered, answer.reply.extents);
        Ok(())
    }

    /// The verified bytes of one piece, whatever it takes until the deadline.
    pub(crate) async fn fetch_piece(&self, piece: Piece, deadline: Instant) -> Result<Bytes, ClientError> {
        match piece.source {
            Source::Hole => Ok(Bytes::from_static(ZEROS.get(..piece.length as usize).unwrap_or(&ZEROS))),
            Source::Inline(bytes) => Ok(bytes),
            Source::Chunk { chunk, offset, chunk_bytes } => {
                let want = Want { chunk, offset, length: piece.length, chunk_bytes };
                self.fetch_chunk(want, piece.offset, deadline).await
            }
        }
    }

    /// First with the group as known; then with the group as it is now; then from where the file's layout, looked
    /// up again, says; then again, at growing intervals.
    async fn fetch_chunk(&self, mut want: Want, at: u64, deadline: Instant) -> Result<Bytes, ClientError> {
        let inner = self.client().inner();
        let mut wait = FIRST_WAIT;
        let mut round = 0u32;
        loop {
            let group = match round {
                0 => inner.group(want.chunk.pg, deadline).await,
                _ => inner.fetch_group(want.chunk.pg, deadline).await,
            };
            let map = inner.map();
            let outcome = match group {
                Ok(_) => fetch(inner, &map, want, deadline).await,
                Err(status) => Err(status),
            };
            let last = match outcome {
                Ok(bytes) => return Ok(bytes),
                Err(status) => status,
            };
            // Members that are merely busy need time, not another lookup.
            let busy = match last.retry() {
                Retry::Busy { after } => Some(after),
                _ => None,
            };
            round += u32::from(busy.is_none());
            if round >= 2 || busy.is_some() {
                if busy.is_none() {
                    let pieces = self.look_up_again(want, at).await?;
                    want = match pieces.as_slice() {
                        [Piece { source: Source::Chunk { chunk, offset, chunk_bytes }, .. }] => {
                            Want { chunk: *chunk, offset: *offset, chunk_bytes: *chunk_bytes, ..want }
                        }
                        // It lies in several places now.
                        _ => return Box::pin(self.gather(pieces, deadline)).await,
                    };
                }
                let again = Instant::now() + inner.jittered(busy.unwrap_or_default().max(wait));
                if again >= deadline {
                    METRICS.deadlines.with_label_values(&["read"]).inc();
                    return Err(ClientError::Unreadable { chunk: want.chunk, last });
                }
                sleep_until(again).await;
                wait = (2 * wait).min(Duration::from_secs(1));
            } else if Instant::now() >= deadline {
                METRICS.deadlines.with_label_values(&["read"]).inc();
                return Err(ClientError::Unreadable { chunk: want.chunk, last });
            }
            METRICS.retries.with_label_values(&["read"]).inc();
        }
    }

    /// The same bytes of the file may lie elsewhere by now (a worker joined small extents): where, in order.
    async fn look_up_again(&self, want: Want, at: u64) -> Result<Vec<Piece>, ClientError> {
        let end = at + want.length;
        match self.fetch_page(at, end).await {
            Ok(()) => self.pieces(at, end, usize::MAX).await,
            // The inode is gone, but its chunks are kept by our pin: go on with what we have.
            Err(ClientError::Changed(_)) if self.is_gone().await => {
                let Want { chunk, offset, chunk_bytes, .. } = want;
                let source = Source::Chunk { chunk, offset, chunk_bytes };
                Ok(vec![Piece { offset: at, length: want.length, source }])
            }
            Err(error) => Err(error),
        }
    }

    async fn gather(&self, pieces: Vec<Piece>, deadline: Instant) -> Result<Bytes, ClientError> {
        let mut whole = BytesMut::new();
        for piece in pieces {
            whole.extend_from_slice(&self.fetch_piece(piece, deadline).await?);
        }
        Ok(whole.freeze())
    }

    async fn is_gone(&self) -> bool {
        let query = holdfast_proto::query::GetInode { ino: self.shared.inode.ino, ..Default::default() };
        let client = self.client();
        match client.inner().question(Query::GetInode(query), false, client.deadline()).await {
            Ok(answer) => matches!(
                answer.reply.status.as_ref().map(Status::kind),
                Some(Code::NotFound | Code::StaleInode)
            ),
            Err(_) => false,
        }
    }
}

/// What is the same as long as the layout is: where small extents were joined, their number tells.
fn as_known(inode: &Inode) -> (u64, u64) {
    (inode.version, inode.extent_count)
}

/// Up to where a page of the extents of `from..to` tells of the file.
fn covered(reply: &QueryReply, from: u64, to: u64) -> Result<u64, ClientError> {
    match (reply.more, reply.extents.last()) {
        (false, _) => Ok(to),
        (true, Some(last)) if last.end() > from => Ok(last.end()),
        (true, _) => Err(ClientError::Refused(Status::internal("a page of extents leads nowhere"))),
    }
}

/// What the answer to the open tells about the layout.
fn first_layout(inode: &Inode, reply: &mut QueryReply) -> Layout {
    let mut layout = Layout::default();
    if inode.inline {
        return layout;
    }
    let embedded = inode.extents.len() as u64 == inode.extent_count;
    let extents: Vec<Extent> = match embedded {
        true => inode.extents.clone(),
        false => std::mem::take(&mut reply.extents),
    };
    let all = extents.len() as u64 >= inode.extent_count;
    let known_to = if all { inode.size } else { extents.last().map_or(0, Extent::end) };
    layout.learn(0, known_to, extents);
    layout
}
