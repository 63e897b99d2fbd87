//! Names of an inode's extended attributes. They are few, so there is one page.

use holdfast_proto::query::{ListXattr, QueryReply};

use crate::keys;
use crate::queries::Answer;
use crate::table::View;

pub(crate) fn answer(view: &dyn View, ask: &ListXattr) -> Answer {
    let inode = super::get_inode::load(view, ask.ino)?;
    let prefix = keys::xattrs(ask.ino);
    let found = view.scan(&prefix, &keys::after_prefix(&prefix), inode.xattr_count as usize)?;
    let names = found.into_iter().map(|(key, _)| keys::name_of(&key)).collect();
    Ok(QueryReply { names, ..QueryReply::default() })
}
