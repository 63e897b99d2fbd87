//! Which inodes a command may leave without a name: what the leader asks before it logs one, to look up who has them
//! open.
//!
//! What always holds: this is a guess from one view. An inode that is missing here, because names moved before the
//! command was applied, is kept by the command and freed later; one too many costs nothing.
//!
//! Called by the metaserver's service for commands, while a session that holds files is open.

use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::op::{Op, RenameMode, RestoreFile};

use crate::change::Stop;
use crate::dirs;
use crate::keys;
use crate::records::{self, Upload};
use crate::table::{Broken, View};
use crate::trash;
use crate::uploads;

/// The inodes whose last name the operation may take.
pub fn losing(view: &dyn View, op: &Op) -> Result<Vec<u64>, Broken> {
    let shown = |parent: u64, name: &[u8]| {
        let found = dirs::find_shown(view, parent, name)?;
        Ok(found.map(|(_, entry)| entry.ino).into_iter().collect())
    };
    match op {
        Op::Unlink(op) => shown(op.parent, &op.name),
        Op::Rename(op) if op.mode == RenameMode::Replace as i32 => shown(op.new_parent, &op.new_name),
        Op::PutObject(op) => objects(view, &op.bucket, std::iter::once(op.key.as_ref())),
        Op::CopyObject(op) => objects(view, &op.bucket, std::iter::once(op.key.as_ref())),
        Op::DeleteObjects(op) => objects(view, &op.bucket, op.keys.iter().map(AsRef::as_ref)),
        Op::FinishUpload(op) => {
            let upload: Option<Upload> = records::load(view, &keys::upload(op.upload))?;
            let Some(upload) = upload else { return Ok(Vec::new()) };
            Ok(object(view, upload.bucket, &uploads::key_of(&upload))?.into_iter().collect())
        }
        Op::RestoreFile(op) if op.replace => Ok(replaced(view, op)?.into_iter().collect()),
        _ => Ok(Vec::new()),
    }
}

/// What lies where a file is to be restored.
fn replaced(view: &dyn View, op: &RestoreFile) -> Result<Option<u64>, Broken> {
    let item = op.item.unwrap_or_default();
    let path = match op.path.is_empty() {
        true => trash::find(view, item)?.map(|(_, kept)| kept.path).unwrap_or_default(),
        false => op.path.clone(),
    };
    match path.strip_prefix(b"/") {
        Some(key) => object(view, ROOT_INO.0, key),
        None => Ok(None),
    }
}

fn objects<'k>(
    view: &dyn View,
    bucket: &str,
    wanted: impl Iterator<Item = &'k [u8]>,
) -> Result<Vec<u64>, Broken> {
    let bucket = match dirs::bucket(view, bucket) {
        Ok(bucket) => bucket,
        Err(Stop::Broken(broken)) => return Err(broken),
        Err(Stop::Refused(_)) => return Ok(Vec::new()),
    };
    let mut found = Vec::new();
    for key in wanted {
        found.extend(object(view, bucket, key)?);
    }
    Ok(found)
}

fn object(view: &dyn View, bucket: u64, key: &[u8]) -> Result<Option<u64>, Broken> {
    let (dirs, name) = dirs::split_key(key);
    let Some(parent) = dirs::walk(view, bucket, &dirs)? else { return Ok(None) };
    Ok(dirs::entry(view, parent, name)?.map(|entry| entry.ino))
}
