//! An inode as JSON and as lines for people; shared by `ls`, `stat` and `tree`.

use holdfast_proto::inode::{FileKind, Inode};
use serde::Serialize;

use crate::output;
use crate::remote;

/// What JSON says about one file. Times are RFC 3339 to the second and nanoseconds since 1970.
#[derive(Serialize)]
pub(super) struct View {
    pub(super) path: String,
    pub(super) kind: &'static str,
    pub(super) size: u64,
    pub(super) mode: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    pub(super) ino: u64,
    pub(super) version: u64,
    pub(super) mtime: String,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) btime_ns: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) children: Option<u64>,
    pub(super) extents: u64,
    pub(super) inline: bool,
    pub(super) allocated: u64,
}

impl View {
    pub(super) fn new(path: impl Into<String>, inode: &Inode) -> Self {
        let kind = remote::kind(inode);
        let object = inode.object.as_ref();
        Self {
            path: path.into(),
            kind: kind_name(kind),
            size: inode.size,
            mode: format!("{:04o}", inode.mode),
            uid: inode.uid,
            gid: inode.gid,
            nlink: inode.nlink,
            ino: inode.ino,
            version: inode.version,
            mtime: output::time_ns(inode.mtime_ns).replace(' ', "T") + "Z",
            mtime_ns: inode.mtime_ns,
            ctime_ns: inode.ctime_ns,
            btime_ns: inode.btime_ns,
            etag: object.map(|o| o.etag.clone()).filter(|e| !e.is_empty()),
            content_type: object.and_then(|o| o.content_type.clone()),
            target: (kind == FileKind::Symlink).then(|| String::from_utf8_lossy(&inode.target).into_owned()),
            children: (kind == FileKind::Directory).then_some(inode.children),
            extents: inode.extent_count,
            inline: inode.inline,
            allocated: inode.allocated,
        }
    }
}

/// The name of a kind, as JSON has it.
pub(super) fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Fifo => "fifo",
        FileKind::Socket => "socket",
        FileKind::CharDevice => "char device",
        FileKind::BlockDevice => "block device",
    }
}

/// A name as it can be shown on a terminal: control characters escaped.
pub(super) fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name)
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}
