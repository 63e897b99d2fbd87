//! Create a bucket: a directory at the top level, with an owner.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{CreateBucket, Reply};
use holdfast_proto::status::Code;

use crate::access::Mode;
use crate::change::{Change, Outcome, Stop, require};
use crate::dirs::{self, Owner};
use crate::keys;
use crate::records::Bucket;

pub(crate) fn apply(cx: &mut Change<'_>, op: &CreateBucket) -> Outcome {
    check_name(&op.name)?;
    super::check_class(cx, op.class)?;
    let stored = dirs::stored_name(op.name.as_bytes(), true);
    let mut root = cx.inode_there(ROOT_INO.0)?;
    let taken = dirs::entry(cx.view(), root.ino, &stored)?.is_some()
        || dirs::entry(cx.view(), root.ino, op.name.as_bytes())?.is_some();
    require(!taken, Code::Exists, "a bucket or top-level directory of this name exists")?;
    let mut dir = dirs::new_inode(cx, &root, FileKind::Directory, Mode::DIRECTORY, Owner::default())?;
    dir.class = op.class;
    dirs::add_entry(cx, &mut root, &stored, &mut dir);
    cx.store_inode(&root);
    cx.store_inode(&dir);
    cx.store(keys::bucket(dir.ino), &Bucket { owner: op.owner.clone(), created_ns: cx.now });
    Ok(Reply { id: dir.ino, ..cx.reply_inode(dir) })
}

/// The rules of S3: 3 to 63 of lower-case letters, digits, `-` and `.`, a letter or digit at both ends, no `..`,
/// not an IPv4 address.
fn check_name(name: &str) -> Result<(), Stop> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let valid = (3..=63).contains(&name.len())
        && name.chars().all(inner)
        && outer(name.chars().next())
        && outer(name.chars().next_back())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err();
    require(
        valid,
        Code::InvalidArgument,
        "a bucket name has 3 to 63 lower-case letters, digits, `-` or `.`, and begins and ends with a letter or digit",
    )
}
