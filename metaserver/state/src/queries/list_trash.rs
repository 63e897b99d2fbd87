//! A page of the trash: what was at a path and below it. The marker of a page is its last key.

use bytes::Bytes;
use holdfast_proto::inode::Inode;
use holdfast_proto::op::TrashRef;
use holdfast_proto::query::{ListTrash, QueryReply, TrashItem};
use holdfast_proto::status::Code;

use crate::change::{Stop, refuse, require};
use crate::dirs::MAX_KEY;
use crate::keys;
use crate::nameless;
use crate::queries::{Answer, page};
use crate::records::Trashed;
use crate::table::{Broken, View};
use crate::trash;
use crate::work;

/// Most items of a page.
const MOST: usize = 1000;

pub(crate) fn answer(view: &dyn View, ask: &ListTrash) -> Answer {
    let uptime_s = work::state(view)?.uptime_s;
    if ask.ino != 0 {
        let found = trash::find(view, TrashRef { ino: ask.ino, index: 0 })?;
        let (inode, kept) =
            found.ok_or_else(|| refuse(Code::NotFound, "this file is not in the trash, or not any more"))?;
        let trash = vec![item(view, inode, kept, uptime_s)?];
        return Ok(QueryReply { trash, ..QueryReply::default() });
    }
    let most = page(ask.most, MOST);
    let mut found = Vec::new();
    for (from, to) in ranges(ask)? {
        let from = if ask.after >= from { keys::next(&ask.after) } else { from };
        if found.len() <= most && from < to {
            found.extend(view.scan(&from, &to, most + 1 - found.len())?);
        }
    }
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().map(|(key, _)| key.clone()).unwrap_or_default();
    let mut items = Vec::with_capacity(found.len());
    for (key, _) in &found {
        let ino = keys::trash_path_ino(key);
        let lost = || Broken::Inconsistent(format!("{} has no file in the trash", keys::describe(key)));
        let (inode, kept) = trash::find(view, TrashRef { ino, index: 0 })?.ok_or_else(lost)?;
        items.push(item(view, inode, kept, uptime_s)?);
    }
    Ok(QueryReply { trash: items, more, next, ..QueryReply::default() })
}

/// What is asked about, as ranges of keys in order: what was at the path, and what was below it.
fn ranges(ask: &ListTrash) -> Result<Vec<(Bytes, Bytes)>, Stop> {
    require(ask.path.starts_with(b"/"), Code::InvalidArgument, "a path begins with `/`")?;
    require(ask.path.len() <= MAX_KEY + 1, Code::NameTooLong, "a path is limited to 4096 bytes")?;
    let plain = ask.path.strip_suffix(b"/").unwrap_or(&ask.path);
    let prefixes = match ask.exact {
        true => vec![keys::trash_at(&ask.path)],
        false if plain.len() < ask.path.len() => vec![keys::trash_below(&ask.path)],
        false => vec![keys::trash_at(plain), keys::trash_below(&[plain, b"/"].concat())],
    };
    Ok(prefixes.into_iter().map(|from| (from.clone(), keys::after_prefix(&from))).collect())
}

fn item(view: &dyn View, inode: Inode, kept: Trashed, uptime_s: u64) -> Result<TrashItem, Stop> {
    Ok(TrashItem {
        ino: inode.ino,
        index: kept.index,
        deleted_ns: kept.deleted_ns,
        way: kept.way,
        path: kept.path,
        size: inode.size,
        allocated: inode.allocated,
        left_s: inode.trashed_until.saturating_sub(uptime_s),
        mtime_ns: inode.mtime_ns,
        open: nameless::is_open(view, inode.ino)?,
    })
}
