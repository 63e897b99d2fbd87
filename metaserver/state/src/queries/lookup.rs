//! A name in a directory, as a mount shows it.

use holdfast_proto::query::{Lookup, QueryReply};
use holdfast_proto::status::Code;

use crate::change::{refuse, require};
use crate::dirs;
use crate::keys;
use crate::names::MAX_NAME;
use crate::queries::{Answer, reply_inode};
use crate::records;
use crate::table::View;

pub(crate) fn answer(view: &dyn View, ask: &Lookup) -> Answer {
    require(ask.name.len() <= MAX_NAME, Code::NameTooLong, "a name is limited to 255 bytes")?;
    let found = match ask.name.as_ref() {
        b"." => Some(ask.parent),
        b".." => Some(super::get_inode::load(view, ask.parent)?.parent),
        name => dirs::find_shown(view, ask.parent, name)?.map(|(_, entry)| entry.ino),
    };
    let Some(ino) = found else {
        let parent: Option<holdfast_proto::inode::Inode> = records::load(view, &keys::inode(ask.parent))?;
        return Err(match parent {
            None => refuse(Code::StaleInode, "the directory does not exist any more"),
            Some(parent) if !dirs::is_dir(&parent) => {
                refuse(Code::NotADirectory, "the parent is not a directory")
            }
            Some(_) => refuse(Code::NotFound, "there is no such name"),
        });
    };
    let inode = super::get_inode::load(view, ino)?;
    Ok(QueryReply { parent: ask.parent, ..reply_inode(view, inode, ask.content)? })
}
