//! Reads: what was written here and is not committed, on top of what is committed.
//!
//! What always holds: both come from one look under the file's lock, so a commit that ends meanwhile cannot make
//! bytes vanish or come twice. Committed content is at most [`MountConfig::attr_ttl`](crate::MountConfig) old.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_client::{ClientError, OpenFile};
use holdfast_proto::query::{GetExtents, GetInode, Query};
use tokio::time::{Instant, sleep_until};

use crate::errno::Errno;
use crate::fs::file::{File, Pieces, Reader, State};
use crate::fs::{Fs, Outcome};

/// Longest read answered at once: the kernel asks for at most 1 MiB.
const LONGEST: u64 = 16 << 20;

/// Times a read begins anew at once because the file changed under it; then it pauses.
const ROUNDS: usize = 16;

/// First and longest pause between such rounds.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// Rounds after which commits of this mount wait for the read.
const CALM_ROUNDS: usize = 4;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// What one look at the file says about a range.
struct Look {
    /// The range, cut at the end of the file.
    from: u64,
    to: u64,
    overlay: Vec<(u64, Bytes)>,
    reader: Option<Reader>,
}

impl Look {
    fn at(state: &mut State, from: u64, to: u64, ttl: Duration) -> Self {
        let end = state.size();
        if to > end {
            state.pages.read_to(end);
        }
        let to = to.min(end).max(from);
        let overlay = state.dirty.overlay(from, to);
        let fresh = state.reader.as_ref().filter(|reader| reader.at.elapsed() < ttl);
        let reader = fresh.cloned();
        Self { from, to, overlay, reader }
    }

    /// The range is known without a question.
    fn covered(&self) -> bool {
        let mut at = self.from;
        for (offset, bytes) in &self.overlay {
            if *offset != at {
                return false;
            }
            at += bytes.len() as u64;
        }
        at == self.to
    }
}

/// While there is one, appends wait until nobody holds the file's `flushing`.
struct Calm<'f>(&'f File);

impl<'f> Calm<'f> {
    fn new(file: &'f File) -> Self {
        file.state.lock().calm += 1;
        Self(file)
    }
}

impl Drop for Calm<'_> {
    fn drop(&mut self) {
        self.0.state.lock().calm -= 1;
    }
}

impl Fs {
    /// The bytes at an offset; fewer at the end of the file.
    pub async fn read(&self, handle: u64, offset: u64, length: u64) -> Outcome<Pieces> {
        let handle = self.file_handle(handle)?;
        self.check_locks(&handle.file)?;
        self.note_read(&handle);
        self.read_file(&handle.file, offset, length).await
    }

    /// Bytes that need no question and no wait, or `None`.
    pub fn read_now(&self, handle: u64, offset: u64, length: u64) -> Option<Outcome<Pieces>> {
        let handle = match self.file_handle(handle) {
            Ok(handle) => handle,
            Err(errno) => return Some(Err(errno)),
        };
        if let Err(errno) = self.check_locks(&handle.file) {
            return Some(Err(errno));
        }
        self.note_read(&handle);
        let end = offset.saturating_add(length.min(LONGEST));
        let mut state = handle.file.state.lock();
        if !state.tail.is_empty() {
            return None;
        }
        let look = Look::at(&mut state, offset, end, self.config().attr_ttl);
        drop(state);
        if look.covered() {
            let fresh = look.from < look.to || look.reader.is_some();
            return fresh.then(|| Ok(Pieces(look.overlay.into_iter().map(|(_, bytes)| bytes).collect())));
        }
        let reader = look.overlay.is_empty().then_some(look.reader.as_ref()?)?;
        let end = reader.file.size().clamp(look.from, look.to);
        let bytes = match (reader.file.inline(), &reader.nearby) {
            (Some(bytes), _) => {
                let length = bytes.len() as u64;
                bytes.slice(look.from.min(length) as usize..end.min(length) as usize)
            }
            (None, Some(image)) => image.read_now(look.from, end - look.from)?,
            (None, None) => return None,
        };
        let mut pieces = vec![bytes];
        pieces.extend(zeros(end, look.to));
        Some(Ok(Pieces(pieces)))
    }

    pub(crate) async fn read_file(&self, file: &Arc<File>, offset: u64, length: u64) -> Outcome<Pieces> {
        let end = offset.checked_add(length.min(LONGEST)).ok_or(Errno::INVAL)?;
        let deadline = self.deadline();
        let (mut pause, longest) = PAUSES;
        loop {
            if let Some(pieces) = self.read_rounds(file, offset, end).await? {
                return Ok(pieces);
            }
            // Commits of this mount go on meanwhile: nobody waits for a read for long.
            let again = Instant::now() + self.client().jittered(pause);
            if again >= deadline {
                tracing::warn!(ino = file.ino, "a file changes faster than it can be read");
                return Err(Errno::IO);
            }
            sleep_until(again).await;
            pause = (2 * pause).min(longest);
        }
    }

    /// `None`: the file changed under it each time.
    async fn read_rounds(&self, file: &Arc<File>, offset: u64, end: u64) -> Outcome<Option<Pieces>> {
        let (mut quiet, mut outrun) = (None, None);
        for round in 0..ROUNDS {
            // A file that is appended to and committed again and again must not starve its readers.
            if round >= CALM_ROUNDS && quiet.is_none() {
                quiet = Some((Calm::new(file), self.quiet(file).await?));
            }
            if !file.state.lock().tail.is_empty() {
                // Only the commit decides where appended bytes lie.
                match quiet {
                    Some(_) => self.flush_locked(file).await?,
                    None => self.flush(file).await?,
                }
            }
            let look = match outrun.take() {
                Some(reader) => self.look_at_range(file, &reader, offset, end).await?,
                None => look(&mut file.state.lock(), offset, end, self.config().attr_ttl),
            };
            let Some(look) = look else { continue };
            if look.from < look.to && look.covered() {
                return Ok(Some(Pieces(look.overlay.into_iter().map(|(_, bytes)| bytes).collect())));
            }
            let Some(reader) = look.reader.clone() else {
                self.refresh(file).await?;
                continue;
            };
            match self.compose(file, &look, &reader).await {
                Ok(pieces) => return Ok(Some(Pieces(pieces))),
                Err(ClientError::Changed(_)) => {
                    self.drop_reader(file, &reader.file);
                    outrun = Some(reader.file);
                }
                Err(error) => {
                    // Whoever asks again shall not be led to the same places.
                    self.drop_reader(file, &reader.file);
                    return Err(error.into());
                }
            }
        }
        Ok(None)
    }

    /// One look at a range of a file that changed before all was known of what `old` is: one answer tells both what the
    /// file is by now and where the range lies, so the next change comes too late for this read.
    async fn look_at_range(
        &self,
        file: &Arc<File>,
        old: &OpenFile,
        from: u64,
        to: u64,
    ) -> Outcome<Option<Look>> {
        // However long the answer took: it is not older than the read.
        let look = |state: &mut State| look(state, from, to, Duration::MAX);
        Ok(self.refresh_range(file, old, from, to, look).await?.flatten())
    }

    /// Keeps this mount from committing to the file.
    pub(crate) async fn quiet<'f>(&self, file: &'f File) -> Outcome<tokio::sync::MutexGuard<'f, ()>> {
        tokio::time::timeout_at(self.deadline(), file.flushing.lock()).await.map_err(|_| Errno::IO)
    }

    fn drop_reader(&self, file: &File, reader: &OpenFile) {
        let mut state = file.state.lock();
        if state.reader.as_ref().is_some_and(|held| held.file.inode().version == reader.inode().version) {
            state.reader = None;
        }
    }

    /// Asks for the committed content as it is now.
    pub(crate) async fn refresh(&self, file: &Arc<File>) -> Outcome<()> {
        let asked = Instant::now();
        let question = Query::GetInode(GetInode { ino: file.ino, content: true, open: 0 });
        let answer = self.client().ask(question).await?;
        let old = file.state.lock().reader.clone();
        let opened = match old {
            Some(old) => old.file.renewed(answer)?,
            None => self.client().opened(answer)?,
        };
        self.adopt(file, opened, asked, |_| ());
        Ok(())
    }

    /// As [`Fs::refresh`], for a range of a file that others change all the time: where the range lies is known from the
    /// same answer. `None`: that was older than what is known here, or came without the content.
    pub(crate) async fn refresh_range<T>(
        &self,
        file: &Arc<File>,
        old: &OpenFile,
        from: u64,
        to: u64,
        look: impl FnOnce(&mut State) -> T,
    ) -> Outcome<Option<T>> {
        let asked = Instant::now();
        let question = GetExtents { ino: file.ino, offset: from, end: to, if_version: 0 };
        let answer = self.client().ask(Query::GetExtents(question)).await?;
        match old.renewed_range(answer, from, to)? {
            Some(opened) => Ok(self.adopt(file, opened, asked, look)),
            None => {
                self.refresh(file).await?;
                Ok(None)
            }
        }
    }

    /// Takes an answer for what is committed, and looks at the file with it under the same lock. `None`: it is older
    /// than what is known.
    fn adopt<T>(
        &self,
        file: &File,
        opened: OpenFile,
        asked: Instant,
        look: impl FnOnce(&mut State) -> T,
    ) -> Option<T> {
        let mut state = file.state.lock();
        let void = state.kernel_version != 0 && state.kernel_version != opened.inode().version;
        if !state.learn(opened.inode()) {
            return None;
        }
        let nearby = self.shared.nearby(file.ino, opened.inode().version);
        state.reader = Some(Reader { file: opened, at: asked, nearby });
        let seen = look(&mut state);
        if void {
            let version = state.inode.version;
            state.kernel_drops(version);
            drop(state);
            self.invalidate(file.ino);
        }
        Some(seen)
    }

    /// Puts committed bytes and overlay together.
    async fn compose(&self, file: &File, look: &Look, reader: &Reader) -> Result<Vec<Bytes>, ClientError> {
        let mut pieces = Vec::new();
        let mut at = look.from;
        for (offset, bytes) in &look.overlay {
            pieces.extend(self.committed(file, reader, at, *offset).await?);
            pieces.push(bytes.clone());
            at = offset + bytes.len() as u64;
        }
        pieces.extend(self.committed(file, reader, at, look.to).await?);
        Ok(pieces)
    }

    /// Committed bytes, with zeros behind their end: whatever is longer was written here.
    async fn committed(
        &self,
        file: &File,
        reader: &Reader,
        from: u64,
        to: u64,
    ) -> Result<Vec<Bytes>, ClientError> {
        if from >= to {
            return Ok(Vec::new());
        }
        let end = reader.file.size().clamp(from, to);
        let mut pieces = match reader.nearby_bytes(self, from, end).await {
            Some(bytes) => vec![bytes],
            None => {
                self.count_read(file, end - from);
                reader.file.pieces_at(from, end - from).await?
            }
        };
        pieces.extend(zeros(end, to));
        Ok(pieces)
    }
}

/// One look at the file. `None`: what was appended must be committed first.
fn look(state: &mut State, from: u64, to: u64, ttl: Duration) -> Option<Look> {
    state.tail.is_empty().then(|| Look::at(state, from, to, ttl))
}

fn zeros(from: u64, to: u64) -> impl Iterator<Item = Bytes> {
    let mut left = to.saturating_sub(from) as usize;
    std::iter::from_fn(move || {
        let bytes = ZEROS.get(..left.min(ZEROS.len())).unwrap_or_default();
        left -= bytes.len();
        (!bytes.is_empty()).then(|| Bytes::from_static(bytes))
    })
}
