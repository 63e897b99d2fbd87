//! Extended attributes.

use bytes::Bytes;
use holdfast_proto::op::{Op, RemoveXattr, SetXattr, XattrMode};
use holdfast_proto::query::{GetXattr, ListXattr, Query};

use crate::errno::Errno;
use crate::fs::{Caller, Fs, Outcome};

/// The kernel's names of POSIX access lists.
const ACCESS_LIST: &[u8] = b"system.posix_acl_access";
const DEFAULT_LIST: &[u8] = b"system.posix_acl_default";

/// For administrators only; the kernel checks who reads and sets them.
const TRUSTED: &[u8] = b"trusted.";

/// Spaces of names that a file system of Linux has, but for access lists.
const SPACES: [&[u8]; 3] = [b"user.", TRUSTED, b"security."];

/// Longest value, as Linux has it.
const MAX_VALUE: usize = 64 << 10;

/// Whether an attribute may have this name.
fn check_name(name: &[u8]) -> Outcome<()> {
    if name == ACCESS_LIST || name == DEFAULT_LIST {
        return Ok(());
    }
    let rest = SPACES.iter().find_map(|space| name.strip_prefix(*space));
    match rest {
        Some([]) => Err(Errno::INVAL),
        Some(_) => Ok(()),
        None => Err(Errno::OPNOTSUPP),
    }
}

impl Fs {
    /// The value of an attribute.
    pub async fn getxattr(&self, ino: u64, name: &[u8]) -> Outcome<Bytes> {
        if self.has_no_xattr(ino) {
            return Err(Errno::NODATA);
        }
        let name = Bytes::copy_from_slice(name);
        let answer = self.client().ask(Query::GetXattr(GetXattr { ino, name })).await?;
        answer.reply.value.ok_or(Errno::NODATA)
    }

    /// Known without a question: the kernel asks for `security.capability` before many a write.
    pub fn has_no_xattr(&self, ino: u64) -> bool {
        let Some(file) = self.shared.files.get(ino) else { return false };
        let state = file.state.lock();
        state.inode.xattr_count == 0 && state.at.elapsed() < self.config().attr_ttl
    }

    /// Names of the attributes that somebody may know of, each with a zero byte behind it.
    pub async fn listxattr(&self, caller: Caller, ino: u64) -> Outcome<Vec<u8>> {
        let answer = self.client().ask(Query::ListXattr(ListXattr { ino })).await?;
        let mut names = Vec::new();
        let hidden = |name: &[u8]| caller.uid != 0 && name.starts_with(TRUSTED);
        for name in answer.reply.names.iter().filter(|name| !hidden(name)) {
            names.extend_from_slice(name);
            names.push(0);
        }
        Ok(names)
    }

    /// Sets an attribute. Flags are those of setxattr(2).
    pub async fn setxattr(
        &self,
        caller: Caller,
        ino: u64,
        name: &[u8],
        value: &[u8],
        flags: i32,
    ) -> Outcome<()> {
        if value.len() > MAX_VALUE {
            return Err(Errno::TOOBIG);
        }
        let mode = match flags {
            0 => XattrMode::Set,
            libc::XATTR_CREATE => XattrMode::Create,
            libc::XATTR_REPLACE => XattrMode::Replace,
            _ => return Err(Errno::INVAL),
        };
        check_name(name)?;
        // Who is not in the file's group may not make a program of that group.
        let clear_sgid = name == ACCESS_LIST && caller.uid != 0 && self.getattr(ino).await?.gid != caller.gid;
        let (name, value) = (Bytes::copy_from_slice(name), Bytes::copy_from_slice(value));
        let set = SetXattr { ino, name, value, mode: mode as i32, clear_sgid };
        let reply = self.client().mutate(Op::SetXattr(set)).await?;
        self.note_xattr(ino, reply.inode);
        Ok(())
    }

    /// Removes an attribute.
    pub async fn removexattr(&self, ino: u64, name: &[u8]) -> Outcome<()> {
        let list = name == ACCESS_LIST || name == DEFAULT_LIST;
        let name = Bytes::copy_from_slice(name);
        match self.client().mutate(Op::RemoveXattr(RemoveXattr { ino, name })).await.map_err(Errno::from) {
            Ok(reply) => self.note_xattr(ino, reply.inode),
            // There is always an access list: that of the mode bits.
            Err(Errno::NODATA) if list => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    fn note_xattr(&self, ino: u64, inode: Option<holdfast_proto::inode::Inode>) {
        if let (Some(file), Some(inode)) = (self.shared.files.get(ino), inode) {
            let mut state = file.state.lock();
            state.inode.xattr_count = inode.xattr_count;
            state.inode.mode = inode.mode;
            state.inode.ctime_ns = inode.ctime_ns;
        }
    }
}
