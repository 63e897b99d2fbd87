//! One bucket.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::Inode;
use holdfast_proto::query::{GetBucket, QueryReply};

use super::list_buckets;
use crate::dirs;
use crate::keys;
use crate::queries::{Answer, class_of};
use crate::records::{self, Dentry};
use crate::table::{Broken, View};

pub(crate) fn answer(view: &dyn View, ask: &GetBucket) -> Answer {
    let ino = dirs::bucket(view, &ask.name)?;
    let entry: Option<Dentry> =
        records::load(view, &keys::dentry(ROOT_INO.0, &list_buckets::stored(&ask.name)))?;
    let inode = super::get_inode::load(view, ino)?;
    let class = class_of(view, &nearest(view, &inode, &ask.key)?)?;
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

/// Of the directories above a key, the last one that exists: what is made on the way inherits its class.
fn nearest(view: &dyn View, bucket: &Inode, key: &[u8]) -> Result<Inode, Broken> {
    let (parents, _) = dirs::split_key(key);
    let mut deepest = None;
    for dir in parents {
        let parent = deepest.as_ref().map_or(bucket.ino, |entry: &Dentry| entry.ino);
        match dirs::entry(view, parent, dir)? {
            Some(entry) => deepest = Some(entry),
            None => break,
        }
    }
    deepest.map_or_else(|| Ok(bucket.clone()), |entry| dirs::inode_of(view, &entry))
}
