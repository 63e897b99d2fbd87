//! Space inside a file: allocate, punch, find data and holes.

use holdfast_proto::op::{self, Op, Piece};

use crate::errno::Errno;
use crate::fs::write::MAX_FILE_BYTES;
use crate::fs::{Fs, Outcome, SetAttr};

/// Times that a file is looked at again because somebody changed it meanwhile.
const LOOKS: usize = 16;

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
        file: &std::sync::Arc<crate::fs::file::File>,
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
        let reply = self.client().mutate(Op::Write(write)).await?;
        self.install(file, reply)
    }

    /// Where data or a hole begins, from `offset` on.
    pub async fn seek(&self, handle: u64, offset: u64, whence: Whence) -> Outcome<u64> {
        let handle = self.file_handle(handle)?;
        let file = &handle.file;
        let _quiet = self.quiet(file).await?;
        self.flush_locked(file).await?;
        let mut tries = 0..LOOKS;
        let (reader, size) = loop {
            self.refresh(file).await?;
            let state = file.state.lock();
            match &state.reader {
                Some(reader) => break (reader.file.clone(), state.size()),
                // The answer was older than what another command told meanwhile.
                None if tries.next().is_some() => {}
                None => return Err(Errno::IO),
            }
        };
        if offset >= size {
            return Err(Errno::NXIO);
        }
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
