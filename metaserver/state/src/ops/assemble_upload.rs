//! One step of joining an upload's parts on an invisible inode.
//!
//! What always holds:
//! - Parts are taken in ascending order, each whole, as they are at this moment and with the ETag that the client
//!   named. Their chunks are referred to anew, so a part that is put again later changes nothing joined.
//! - A resumed completion (same list digest) goes on where it was; a different one begins anew.

use holdfast_proto::inode::{Extent, FileKind, Inode};
use holdfast_proto::op::{AssembleUpload, NamedPart, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::content::{self, File, MAX_EXTENTS_PER_COMMAND};
use crate::converting;
use crate::dirs::{self, Owner};
use crate::keys;
use crate::records::{Lies, Part, Upload};
use crate::uploads;

/// Smallest part that may be followed by another, as S3 has it.
pub const MIN_PART_BYTES: u64 = 5 << 20;

pub(crate) fn apply(cx: &mut Change<'_>, op: &AssembleUpload) -> Outcome {
    let mut upload = uploads::under_way(cx, op.upload)?;
    require(op.list_digest.len() == 32, Code::InvalidArgument, "the digest of the list has 32 bytes")?;
    if upload.list_digest != op.list_digest {
        // A later step of a list whose joining was given up must not become its beginning.
        require(
            op.restart,
            Code::PreconditionFailed,
            "another completion is being joined, or a part was put anew; begin with the first parts",
        )?;
        uploads::drop_joined(cx, &mut upload)?;
        upload.list_digest = op.list_digest.clone();
    }
    let mut file = File::open(joined_inode(cx, &mut upload)?);
    let all = take_parts(cx, op, &mut upload, &mut file)?;
    upload.complete |= all && op.last;
    let inode = file.finish(cx)?;
    cx.store_inode(&inode);
    cx.store(keys::upload(op.upload), &upload);
    Ok(Reply { progress: upload.part_bytes.len() as u64, ..cx.reply() })
}

fn joined_inode(cx: &mut Change<'_>, upload: &mut Upload) -> Result<Inode, Stop> {
    if upload.ino != 0 {
        return cx.inode_there(upload.ino);
    }
    let bucket = cx
        .load::<Inode>(&keys::inode(upload.bucket))?
        .ok_or_else(|| refuse(Code::NoSuchBucket, "the upload's bucket does not exist any more"))?;
    // Mode and access list come with the name.
    let mut inode = dirs::bare_inode(cx, &bucket, FileKind::File, Owner::default());
    inode.nlink = 0;
    upload.ino = inode.ino;
    upload.lies = Some(Lies::default());
    Ok(inode)
}

/// Takes parts until the list or the bound of one command is reached; `true` when the list was.
fn take_parts(
    cx: &mut Change<'_>,
    op: &AssembleUpload,
    upload: &mut Upload,
    file: &mut File,
) -> Result<bool, Stop> {
    let mut before = 0;
    let mut left = MAX_EXTENTS_PER_COMMAND;
    for named in &op.parts {
        require(named.part > before, Code::InvalidPartOrder, "parts are not in ascending order")?;
        before = named.part;
        if named.part <= upload.last_part {
            // Taken by an earlier step of this very list.
            continue;
        }
        let part = find(cx, op.upload, named)?;
        upload.lies = converting::both(upload.lies.take(), part.lies.as_ref());
        require(
            !upload.last_is_small,
            Code::PartTooSmall,
            "a part that is not the last has less than 5 MiB",
        )?;
        if left == 0 {
            return Ok(false);
        }
        if part.ino != 0 {
            left = left.saturating_sub(take_some(cx, upload, file, named.part, &part, left)?);
            if upload.last_part != named.part {
                return Ok(false);
            }
            continue;
        }
        if part.extents.len() > left && left < MAX_EXTENTS_PER_COMMAND {
            return Ok(false);
        }
        left = left.saturating_sub(part.extents.len());
        append(cx, upload, file, named.part, part)?;
    }
    Ok(true)
}

fn find(cx: &Change<'_>, upload: u64, named: &NamedPart) -> Result<Part, Stop> {
    let part: Option<Part> = cx.load(&keys::part(upload, named.part))?;
    let same = |part: &Part| {
        let etag = part.about.as_ref().map(|about| about.etag.as_str());
        etag == Some(named.etag.trim_matches('"'))
    };
    part.filter(same).ok_or_else(|| {
        refuse(Code::InvalidPart, format!("part {} was not put, or has another ETag", named.part))
    })
}

/// Takes the next extents of a part that has too many for one step; how many.
fn take_some(
    cx: &mut Change<'_>,
    upload: &mut Upload,
    file: &mut File,
    number: u32,
    part: &Part,
    most: usize,
) -> Result<usize, Stop> {
    let size = part.about.as_ref().map_or(0, |about| about.size);
    let base = file.inode.size - upload.part_at;
    let source = cx.inode_there(part.ino)?;
    let found = content::overlapping(cx.view(), &source, upload.part_at, size, most)?;
    let taken = found.len();
    let mut at = size;
    if taken == most {
        at = found.last().map_or(upload.part_at, Extent::end);
    }
    for extent in found {
        let piece = content::slice(&extent, extent.offset.max(upload.part_at), extent.end());
        file.insert(cx, Extent { offset: base + piece.offset, ..piece })?;
    }
    file.inode.size = base + at;
    (upload.part_at, upload.joining) = (at, number);
    if at == size {
        note_whole(upload, number, size);
    }
    Ok(taken)
}

fn note_whole(upload: &mut Upload, number: u32, size: u64) {
    (upload.part_at, upload.joining) = (0, 0);
    upload.last_part = number;
    upload.last_is_small = size < MIN_PART_BYTES;
    upload.part_bytes.push(size);
}

fn append(
    cx: &mut Change<'_>,
    upload: &mut Upload,
    file: &mut File,
    number: u32,
    part: Part,
) -> Result<(), Stop> {
    let base = file.inode.size;
    for extent in part.extents {
        let offset = base + extent.offset;
        file.insert(cx, Extent { offset, ..extent })?;
    }
    let size = part.about.map_or(0, |about| about.size);
    file.inode.size = base + size;
    note_whole(upload, number, size);
    Ok(())
}
