//! A path from the root, as the command line and mounts see it. Symbolic links are followed in the middle, and at
//! the end when asked for; an absolute target starts at the root of the file system.

use std::collections::VecDeque;

use bytes::Bytes;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::query::{QueryReply, ResolvePath};
use holdfast_proto::status::Code;

use crate::change::{Stop, refuse, require};
use crate::dirs;
use crate::queries::{Answer, get_inode, reply_inode};
use crate::table::View;

/// Longest path, in bytes.
const MAX_PATH: usize = 4096;
/// Most symbolic links followed.
const MAX_LINKS: usize = 40;

pub(crate) fn answer(view: &dyn View, ask: &ResolvePath) -> Answer {
    require(ask.path.starts_with(b"/"), Code::InvalidArgument, "a path begins with `/`")?;
    require(ask.path.len() <= MAX_PATH, Code::NameTooLong, "a path is limited to 4096 bytes")?;
    let mut todo = components(&ask.path);
    let must_be_dir = ask.path.ends_with(b"/");
    let mut at = get_inode::load(view, ROOT_INO.0)?;
    let (mut parent, mut links) = (ROOT_INO.0, 0);
    while let Some(name) = todo.pop_front() {
        require(dirs::is_dir(&at), Code::NotADirectory, "a component of the path is not a directory")?;
        let next = step(view, &at, &name)?;
        let last = todo.is_empty();
        if next.kind == FileKind::Symlink as i32 && (!last || ask.follow || must_be_dir) {
            links += 1;
            require(links <= MAX_LINKS, Code::Loop, "the path leads through too many symbolic links")?;
            if next.target.starts_with(b"/") {
                at = get_inode::load(view, ROOT_INO.0)?;
            }
            for name in components(&next.target).into_iter().rev() {
                todo.push_front(name);
            }
            require(todo.len() <= MAX_PATH, Code::NameTooLong, "symbolic links make the path too long")?;
            continue;
        }
        parent = at.ino;
        at = next;
    }
    require(!must_be_dir || dirs::is_dir(&at), Code::NotADirectory, "the path names something else")?;
    let parent = if dirs::is_dir(&at) { at.parent } else { parent };
    Ok(QueryReply { parent, ..reply_inode(view, at, ask.content)? })
}

/// Components of a path; empty ones and `.` mean nothing.
pub(crate) fn components(path: &Bytes) -> VecDeque<Bytes> {
    let parts = path.split(|byte| *byte == b'/');
    parts.filter(|part| !part.is_empty() && *part != b".").map(|part| path.slice_ref(part)).collect()
}

fn step(view: &dyn View, dir: &Inode, name: &[u8]) -> Result<Inode, Stop> {
    if name == b".." {
        return get_inode::load(view, dir.parent);
    }
    match dirs::find_shown(view, dir.ino, name)? {
        Some((_, entry)) => Ok(dirs::inode_of(view, &entry)?),
        None => Err(refuse(Code::NotFound, "there is no such file or directory")),
    }
}
