//! Space inside a file: allocate, punch, find data and holes.

use holdfast_proto::op::{self, Op, Piece};

use crate::errno::Errno;
use crate::fs::write::MAX_FILE_BYTES;
use crate::fs::{Fs, Outcome, SetAttr};

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
    pub async fn fallocate(&self, handle: u64, offset: u64, length: u64, mode: i32) -> Outcome<()> {
        let handle = self.file_handle(handle)?;
        if !handle.writes() {
            return Err(Errno::BADF);
        }
        let end = offset.checked_add(length).filter(|end| *end <= MAX_FILE_BYTES).ok_or(Errno::FBIG)?;
        let keep = mode & libc::FALLOC_FL_KEEP_SIZE != 0;
        let file = &handle.file;
        match mode & !libc::FALLOC_FL_KEEP_SIZE {
            0 => {
                if !keep && end > file.state.lock().size() {
                    let change = SetAttr { size: Some(end), ..SetAttr::default() };
                    self.setattr(file.ino, change).await?;
                }
                Ok(())
            }
            libc::FALLOC_FL_PUNCH_HOLE if keep => self.clear(file, offset, length, true).await,
            libc::FALLOC_FL_ZERO_RANGE => self.clear(file, offset, length, keep).await,
            _ => Err(Errno::OPNOTSUPP),
        }
    }

    /// Makes a range a hole.
    async fn clear(
        &self,
        file: &std::sync::Arc<crate::fs::file::File>,
        offset: u64,
        length: u64,
        keep_size: bool,
    ) -> Outcome<()> {
        let _quiet = self.quiet(file).await?;
        self.flush_locked(file).await?;
        let size = file.state.lock().inode.size;
        // A piece may not lie wholly behind the end if it does not grow the file.
        let length = if keep_size { length.min(size.saturating_sub(offset)) } else { length };
        if length == 0 {
            return Ok(());
        }
        let write = op::Write {
            ino: file.ino,
            pieces: vec![Piece { offset, length, source: None }],
            keep_size,
            ..op::Write::default()
        };
        let reply = self.client().mutate(Op::Write(write)).await?;
        self.install(file, reply)
    }

    /// Where data or a hole begins, from `offset` on.
    pub async fn seek(&self, handle: u64, offset: u64, whence: Whence) -> Outcome<u64> {
        let handle = self.file_handle(handle)?;
        let file = &handle.file;
        let _quiet = self.quiet(file).await?;
        self.flush_locked(file).await?;
        self.refresh(file).await?;
        let (reader, size) = {
            let state = file.state.lock();
            (state.reader.clone(), state.size())
        };
        if offset >= size {
            return Err(Errno::NXIO);
        }
        let reader = reader.ok_or(Errno::IO)?.file;
        let mut at = offset;
        while let Some((data, end)) = reader.stretch(at).await? {
            if data == (whence == Whence::Data) {
                return Ok(at);
            }
            at = end;
        }
        match whence {
            Whence::Hole => Ok(size),
            Whence::Data => Err(Errno::NXIO),
        }
    }
}
