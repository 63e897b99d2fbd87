//! Space inside a file: allocate, punch, find data and holes.

use std::sync::Arc;
use std::time::Duration;

use holdfast_client::{ClientError, OpenFile};
use holdfast_proto::op::{self, Op, Piece};

use crate::errno::Errno;
use crate::fs::file::{File, State};
use crate::fs::write::MAX_FILE_BYTES;
use crate::fs::{Fs, Outcome, SetAttr};

/// Pause before a file is looked at again because somebody changed it meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// What lseek(2) looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// The next byte that is data.
    Data,
    /// The next byte that lies in a hole; the end of the file is one.
    Hole,
}

impl Fs {
    /// fallocate(2). Nothing can be reserved in a cluster that places each chunk anew: allocating sets the length
    /// (unless told to keep it), punching and zeroing make holes, everything else is refused.
    ///
    /// What others did to the file meanwhile is not known here: the metaserver decides what is behind its end. With
    /// `clear_suid`, set-user-id and set-group-id go.
    pub async fn fallocate(
        &self,
        handle: u64,
        offset: u64,
        length: u64,
        mode: i32,
        clear_suid: bool,
    ) -> Outcome<()> {
        let handle = self.file_handle(handle)?;
        if !handle.writes() {
            return Err(Errno::BADF);
        }
        let end = offset.checked_add(length).filter(|end| *end <= MAX_FILE_BYTES).ok_or(Errno::FBIG)?;
        let keep = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
        let file = &handle.file;
        match mode & !libc::FALLOC_FL_KEEP_SIZE {
            0 => {
                if !keep {
                    let change =
                        SetAttr { size: Some(end), at_least: true, clear_suid, ..SetAttr::default() };
                    self.setattr(file.ino, change).await?;
                }
                Ok(())
            }
            libc::FALLOC_FL_PUNCH_HOLE if keep => self.clear(file, offset, length, true, clear_suid).await,
            libc::FALLOC_FL_ZERO_RANGE => self.clear(file, offset, length, keep, clear_suid).await,
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// Makes a range a hole.
    async fn clear(
        &self,
        file: &Arc<File>,
        offset: u64,
        length: u64,
        keep_size: bool,
        clear_suid: bool,
    ) -> Outcome<()> {
        let _quiet = self.quiet(file).await?;
        self.flush_locked(file).await?;
        let write = op::Write {
            ino: file.ino,
            pieces: vec![Piece { offset, length, source: None }],
            keep_size,
            clear_suid,
            ..op::Write::default()
        };
        let reply = self.client_of(file).mutate(Op::Write(write)).await?;
        self.install(file, reply)
    }

    /// Where data or a hole begins, from `offset` on.
    pub async fn seek(&self, handle: u64, offset: u64, whence: Whence) -> Outcome<u64> {
        let handle = self.file_handle(handle)?;
        let file = &handle.file;
        let _quiet = self.quiet(file).await?;
        self.flush_locked(file).await?;
        let found = tokio::time::timeout_at(self.deadline(), self.find(file, offset, whence)).await;
        found.unwrap_or_else(|_| {
            tracing::warn!(ino = file.ino, "looking for data or a hole took too long");
            Err(Errno::IO)
        })
    }

    /// Goes from extent to extent until the deadline of the caller, who holds the file's `flushing`. Where others change
    /// the file meanwhile, what lies ahead is looked at as it is by then.
    async fn find(&self, file: &Arc<File>, offset: u64, whence: Whence) -> Outcome<u64> {
        let (mut at, mut outrun) = (offset, None);
        loop {
            let looked = match outrun.take() {
                Some(old) => self.refresh_range(file, &old, at, u64::MAX, look).await?.flatten(),
                None => {
                    self.refresh(file).await?;
                    look(&mut file.state.lock())
                }
            };
            let Some((reader, size)) = looked else {
                // The answer was older than what another command told meanwhile.
                tokio::time::sleep(self.client().jittered(PAUSE)).await;
                continue;
            };
            if offset >= size {
                return Err(Errno::NXIO);
            }
            match walk(&reader, &mut at, whence).await {
                Ok(true) => return Ok(at),
                Ok(false) if whence == Whence::Hole => return Ok(size),
                Ok(false) => return Err(Errno::NXIO),
                Err(ClientError::Changed(_)) => outrun = Some(reader),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn look(state: &mut State) -> Option<(OpenFile, u64)> {
    let size = state.size();
    state.reader.as_ref().map(|reader| (reader.file.clone(), size))
}

/// Moves `at` to where it is as wanted. False: it is nowhere.
async fn walk(file: &OpenFile, at: &mut u64, whence: Whence) -> Result<bool, ClientError> {
    while let Some((data, end)) = file.stretch(*at).await? {
        if data == (whence == Whence::Data) {
            return Ok(true);
        }
        *at = end;
    }
    Ok(false)
}
