//! Names in directories: look up, create, link, rename, remove.
//!
//! What always holds: each is one command or one question to the metaserver; it is done, durably, when the call
//! returns.

use bytes::Bytes;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::op::{Create, Link, Op, RemoveDir, Rename, RenameMode, Unlink};
use holdfast_proto::query::{GetInode, Lookup, Query};

use crate::errno::Errno;
use crate::fs::cache::{Named, Told};
use crate::fs::{Attr, Fs, Outcome};

/// Longest name.
const MAX_NAME: usize = 255;

/// Who makes a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Caller {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process.
    pub pid: u32,
}

/// What is to be made under a name.
#[derive(Clone, Debug)]
pub struct NewNode {
    /// What it is.
    pub kind: FileKind,
    /// Low twelve bits of the mode, before the umask.
    pub mode: u32,
    /// The caller's umask.
    pub umask: u32,
    /// Device number of a device.
    pub rdev: u32,
    /// Target of a symbolic link.
    pub target: Bytes,
}

impl NewNode {
    /// Nothing but a kind and a mode.
    pub fn plain(kind: FileKind, mode: u32, umask: u32) -> Self {
        Self { kind, mode, umask, rdev: 0, target: Bytes::new() }
    }
}

impl NewNode {
    /// The command that makes it.
    pub(crate) fn create(self, caller: Caller, parent: u64, name: &[u8]) -> Create {
        Create {
            parent,
            name: Bytes::copy_from_slice(name),
            kind: self.kind as i32,
            mode: self.mode & 0o7777,
            uid: caller.uid,
            gid: caller.gid,
            rdev: self.rdev,
            target: self.target,
            or_open: false,
            class: 0,
            open: 0,
            umask: self.umask & 0o777,
        }
    }
}

impl Fs {
    /// A request about an inode was answered with `ESTALE`: whatever name led there is looked up anew.
    pub fn is_gone(&self, ino: u64) {
        self.shared.cache.gone(ino);
    }

    /// What a name stands for, if that needs no question.
    pub fn lookup_now(&self, parent: u64, name: &[u8]) -> Option<Outcome<Attr>> {
        if name.len() > MAX_NAME {
            return Some(Err(Errno::NAMETOOLONG));
        }
        match self.shared.cache.name(self.client(), parent, name)? {
            (Named::Is(_), inode) => Some(Ok(self.attr_of(&inode?))),
            (Named::Free, _) => Some(Err(Errno::NOENT)),
        }
    }

    /// What a name stands for.
    pub async fn lookup(&self, parent: u64, name: &[u8]) -> Outcome<Attr> {
        let name = Bytes::copy_from_slice(name);
        let began = self.shared.cache.began();
        let question = Query::Lookup(Lookup { parent, name: name.clone(), content: false });
        let reply = self.client().ask_leased(question).await?.reply;
        let told = Told { began, index: reply.index, lease: reply.lease_term };
        let named = reply.inode.as_ref().map_or(Named::Free, |inode| Named::Is(inode.ino));
        if !matches!(&name[..], b"." | b"..") {
            self.shared.cache.keep_name(told, parent, &name, named);
        }
        if let Some(inode) = &reply.inode {
            self.shared.cache.keep_inode(told, inode);
        }
        reply.inode.map(|inode| self.attr_of(&inode)).ok_or(Errno::NOENT)
    }

    /// Attributes that need no question: of an open file that was asked about just now, or is being written here, or
    /// of anything of which changes would be told.
    pub fn attr_now(&self, ino: u64) -> Option<Attr> {
        if let Some(file) = self.shared.files.get(ino) {
            let mut state = file.state.lock();
            if state.is_dirty() || state.at.elapsed() < self.config().attr_ttl {
                return Some(self.attr_for_kernel(&file, &mut state));
            }
        }
        self.shared.cache.inode(self.client(), ino).map(|inode| self.attr_of(&inode))
    }

    /// Attributes of an inode.
    pub async fn getattr(&self, ino: u64) -> Outcome<Attr> {
        if let Some(attr) = self.attr_now(ino) {
            return Ok(attr);
        }
        let began = self.shared.cache.began();
        let question = Query::GetInode(GetInode { ino, content: false, open: 0 });
        let reply = self.client().ask_leased(question).await?.reply;
        let told = Told { began, index: reply.index, lease: reply.lease_term };
        if let Some(inode) = &reply.inode {
            self.shared.cache.keep_inode(told, inode);
        }
        self.told(reply.inode)
    }

    /// Attributes from an answer, with what was written here and is not committed.
    fn told(&self, inode: Option<Inode>) -> Outcome<Attr> {
        let inode = inode.ok_or(Errno::IO)?;
        Ok(self.attr_of(&inode))
    }

    pub(crate) fn attr_of(&self, inode: &Inode) -> Attr {
        let Some(file) = self.shared.files.get(inode.ino) else { return Attr::of(inode) };
        let mut state = file.state.lock();
        let stale = state.learn(inode) && state.kernel_version != inode.version;
        let attr = self.attr_for_kernel(&file, &mut state);
        if stale && state.kernel_version != 0 {
            state.kernel_drops(inode.version);
            drop(state);
            self.invalidate(inode.ino);
        }
        attr
    }

    /// Makes something new under a name that is free.
    pub async fn create_node(
        &self,
        caller: Caller,
        parent: u64,
        name: &[u8],
        node: NewNode,
    ) -> Outcome<Attr> {
        let reply = self.client().mutate(Op::Create(node.create(caller, parent, name))).await?;
        self.told(reply.inode)
    }

    /// One more name for a file.
    pub async fn link(&self, ino: u64, parent: u64, name: &[u8]) -> Outcome<Attr> {
        let link = Link { ino, parent, name: Bytes::copy_from_slice(name) };
        let reply = self.client().mutate(Op::Link(link)).await?;
        self.told(reply.inode)
    }

    /// Removes a name of something that is not a directory.
    pub async fn unlink(&self, parent: u64, name: &[u8]) -> Outcome<()> {
        let name = Bytes::copy_from_slice(name);
        let reply = self.client().mutate(Op::Unlink(Unlink { parent, name, unheld: None })).await?;
        if let Some(inode) = reply.inode {
            self.left(&inode);
        }
        Ok(())
    }

    /// A name of this inode is gone.
    fn left(&self, inode: &Inode) {
        match self.shared.files.get(inode.ino) {
            Some(file) => {
                let mut state = file.state.lock();
                state.inode.nlink = inode.nlink;
                state.inode.ctime_ns = inode.ctime_ns;
            }
            None if inode.nlink == 0 => self.shared.files.forget(inode.ino),
            None => {}
        }
    }

    /// Removes an empty directory.
    pub async fn rmdir(&self, parent: u64, name: &[u8]) -> Outcome<()> {
        if name == b"." {
            return Err(Errno::INVAL);
        }
        let name = Bytes::copy_from_slice(name);
        self.client().mutate(Op::RemoveDir(RemoveDir { parent, name })).await?;
        Ok(())
    }

    /// Moves or exchanges names.
    pub async fn rename(
        &self,
        (parent, name): (u64, &[u8]),
        (new_parent, new_name): (u64, &[u8]),
        mode: RenameMode,
    ) -> Outcome<()> {
        let rename = Rename {
            parent,
            name: Bytes::copy_from_slice(name),
            new_parent,
            new_name: Bytes::copy_from_slice(new_name),
            mode: mode as i32,
            unheld: None,
        };
        let reply = self.client().mutate(Op::Rename(rename)).await?;
        // Who has it open here, and has written to it, is told from what is known here.
        if let Some(inode) = reply.lost {
            self.left(&inode);
        }
        Ok(())
    }

    /// The target of a symbolic link.
    pub async fn readlink(&self, ino: u64) -> Outcome<Bytes> {
        let answer = self.client().ask(Query::GetInode(GetInode { ino, content: false, open: 0 })).await?;
        let inode = answer.reply.inode.ok_or(Errno::IO)?;
        match inode.kind() {
            FileKind::Symlink => Ok(inode.target),
            _ => Err(Errno::INVAL),
        }
    }
}
