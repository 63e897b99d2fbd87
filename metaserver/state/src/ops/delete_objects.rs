//! Remove files by path, as S3 does: what is not there counts as deleted, and implicit directories that become
//! empty go in the same command.

use holdfast_proto::op::{DeleteObjects, Reply, TrashWay};
use holdfast_proto::status::{Code, Status};

use crate::change::{Change, Outcome, Stop, require};
use crate::conditions;
use crate::dirs;
use crate::nameless;
use crate::trash::Lost;

/// Most keys of one command.
pub const MAX_OBJECTS: usize = 250;

pub(crate) fn apply(cx: &mut Change<'_>, op: &DeleteObjects) -> Outcome {
    require(op.keys.len() <= MAX_OBJECTS, Code::TooLarge, "a command deletes at most 250 objects")?;
    let bucket = dirs::bucket(cx.view(), &op.bucket)?;
    let mut outcomes = Vec::with_capacity(op.keys.len());
    let mut replaced_version = 0;
    for key in &op.keys {
        match delete(cx, bucket, key, op) {
            Ok(version) => {
                replaced_version = version;
                outcomes.push(Status::default());
            }
            // Refusals of one key come before its first change, so the others can go on.
            Err(Stop::Refused(reply)) => outcomes.push(reply.status.unwrap_or_default()),
            Err(broken) => return Err(broken),
        }
    }
    Ok(Reply { outcomes, replaced_version, ..cx.reply() })
}

/// Deletes one object; the version that was there, or 0.
fn delete(cx: &mut Change<'_>, bucket: u64, key: &[u8], op: &DeleteObjects) -> Result<u64, Stop> {
    dirs::check_key(key)?;
    let (names, file) = dirs::split_key(key);
    let path = trace(cx, bucket, &names)?;
    let entry = match path.last() {
        Some(dir) if path.len() == names.len() + 1 => dirs::entry(cx.view(), *dir, file)?,
        _ => None,
    };
    let inode = match &entry {
        Some(entry) => Some(dirs::inode_of(cx.view(), entry)?),
        None => None,
    };
    if inode.is_none() && op.conditions.as_ref().is_none_or(|wanted| wanted.if_match.is_empty()) {
        return Ok(0);
    }
    conditions::check(op.conditions.as_ref(), inode.as_ref())?;
    let (Some(inode), Some(dir)) = (inode, path.last()) else { return Ok(0) };
    let mut dir = cx.inode_there(*dir)?;
    dirs::remove_entry(cx, &mut dir, file);
    cx.store_inode(&dir);
    let version = inode.version;
    let lost = Lost { dir: dir.ino, stored: file, way: TrashWay::Deleted };
    nameless::drop_link(cx, inode, &lost, op.unheld.as_ref())?;
    dirs::prune(cx, &path, &names)?;
    Ok(version)
}

/// The directories of a path, from the bucket inwards, as far as they exist.
fn trace(cx: &Change<'_>, bucket: u64, names: &[&[u8]]) -> Result<Vec<u64>, Stop> {
    let mut path = vec![bucket];
    let mut ino = bucket;
    for name in names {
        let Some(found) = dirs::entry(cx.view(), ino, name)? else { break };
        ino = found.ino;
        path.push(ino);
    }
    Ok(path)
}
