//! Multipart uploads: what their operations share.
//!
//! What always holds:
//! - An upload under way has `upload/` and `uploadkey/` records. One that ended has lost `uploadkey/` and has
//!   `spent/` until its parts are freed.
//! - Joining refers to the parts' chunks anew: a part put again, or freed, never changes what was joined.
//! - The inode on which parts are joined has no name and is in the upload record until it is made visible.

use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::status::Code;

use crate::change::{Change, Stop, refuse};
use crate::chunks;
use crate::keys;
use crate::nameless;
use crate::records::{self, Finished, Index, Part, Upload};

/// State time for which a finished upload's id still answers, in nanoseconds.
pub const FINISHED_KEPT_NS: i64 = 24 * 3_600_000_000_000;
/// Finished uploads forgotten per command that begins or finishes one.
const FORGOTTEN_AT_ONCE: usize = 4;

/// The upload, under way.
pub(crate) fn under_way(cx: &Change<'_>, id: u64) -> Result<Upload, Stop> {
    let upload: Option<Upload> = cx.load(&keys::upload(id))?;
    upload
        .filter(|upload| !upload.ended)
        .ok_or_else(|| refuse(Code::NoSuchUpload, "there is no such upload, or it has ended"))
}

/// The key of the object an upload will become.
pub(crate) fn key_of(upload: &Upload) -> bytes::Bytes {
    upload.about.as_ref().map(|about| about.key.clone()).unwrap_or_default()
}

/// An upload that is touched again within this many seconds is not written anew for it.
const TOUCHED_ENOUGH_S: u64 = 3600;

/// Puts a part into its place; an earlier one of that number is dropped.
pub(crate) fn put_part(cx: &mut Change<'_>, upload: u64, number: u32, part: &Part) -> Result<(), Stop> {
    let mut record = under_way(cx, upload)?;
    // What is half joined must not go on with other bytes.
    let half_joined = record.joining == number;
    if half_joined {
        drop_joined(cx, &mut record)?;
    }
    if half_joined || cx.state.uptime_s >= record.touched_s + TOUCHED_ENOUGH_S {
        record.touched_s = cx.state.uptime_s;
        cx.store(keys::upload(upload), &record);
    }
    let key = keys::part(upload, number);
    if let Some(old) = cx.load::<Part>(&key)? {
        release(cx, &old)?;
    }
    for extent in &part.extents {
        chunks::retain(cx, extent)?;
    }
    cx.store(key, part);
    Ok(())
}

/// Drops the references of a part; those of one on an inode go in steps if they are many.
pub(crate) fn release(cx: &mut Change<'_>, part: &Part) -> Result<(), Stop> {
    release_extents(cx, &part.extents)?;
    if part.ino != 0 {
        let inode = cx.inode_there(part.ino)?;
        nameless::free(cx, inode)?;
    }
    Ok(())
}

/// Drops references to chunks.
pub(crate) fn release_extents(cx: &mut Change<'_>, extents: &[Extent]) -> Result<(), Stop> {
    extents.iter().try_for_each(|extent| chunks::release(cx, extent))
}

/// Gives up what was joined so far.
pub(crate) fn drop_joined(cx: &mut Change<'_>, upload: &mut Upload) -> Result<(), Stop> {
    if upload.ino != 0 {
        let inode: Inode = cx.inode_there(upload.ino)?;
        nameless::free(cx, inode)?;
    }
    upload.ino = 0;
    upload.last_part = 0;
    upload.part_at = 0;
    upload.joining = 0;
    upload.complete = false;
    upload.last_is_small = false;
    upload.part_bytes.clear();
    upload.lies = None;
    upload.list_digest = bytes::Bytes::new();
    Ok(())
}

/// Ends an upload: it vanishes from listings, its parts are left to be freed in steps.
pub(crate) fn end(cx: &mut Change<'_>, id: u64, upload: Upload) {
    cx.remove(keys::upload_key(upload.bucket, &key_of(&upload), id));
    cx.store(keys::spent(id), &Index { index: cx.at });
    let rest = Upload { bucket: upload.bucket, ended: true, ..Upload::default() };
    cx.store(keys::upload(id), &rest);
}

/// Forgets what uploads became that finished long ago. They are looked at in order of their beginning, a few at
/// a time, and the first that is still wanted stops the search.
pub(crate) fn forget_finished(cx: &mut Change<'_>) -> Result<(), Stop> {
    let prefix = keys::all(keys::FINISHED);
    let end = keys::after_prefix(&prefix);
    for (key, finished) in records::load_range::<Finished>(cx.view(), &prefix, &end, FORGOTTEN_AT_ONCE)? {
        if cx.now.saturating_sub(finished.time_ns) <= FINISHED_KEPT_NS {
            break;
        }
        cx.remove(key);
    }
    Ok(())
}
