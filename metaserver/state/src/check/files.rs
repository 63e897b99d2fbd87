//! Names, inodes, content, chunks and uploads.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use holdfast_proto::ids::{ChunkId, ROOT_INO};
use holdfast_proto::inode::{EMBEDDED_EXTENTS, Extent, FileKind, Inode};

use super::sessions::Sessions;
use super::{Report, each, each_raw};
use crate::keys;
use crate::names;
use crate::records::{Bucket, Chunk, Dentry, Finished, Index, Mark, Nameless, Part, Upload};
use crate::table::{Broken, View};

/// What is there, and what the counters must be.
pub(super) struct Counted {
    pub(super) inodes: BTreeMap<u64, Inode>,
    pub(super) nameless: u64,
    pub(super) bytes: u64,
    pub(super) chunks: BTreeMap<ChunkId, Chunk>,
}

#[derive(Default)]
struct Walk {
    inodes: BTreeMap<u64, Inode>,
    /// Names of every inode: (directory, stored name).
    names: BTreeMap<u64, Vec<(u64, Bytes)>>,
    children: BTreeMap<u64, (u64, u32)>,
    extents: BTreeMap<u64, Vec<Extent>>,
    /// References and live bytes of every chunk, from extents.
    references: BTreeMap<ChunkId, (u64, u64)>,
    /// Bytes that extents carry themselves, and inline content.
    own_bytes: u64,
    /// Inodes without names that something accounts for.
    without_names: BTreeMap<u64, &'static str>,
    nameless: u64,
}

pub(super) fn check(view: &dyn View, report: &mut Report, sessions: &Sessions) -> Result<Counted, Broken> {
    let mut walk = Walk::default();
    each::<Inode>(view, keys::INODE, report, |report, key, inode| {
        let fits = keys::u64_at(key, 1) == inode.ino;
        report.expect(fits, "record_decodes", || format!("inode {} under another key", inode.ino));
        walk.inodes.insert(inode.ino, inode);
        Ok(())
    })?;
    check_dentries(view, report, &mut walk)?;
    check_without_names(view, report, &mut walk, sessions)?;
    check_uploads(view, report, &mut walk)?;
    each::<Extent>(view, keys::EXTENT, report, |report, key, extent| {
        let fits = keys::u64_at(key, 9) == extent.offset;
        report.expect(fits, "extents_fit", || format!("{} is out of place", keys::describe(key)));
        walk.extents.entry(keys::u64_at(key, 1)).or_default().push(extent);
        Ok(())
    })?;
    check_inodes(view, report, &mut walk)?;
    check_beside(view, report, &walk)?;
    check_listed(view, report, &walk)?;
    let chunks = check_chunks(view, report, &walk)?;
    let chunk_bytes: u64 = chunks.values().map(|chunk| chunk.length).sum();
    Ok(Counted { inodes: walk.inodes, nameless: walk.nameless, bytes: chunk_bytes + walk.own_bytes, chunks })
}

fn check_dentries(view: &dyn View, report: &mut Report, walk: &mut Walk) -> Result<(), Broken> {
    let mut long = BTreeSet::new();
    each::<Dentry>(view, keys::DENTRY, report, |report, key, dentry| {
        let (parent, stored) = (keys::u64_at(key, 1), keys::name_of(key));
        let is_dir = stored.ends_with(b"/");
        let slashes = stored.iter().filter(|byte| **byte == b'/').count();
        let target = walk.inodes.get(&dentry.ino);
        let fits = target.is_some_and(|inode| inode.kind == dentry.kind)
            && is_dir == (dentry.kind == FileKind::Directory as i32)
            && slashes == usize::from(is_dir)
            && walk.inodes.get(&parent).is_some_and(|dir| dir.kind == FileKind::Directory as i32);
        report
            .expect(fits, "dentry_has_inode", || format!("{} -> inode {}", keys::describe(key), dentry.ino));
        let counts = walk.children.entry(parent).or_default();
        counts.0 += 1;
        counts.1 += u32::from(is_dir);
        if let Some(digest) = names::long_digest(&stored) {
            long.insert((parent, digest.to_vec(), stored.clone()));
        }
        walk.names.entry(dentry.ino).or_default().push((parent, stored));
        Ok(())
    })?;
    let mut found = BTreeSet::new();
    each_raw(view, &[keys::LONG_NAME], &keys::after_prefix(&[keys::LONG_NAME]), |key, stored| {
        found.insert((keys::u64_at(key, 1), keys::name_of(key).to_vec(), stored));
        Ok(())
    })?;
    report.expect(found == long, "long_names_fit", || "longname/ does not fit the dentries".into());
    Ok(())
}

fn check_without_names(
    view: &dyn View,
    report: &mut Report,
    walk: &mut Walk,
    sessions: &Sessions,
) -> Result<(), Broken> {
    each::<Index>(view, keys::GC_INO, report, |_, key, _| {
        walk.without_names.insert(keys::u64_at(key, 1), "being freed");
        Ok(())
    })?;
    let mut held = BTreeSet::new();
    each::<Nameless>(view, keys::NAMELESS, report, |report, key, nameless| {
        let ino = keys::u64_at(key, 1);
        let twice = walk.without_names.insert(ino, "nameless").is_some();
        walk.nameless += u64::from(nameless.draft.is_none());
        let holders_fit = nameless.holders.len() == usize::from(nameless.draft.is_some());
        report.expect(!twice && holders_fit, "drafts_have_owners", || format!("inode {ino}"));
        held.extend(nameless.holders.iter().map(|holder| (*holder, ino)));
        Ok(())
    })?;
    let mut holding = BTreeSet::new();
    each::<Mark>(view, keys::HOLDING, report, |_, key, _| {
        holding.insert((keys::u64_at(key, 1), keys::u64_at(key, 9)));
        Ok(())
    })?;
    report.expect(held == holding, "drafts_have_owners", || format!("{held:?} against {holding:?}"));
    // A session that ended may let go in several commands; then it is at least remembered.
    for (session, ino) in &held {
        let known = sessions.open.contains_key(session) || view.get(&keys::session(*session))?.is_some();
        report
            .expect(known, "drafts_have_owners", || format!("session {session} is gone but has draft {ino}"));
    }
    Ok(())
}

fn check_uploads(view: &dyn View, report: &mut Report, walk: &mut Walk) -> Result<(), Broken> {
    let (mut open, mut spent) = (BTreeSet::new(), BTreeSet::new());
    let mut uploads = BTreeMap::new();
    each::<Upload>(view, keys::UPLOAD, report, |_, key, upload| {
        let id = keys::u64_at(key, 1);
        if upload.ended {
            spent.insert(id);
        } else {
            open.insert((upload.bucket, crate::uploads::key_of(&upload), id));
        }
        if upload.ino != 0 {
            walk.without_names.insert(upload.ino, "being joined");
        }
        uploads.insert(id, upload);
        Ok(())
    })?;
    let listed: BTreeSet<Bytes> = open.iter().map(|(b, key, id)| keys::upload_key(*b, key, *id)).collect();
    let mut found = BTreeSet::new();
    each::<Mark>(view, keys::UPLOAD_KEY, report, |_, key, _| {
        found.insert(key.clone());
        Ok(())
    })?;
    report.expect(found == listed, "uploads_fit", || "uploadkey/ does not list the uploads under way".into());
    let mut found = BTreeSet::new();
    each::<Index>(view, keys::SPENT, report, |_, key, _| {
        found.insert(keys::u64_at(key, 1));
        Ok(())
    })?;
    report.expect(found == spent, "uploads_fit", || "spent/ does not list the ended uploads".into());
    each::<Part>(view, keys::PART, report, |report, key, part| {
        let id = keys::u64_at(key, 1);
        report.expect(uploads.contains_key(&id), "uploads_fit", || {
            format!("{} has no upload", keys::describe(key))
        });
        let mut end = 0;
        for extent in &part.extents {
            let fits = extent.offset >= end && extent.length > 0;
            report.expect(fits, "extents_fit", || format!("{} extents", keys::describe(key)));
            end = extent.end();
            refer(walk, report, extent);
        }
        if part.ino != 0 {
            let twice = walk.without_names.insert(part.ino, "a part").is_some();
            report.expect(!twice && part.extents.is_empty(), "uploads_fit", || {
                format!("{} has extents of its own and inode {}", keys::describe(key), part.ino)
            });
        }
        let size = part.about.map_or(0, |about| about.size);
        report
            .expect(end <= size, "extents_fit", || format!("{} is longer than it says", keys::describe(key)));
        Ok(())
    })?;
    each::<Finished>(view, keys::FINISHED, report, |_, _, _| Ok(()))
}

fn check_inodes(view: &dyn View, report: &mut Report, walk: &mut Walk) -> Result<(), Broken> {
    let inodes = std::mem::take(&mut walk.inodes);
    for inode in inodes.values() {
        check_names(report, walk, inode);
        check_content(view, report, walk, inode)?;
    }
    let mut contents = BTreeSet::new();
    for inode in inodes.values() {
        let alone = contents.insert(inode.content_id()) || inode.kind != FileKind::File as i32;
        report.expect(alone, "extents_fit", || format!("inode {} shares its extents", inode.ino));
    }
    let orphans: Vec<u64> = walk.extents.keys().filter(|id| !contents.contains(id)).copied().collect();
    report.expect(orphans.is_empty(), "extents_fit", || {
        format!("extents of inodes that do not exist: {orphans:?}")
    });
    for (ino, why) in &walk.without_names {
        let there = inodes.get(ino).is_some_and(|inode| !walk.names.contains_key(ino) && (inode.nlink == 0));
        report.expect(there, "every_inode_is_reachable", || {
            format!("inode {ino} is {why}, but has names or is gone")
        });
    }
    walk.inodes = inodes;
    Ok(())
}

fn check_names(report: &mut Report, walk: &Walk, inode: &Inode) {
    let ino = inode.ino;
    let names = walk.names.get(&ino).map_or(&[][..], Vec::as_slice);
    let root = ino == ROOT_INO.0;
    let kept = inode.trashed_until != 0;
    let accounted = !names.is_empty() || root || kept || walk.without_names.contains_key(&ino);
    report.expect(accounted, "every_inode_is_reachable", || format!("inode {ino} has no name"));
    let (children, dirs) = walk.children.get(&ino).copied().unwrap_or_default();
    if inode.kind != FileKind::Directory as i32 {
        report.expect(inode.nlink as usize == names.len(), "nlink_counts_names", || {
            format!("inode {ino} says {} and has {} names", inode.nlink, names.len())
        });
        report.expect(children == 0, "dentry_has_inode", || format!("inode {ino} is a file with entries"));
        return;
    }
    if walk.without_names.contains_key(&ino) {
        return;
    }
    let placed = root || matches!(names, [(parent, name)] if *parent == inode.parent && *name == inode.name);
    report.expect(placed, "one_name_per_directory", || format!("directory {ino} has names {names:?}"));
    report.expect(inode.children == children, "children_count", || {
        format!("directory {ino} says {} and has {children}", inode.children)
    });
    report.expect(inode.nlink == 2 + dirs, "nlink_counts_names", || {
        format!("directory {ino} says {} and has {dirs} child directories", inode.nlink)
    });
    report.expect(!inode.implicit || children > 0, "no_empty_implicit", || format!("directory {ino}"));
}

fn check_content(view: &dyn View, report: &mut Report, walk: &mut Walk, inode: &Inode) -> Result<(), Broken> {
    let ino = inode.ino;
    let records = walk.extents.get(&inode.content_id()).cloned().unwrap_or_default();
    let spilled = inode.extent_count > EMBEDDED_EXTENTS as u64;
    let extents = if spilled { &records } else { &inode.extents };
    let in_place = extents.len() as u64 == inode.extent_count
        && (if spilled { inode.extents.is_empty() } else { records.is_empty() });
    report.expect(in_place, "extents_fit", || {
        format!(
            "inode {ino} counts {} extents, has {} and {} records",
            inode.extent_count,
            inode.extents.len(),
            records.len()
        )
    });
    let (mut end, mut allocated, mut own) = (0, 0, 0u32);
    for extent in extents {
        let fits = extent.offset >= end && extent.length > 0;
        report.expect(fits, "extents_fit", || format!("inode {ino} at {}", extent.offset));
        end = extent.end();
        allocated += extent.length;
        own += u32::from(extent.inline.is_some());
        refer(walk, report, extent);
    }
    report.expect(end <= inode.size, "extents_fit", || {
        format!("inode {ino} ends at {end}, beyond {}", inode.size)
    });
    report.expect(own == inode.inline_extents, "extents_fit", || {
        format!("inode {ino} miscounts inline extents")
    });
    let inline = view.get(&keys::inline(ino))?;
    let inline_fits = match &inline {
        Some(bytes) => {
            inode.inline && bytes.len() as u64 == inode.size && inode.extent_count == 0 && !bytes.is_empty()
        }
        None => !inode.inline,
    };
    report.expect(inline_fits, "inline_fits", || format!("inode {ino}"));
    let inline_bytes = inline.map_or(0, |bytes| bytes.len() as u64);
    walk.own_bytes += inline_bytes;
    report.expect(inode.allocated == allocated + inline_bytes, "extents_fit", || {
        format!("inode {ino} says {} allocated, has {}", inode.allocated, allocated + inline_bytes)
    });
    let xattrs = keys::xattrs(ino);
    let found = view.scan(&xattrs, &keys::after_prefix(&xattrs), inode.xattr_count as usize + 1)?.len();
    report
        .expect(found == inode.xattr_count as usize, "xattrs_counted", || format!("inode {ino} has {found}"));
    Ok(())
}

/// Counts what an extent refers to.
fn refer(walk: &mut Walk, report: &mut Report, extent: &Extent) {
    match (extent.chunk(), &extent.inline) {
        (Some(id), _) => {
            let counts = walk.references.entry(id).or_default();
            counts.0 += 1;
            counts.1 += extent.length;
            let within = extent.chunk_offset + extent.length <= extent.chunk_bytes;
            report.expect(within, "extent_has_chunk", || format!("an extent reaches beyond {id}"));
        }
        (None, Some(bytes)) => {
            let fits =
                bytes.len() as u64 == extent.length && bytes.len() <= crate::content::MAX_INLINE_EXTENT;
            report.expect(fits, "extents_fit", || "an extent carries bytes of another length".into());
            walk.own_bytes += extent.length;
        }
        (None, None) => report.add("extents_fit", "an extent has no source"),
    }
}

/// Lists of files that workers look at say the same as the inodes.
fn check_listed(view: &dyn View, report: &mut Report, walk: &Walk) -> Result<(), Broken> {
    type Says = fn(&Inode) -> bool;
    let fragmented: Says = |inode| inode.fragmented;
    let converting: Says = |inode| inode.converting;
    let lists = [
        (keys::FRAGMENTED, "fragmented_are_listed", fragmented),
        (keys::CONVERTING, "converting_are_listed", converting),
    ];
    for (tag, invariant, says) in lists {
        let mut listed = BTreeSet::new();
        each::<Mark>(view, tag, report, |_, key, _| {
            listed.insert(keys::u64_at(key, 1));
            Ok(())
        })?;
        let say: BTreeSet<u64> =
            walk.inodes.values().filter(|inode| says(inode)).map(|inode| inode.ino).collect();
        report.expect(listed == say, invariant, || {
            format!("listed and not said, or said and not listed: {:?}", listed.symmetric_difference(&say))
        });
    }
    Ok(())
}

/// Records that hang on inodes must have one.
fn check_beside(view: &dyn View, report: &mut Report, walk: &Walk) -> Result<(), Broken> {
    for (tag, invariant) in [(keys::INLINE, "inline_fits"), (keys::XATTR, "xattrs_counted")] {
        each_raw(view, &[tag], &keys::after_prefix(&[tag]), |key, _| {
            let there = walk.inodes.contains_key(&keys::u64_at(key, 1));
            report.expect(there, invariant, || format!("{} has no inode", keys::describe(key)));
            Ok(())
        })?;
    }
    each::<Bucket>(view, keys::BUCKET, report, |report, key, _| {
        let dir = walk.inodes.get(&keys::u64_at(key, 1));
        let fits = dir.is_some_and(|dir| dir.kind == FileKind::Directory as i32 && dir.parent == ROOT_INO.0);
        report.expect(fits, "dentry_has_inode", || {
            format!("{} is no top-level directory", keys::describe(key))
        });
        Ok(())
    })
}

fn check_chunks(
    view: &dyn View,
    report: &mut Report,
    walk: &Walk,
) -> Result<BTreeMap<ChunkId, Chunk>, Broken> {
    let mut chunks = BTreeMap::new();
    each::<Chunk>(view, keys::CHUNK, report, |report, key, chunk| {
        let id = keys::chunk_of(key);
        let found = walk.references.get(&id).copied().unwrap_or_default();
        let fits = (u64::from(chunk.references), chunk.live) == found && chunk.references > 0;
        report.expect(fits, "references_add_up", || {
            format!(
                "chunk {id} says {} and {} live bytes, extents say {found:?}",
                chunk.references, chunk.live
            )
        });
        chunks.insert(id, chunk);
        Ok(())
    })?;
    let lost: Vec<_> = walk.references.keys().filter(|id| !chunks.contains_key(id)).collect();
    report.expect(lost.is_empty(), "extent_has_chunk", || format!("chunks that do not exist: {lost:?}"));
    Ok(chunks)
}
