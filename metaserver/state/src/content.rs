//! What a file contains: inline bytes, or extents in the inode or in records of their own.
//!
//! What always holds:
//! - At most [`EMBEDDED_EXTENTS`] extents lie in the inode; with more, all of them lie in `extent/` records.
//! - Extents are ordered, do not overlap, and never reach beyond the file's length.
//! - A file has inline content or extents, never both.
//! - `extent_count`, `inline_extents` and `allocated` of the inode always fit what is there.
//!
//! Used by every operation that changes content. [`File::finish`] gives the inode back; the caller stores it.

use bytes::Bytes;
use holdfast_proto::inode::{Content, EMBEDDED_EXTENTS, Extent, Inode};
use holdfast_proto::status::Code;

use crate::change::{Change, Stop, refuse, require};
use crate::chunks;
use crate::converting;
use crate::keys;
use crate::records;
use crate::table::{Broken, View};

/// Longest bytes an extent may carry itself.
pub const MAX_INLINE_EXTENT: usize = 4096;
/// Most extents of one file that carry their own bytes: a reader fetches them all with its first pages. Cutting one in
/// two may make it more, because nobody who punches a hole or writes a chunk could avoid it; bringing bytes may not.
pub const MAX_INLINE_EXTENTS: u32 = 64;
/// Longest inline content any class may allow, in bytes.
pub const MAX_INLINE: usize = 64 << 10;
/// Longest file, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 62;
/// Most extents one command may drop or copy: with their chunk records they stay below the limit of keys.
pub const MAX_EXTENTS_PER_COMMAND: usize = 1000;

/// A file whose content is being changed.
pub(crate) struct File {
    /// The inode; its extents are only complete after [`File::finish`].
    pub(crate) inode: Inode,
    spilled: bool,
    /// Extents cut so far.
    cut: usize,
    /// As many extents with bytes of their own as there may be: those there were, and those that cutting made.
    may_carry: u32,
}

impl File {
    /// Starts changing a file.
    pub(crate) fn open(inode: Inode) -> Self {
        let spilled = inode.extent_count > EMBEDDED_EXTENTS as u64;
        let may_carry = inode.inline_extents;
        Self { inode, spilled, cut: 0, may_carry }
    }

    /// Brings the inode into its stored form.
    pub(crate) fn finish(mut self, cx: &mut Change<'_>) -> Result<Inode, Stop> {
        require(
            self.inode.inline_extents <= self.may_carry.max(MAX_INLINE_EXTENTS),
            Code::TooLarge,
            "the file has as many extents with bytes of their own as it may have; write a chunk instead",
        )?;
        if self.spilled && self.inode.extent_count <= EMBEDDED_EXTENTS as u64 {
            let all = overlapping(cx.view(), &self.inode, 0, u64::MAX, EMBEDDED_EXTENTS)?;
            for extent in &all {
                cx.remove(keys::extent(self.inode.content_id(), extent.offset));
            }
            self.inode.extents = all;
        }
        converting::note_companion(cx, &mut self.inode)?;
        Ok(self.inode)
    }

    /// Makes `from..to` a hole. Refused with `NeedsSteps` when one command would drop too many extents.
    pub(crate) fn cut(&mut self, cx: &mut Change<'_>, from: u64, to: u64) -> Result<(), Stop> {
        if self.inode.extent_count == 0 {
            return Ok(());
        }
        let hit = self.overlapping(cx, from, to, MAX_EXTENTS_PER_COMMAND + 1)?;
        self.cut += hit.len();
        require(
            self.cut <= MAX_EXTENTS_PER_COMMAND,
            Code::NeedsSteps,
            "the change covers more extents than one command may drop",
        )?;
        for extent in hit {
            self.take(cx, &extent)?;
            chunks::release(cx, &extent)?;
            if extent.inline.is_some() && extent.offset < from && extent.end() > to {
                self.may_carry += 1;
            }
            if extent.offset < from {
                self.insert(cx, slice(&extent, extent.offset, from))?;
            }
            if extent.end() > to {
                self.insert(cx, slice(&extent, to, extent.end()))?;
            }
        }
        Ok(())
    }

    /// Puts an extent where nothing lies. Bytes that continue an extent with bytes of its own are joined to it.
    pub(crate) fn insert(&mut self, cx: &mut Change<'_>, mut extent: Extent) -> Result<(), Stop> {
        if let (Some(bytes), true) = (&extent.inline, extent.offset > 0 && self.inode.inline_extents > 0) {
            let before = self.overlapping(cx, extent.offset - 1, extent.offset, 1)?.pop();
            if let Some(before) = before.filter(|b| b.end() == extent.offset)
                && let Some(first) = &before.inline
                && first.len() + bytes.len() <= MAX_INLINE_EXTENT
            {
                let joined: Bytes = [&first[..], &bytes[..]].concat().into();
                self.take(cx, &before)?;
                chunks::release(cx, &before)?;
                extent = Extent {
                    offset: before.offset,
                    length: joined.len() as u64,
                    inline: Some(joined),
                    ..extent
                };
            }
        }
        chunks::retain(cx, &extent)?;
        self.add(cx, extent);
        Ok(())
    }

    fn overlapping(&self, cx: &Change<'_>, from: u64, to: u64, most: usize) -> Result<Vec<Extent>, Broken> {
        if self.spilled {
            return overlapping_records(cx.view(), self.inode.content_id(), from, to, most);
        }
        Ok(overlapping_embedded(&self.inode, from, to, most))
    }

    fn take(&mut self, cx: &mut Change<'_>, extent: &Extent) -> Result<(), Stop> {
        if self.spilled {
            cx.remove(keys::extent(self.inode.content_id(), extent.offset));
        } else {
            self.inode.extents.retain(|e| e.offset != extent.offset);
        }
        self.inode.extent_count -= 1;
        self.inode.allocated = self.inode.allocated.saturating_sub(extent.length);
        self.inode.inline_extents -= u32::from(extent.inline.is_some());
        Ok(())
    }

    fn add(&mut self, cx: &mut Change<'_>, extent: Extent) {
        self.inode.extent_count += 1;
        self.inode.allocated += extent.length;
        self.inode.inline_extents += u32::from(extent.inline.is_some());
        if !self.spilled && self.inode.extents.len() == EMBEDDED_EXTENTS {
            self.spilled = true;
            for extent in std::mem::take(&mut self.inode.extents) {
                cx.store(keys::extent(self.inode.content_id(), extent.offset), &extent);
            }
        }
        if self.spilled {
            cx.store(keys::extent(self.inode.content_id(), extent.offset), &extent);
        } else {
            let at = self.inode.extents.partition_point(|e| e.offset < extent.offset);
            self.inode.extents.insert(at, extent);
        }
    }

    /// Drops all content; the length is the caller's business.
    pub(crate) fn clear(&mut self, cx: &mut Change<'_>) -> Result<(), Stop> {
        self.take_inline(cx)?;
        self.cut(cx, 0, u64::MAX)
    }

    /// The inline content, removed from the file.
    pub(crate) fn take_inline(&mut self, cx: &mut Change<'_>) -> Result<Bytes, Stop> {
        if !self.inode.inline {
            return Ok(Bytes::new());
        }
        let key = keys::inline(self.inode.ino);
        let bytes = cx.view().get(&key)?.ok_or_else(|| {
            Broken::Inconsistent(format!("inode {} has lost its inline content", self.inode.ino))
        })?;
        cx.remove(key);
        cx.state.bytes = cx.state.bytes.saturating_sub(bytes.len() as u64);
        self.inode.inline = false;
        self.inode.allocated = self.inode.allocated.saturating_sub(bytes.len() as u64);
        Ok(bytes)
    }

    /// Sets the inline content of a file that has no content.
    pub(crate) fn put_inline(&mut self, cx: &mut Change<'_>, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        cx.state.bytes += bytes.len() as u64;
        self.inode.inline = true;
        self.inode.allocated += bytes.len() as u64;
        cx.store_raw(keys::inline(self.inode.ino), bytes);
    }

    /// Turns inline content into extents, so that ranges of it can be replaced.
    pub(crate) fn spread_inline(&mut self, cx: &mut Change<'_>) -> Result<(), Stop> {
        let bytes = self.take_inline(cx)?;
        for (extent, _) in inline_extents(&bytes) {
            self.insert(cx, extent)?;
        }
        Ok(())
    }

    /// Sets the content of a new, empty file.
    pub(crate) fn fill(&mut self, cx: &mut Change<'_>, content: &Content) -> Result<(), Stop> {
        self.inode.size = content.size;
        if let Some(bytes) = &content.inline {
            check_inline(content, bytes)?;
            self.put_inline(cx, bytes.clone());
            return Ok(());
        }
        chunks::commit(cx, &content.chunks)?;
        for extent in checked_extents(cx, content)? {
            self.insert(cx, extent)?;
        }
        Ok(())
    }
}

fn check_inline(content: &Content, bytes: &Bytes) -> Result<(), Stop> {
    let alone = content.chunks.is_empty() && content.extents.is_empty();
    require(alone, Code::InvalidArgument, "content is either inline or in chunks, not both")?;
    require(
        bytes.len() as u64 == content.size,
        Code::InvalidArgument,
        "the length of inline content differs from the stated size",
    )?;
    require(bytes.len() <= MAX_INLINE, Code::TooLarge, "inline content is limited to 64 KiB; write a chunk")
}

/// The extents of new content, each checked against the chunks that came with the command.
pub(crate) fn checked_extents(cx: &Change<'_>, content: &Content) -> Result<Vec<Extent>, Stop> {
    require(content.size <= MAX_FILE_BYTES, Code::TooLarge, "the file would be longer than 2^62 bytes")?;
    require(
        content.extents.len() <= MAX_EXTENTS_PER_COMMAND,
        Code::TooLarge,
        "a command may bring at most 1000 extents",
    )?;
    let mut end = 0;
    let mut extents = Vec::with_capacity(content.extents.len());
    for extent in &content.extents {
        let extent = checked_source(cx, extent, extent.offset, extent.length)?;
        require(extent.offset >= end, Code::InvalidArgument, "extents overlap or are not in order")?;
        end = extent.end();
        require(end <= content.size, Code::InvalidArgument, "an extent reaches beyond the content")?;
        extents.push(extent);
    }
    Ok(extents)
}

/// An extent at `offset` of `length` bytes out of `source`, which names a chunk of this command or carries bytes.
pub(crate) fn checked_source(
    cx: &Change<'_>,
    source: &Extent,
    offset: u64,
    length: u64,
) -> Result<Extent, Stop> {
    let end = offset.checked_add(length);
    require(length > 0, Code::InvalidArgument, "an extent is empty")?;
    require(
        end.is_some_and(|end| end <= MAX_FILE_BYTES),
        Code::TooLarge,
        "an extent ends beyond 2^62 bytes",
    )?;
    let Some(id) = source.chunk() else {
        let fits =
            source.inline.as_ref().is_some_and(|b| b.len() as u64 == length && b.len() <= MAX_INLINE_EXTENT);
        require(fits, Code::InvalidArgument, "bytes of an extent have the wrong length or exceed 4 KiB")?;
        return Ok(Extent { offset, length, inline: source.inline.clone(), ..Extent::default() });
    };
    let Some(chunk_bytes) = chunks::brought(cx, id) else {
        return Err(refuse(
            Code::InvalidArgument,
            format!("an extent names chunk {id}, which the command does not bring"),
        ));
    };
    let within = source.chunk_offset.checked_add(length).is_some_and(|end| end <= chunk_bytes);
    require(within, Code::InvalidArgument, "an extent reaches beyond its chunk")?;
    Ok(Extent {
        offset,
        length,
        pg: source.pg,
        number: source.number,
        chunk_offset: source.chunk_offset,
        chunk_bytes,
        inline: None,
    })
}

/// The part of an extent that lies in `from..to` of the file.
pub(crate) fn slice(extent: &Extent, from: u64, to: u64) -> Extent {
    let skip = from - extent.offset;
    let length = to - from;
    let inline = extent.inline.as_ref().map(|bytes| {
        let end = bytes.len().min((skip + length) as usize);
        bytes.slice((skip as usize).min(end)..end)
    });
    let chunk_offset = if inline.is_some() { 0 } else { extent.chunk_offset + skip };
    Extent { offset: from, length, chunk_offset, inline, ..extent.clone() }
}

/// Inline content as extents with bytes of their own; offsets count from the start of the bytes.
pub(crate) fn inline_extents(bytes: &Bytes) -> impl Iterator<Item = (Extent, u64)> + '_ {
    (0..bytes.len()).step_by(MAX_INLINE_EXTENT).map(|from| {
        let piece = bytes.slice(from..bytes.len().min(from + MAX_INLINE_EXTENT));
        let length = piece.len() as u64;
        (Extent { offset: from as u64, length, inline: Some(piece), ..Extent::default() }, length)
    })
}

/// The first extents of a file that touch `from..to`, at most `most`.
pub(crate) fn overlapping(
    view: &dyn View,
    inode: &Inode,
    from: u64,
    to: u64,
    most: usize,
) -> Result<Vec<Extent>, Broken> {
    if inode.extents.is_empty() && inode.extent_count > 0 {
        return overlapping_records(view, inode.content_id(), from, to, most);
    }
    Ok(overlapping_embedded(inode, from, to, most))
}

fn overlapping_embedded(inode: &Inode, from: u64, to: u64, most: usize) -> Vec<Extent> {
    inode.extents.iter().filter(|e| e.offset < to && e.end() > from).take(most).cloned().collect()
}

fn overlapping_records(
    view: &dyn View,
    ino: u64,
    from: u64,
    to: u64,
    most: usize,
) -> Result<Vec<Extent>, Broken> {
    let mut found = Vec::new();
    if most == 0 {
        return Ok(found);
    }
    let behind = keys::next(&keys::extent(ino, from));
    if let Some((key, value)) = view.last(&keys::extents(ino), &behind)? {
        let extent: Extent = records::decode(&key, value)?;
        if extent.end() > from && extent.offset < to {
            found.push(extent);
        }
    }
    if found.len() < most {
        let rest = records::load_range(view, &behind, &keys::extent(ino, to), most - found.len())?;
        found.extend(rest.into_iter().map(|(_, extent)| extent));
    }
    Ok(found)
}
