//! One bucket.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::query::{GetBucket, QueryReply};

use super::list_buckets;
use crate::dirs;
use crate::keys;
use crate::queries::{Answer, class_of};
use crate::records::{self, Dentry};
use crate::table::View;

pub(crate) fn answer(view: &dyn View, ask: &GetBucket) -> Answer {
    let ino = dirs::bucket(view, &ask.name)?;
    let entry: Option<Dentry> =
        records::load(view, &keys::dentry(ROOT_INO.0, &list_buckets::stored(&ask.name)))?;
    let inode = super::get_inode::load(view, ino)?;
    let class = class_of(view, &inode)?;
    let found = match entry {
        Some(entry) => list_buckets::describe(view, ask.name.as_bytes(), &entry)?,
        None => None,
    };
    Ok(QueryReply {
        buckets: found.into_iter().collect(),
        class,
        inode: Some(inode),
        ..QueryReply::default()
    })
}
