//! copy_file_range(2): by reference, no byte moves. Where a file may not refer to so many small pieces, the kernel is
//! told that this does not work here, and copies by reading and writing.

use holdfast_proto::op::{self, CopyRange, Op};
use holdfast_proto::status::Code;

use crate::errno::Errno;
use crate::fs::{Fs, Outcome};

impl Fs {
    /// Copies a range; returns how many bytes were copied, fewer at the end of the source. With `clear_suid`,
    /// set-user-id and set-group-id of the target go.
    pub async fn copy_range(
        &self,
        (source, source_offset): (u64, u64),
        (target, target_offset): (u64, u64),
        length: u64,
        clear_suid: bool,
    ) -> Outcome<u64> {
        let (source, target) = (self.file_handle(source)?, self.file_handle(target)?);
        if !target.writes() || target.appends() {
            return Err(Errno::BADF);
        }
        self.flush(&source.file).await?;
        let _quiet = self.quiet(&target.file).await?;
        self.flush_locked(&target.file).await?;
        const SET_IDS: u32 = 0o6000;
        if clear_suid && target.file.state.lock().inode.mode & SET_IDS != 0 {
            let change = op::SetAttr { ino: target.file.ino, clear_suid, ..op::SetAttr::default() };
            let reply = self.client().mutate(Op::SetAttr(change)).await?;
            self.install(&target.file, reply)?;
        }
        let target_client = self.client_of(&target.file);
        let mut copied = 0;
        while copied < length {
            let op = CopyRange {
                source: source.file.ino,
                source_offset: source_offset + copied,
                target: target.file.ino,
                target_offset: target_offset + copied,
                length: length - copied,
            };
            let reply = match target_client.mutate(Op::CopyRange(op)).await {
                Ok(reply) => reply,
                Err(error) if error.code() == Code::TooLarge && copied > 0 => break,
                Err(error) if error.code() == Code::TooLarge => return Err(Errno::OPNOTSUPP),
                Err(error) => return Err(error.into()),
            };
            let progress = reply.progress;
            if progress == 0 {
                break;
            }
            self.install(&target.file, reply)?;
            copied += progress;
        }
        if copied > u64::from(u32::MAX) {
            return Err(Errno::INVAL);
        }
        Ok(copied)
    }
}
