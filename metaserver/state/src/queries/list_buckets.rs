//! All buckets: the directories at the top level.

use bytes::Bytes;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::query::{Bucket, QueryReply};

use crate::change::Stop;
use crate::dirs;
use crate::keys;
use crate::queries::Answer;
use crate::records::{self, Dentry};
use crate::table::View;

/// More top-level directories than this are not shown as buckets: S3 lists them in one answer.
const MOST: usize = 10_000;

pub(crate) fn answer(view: &dyn View) -> Answer {
    let prefix = keys::dentries(ROOT_INO.0);
    let entries = records::load_range::<Dentry>(view, &prefix, &keys::after_prefix(&prefix), MOST)?;
    let mut buckets = Vec::new();
    for (key, entry) in entries {
        if let Some(name) = keys::name_of(&key).strip_suffix(b"/") {
            buckets.extend(describe(view, name, &entry)?);
        }
    }
    Ok(QueryReply { buckets, ..QueryReply::default() })
}

/// What S3 shows of a top-level directory; `None` when its name is not text.
pub(crate) fn describe(view: &dyn View, name: &[u8], entry: &Dentry) -> Result<Option<Bucket>, Stop> {
    let Ok(name) = String::from_utf8(name.to_vec()) else { return Ok(None) };
    let inode = dirs::inode_of(view, entry)?;
    let made: Option<records::Bucket> = records::load(view, &keys::bucket(entry.ino))?;
    let made = made.unwrap_or(records::Bucket { owner: String::new(), created_ns: inode.btime_ns });
    let (owner, created_ns) = (made.owner, made.created_ns);
    Ok(Some(Bucket { name, ino: entry.ino, owner, created_ns, class: inode.class }))
}

/// The stored name of a bucket's directory.
pub(crate) fn stored(name: &str) -> Bytes {
    dirs::stored_name(name.as_bytes(), true)
}
