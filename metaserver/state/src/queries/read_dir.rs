//! A page of a directory, as a mount shows it.

use holdfast_proto::query::{Entry, QueryReply, ReadDir};
use holdfast_proto::status::Code;

use crate::change::require;
use crate::dirs;
use crate::keys;
use crate::names;
use crate::queries::{Answer, listed, page};
use crate::records::{self, Dentry};
use crate::table::View;

const MOST: usize = 4096;

pub(crate) fn answer(view: &dyn View, ask: &ReadDir) -> Answer {
    let dir = super::get_inode::load(view, ask.ino)?;
    require(dirs::is_dir(&dir), Code::NotADirectory, "this inode is not a directory")?;
    let most = page(ask.most, MOST);
    let from = match ask.after.is_empty() {
        true => keys::dentries(ask.ino),
        false => keys::next(&keys::dentry(ask.ino, &ask.after)),
    };
    let to = keys::after_prefix(&keys::dentries(ask.ino));
    let mut found = records::load_range::<Dentry>(view, &from, &to, most + 1)?;
    let more = found.len() > most;
    found.truncate(most);
    // Only where there are child directories can one take a file's plain name.
    let has_dirs = dir.nlink > 2;
    let mut entries = Vec::with_capacity(found.len());
    for (key, dentry) in found {
        let stored = keys::name_of(&key);
        let beside_dir =
            has_dirs && !stored.ends_with(b"/") && view.get(&keys::dir_dentry(ask.ino, &stored))?.is_some();
        entries.push(Entry {
            name: names::shown(&stored, beside_dir),
            key: stored,
            prefix: false,
            ino: dentry.ino,
            kind: dentry.kind,
            inode: if ask.inodes { Some(listed(dirs::inode_of(view, &dentry)?)) } else { None },
        });
    }
    let next = entries.last().map(|entry| entry.key.clone()).unwrap_or_default();
    Ok(QueryReply { inode: Some(dir), entries, more, next, ..QueryReply::default() })
}
