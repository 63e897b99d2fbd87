//! Drafts: what one command cannot do is prepared in steps on an inode that nobody sees, and taken over by the command
//! that needed it.
//!
//! What always holds:
//! - A draft is an inode without a name that its session holds (`nameless/`, `holding/`): it goes when the session
//!   ends, lets go of it, or leaves it lying, and its extents are freed like any others.
//! - It copies by reference what a command would leave of a file, as of one version. A command takes it over only if
//!   it would itself ask for this very draft, and the file still has that version.
//!
//! Used by the commands on drafts and by those that take one over; [`wanted`] says which draft an operation needs.

use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::op::{BeginDraft, Op, Piece, Span};
use holdfast_proto::status::{Code, Status};

use crate::change::{Change, Stop, refuse, require};
use crate::content::{self, File};
use crate::dirs;
use crate::keys;
use crate::nameless;
use crate::ops::copy_object;
use crate::records::{Draft, Mark, Nameless};

/// Extents taken by one step: with their chunk records a command that others hardly notice.
pub const EXTENTS_PER_STEP: usize = 500;
/// Drafts a session may have under way.
pub const MAX_DRAFTS: usize = 64;

/// The draft with which an operation that was too much for one command becomes small; `None` if there is none, or
/// it named one already.
pub(crate) fn wanted(cx: &Change<'_>, op: &Op) -> Result<Option<BeginDraft>, Stop> {
    match op {
        Op::SetAttr(op) if op.draft == 0 => match op.size {
            Some(size) => Ok(Some(rest_of(&cx.inode(op.ino)?, size))),
            None => Ok(None),
        },
        Op::Write(op) if op.draft == 0 && !op.append => Ok(Some(around(&cx.inode(op.ino)?, &op.pieces))),
        Op::CopyObject(op) if op.draft == 0 => {
            let source = copy_object::find_source(cx, op)?;
            Ok(Some(rest_of(&source, source.size)))
        }
        Op::CopyPart(op) if op.draft == 0 => {
            Ok(Some(part_of(op.source, op.source_version, op.offset, op.length)))
        }
        _ => Ok(None),
    }
}

/// What stays of a file that is cut to `size`; with its own size, all of it.
pub(crate) fn rest_of(inode: &Inode, size: u64) -> BeginDraft {
    part_of(inode.ino, inode.version, 0, size.min(inode.size))
}

/// A range of a file.
pub(crate) fn part_of(source: u64, source_version: u64, from: u64, length: u64) -> BeginDraft {
    BeginDraft { source, source_version, from, to: from.saturating_add(length), skip: Vec::new() }
}

/// What stays of a file around the pieces that change.
pub(crate) fn around(inode: &Inode, pieces: &[Piece]) -> BeginDraft {
    let mut spans: Vec<Span> = pieces
        .iter()
        .map(|piece| Span { from: piece.offset, to: piece.offset.saturating_add(piece.length) })
        .filter(|span| span.from < span.to)
        .collect();
    spans.sort_unstable_by_key(|span| span.from);
    let mut skip: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match skip.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => skip.push(span),
        }
    }
    BeginDraft { skip, ..rest_of(inode, inode.size) }
}

/// Begins a draft; its inode number.
pub(crate) fn begin(cx: &mut Change<'_>, source: &Inode, plan: &BeginDraft) -> Result<u64, Stop> {
    let prefix = keys::holdings(cx.session);
    let held = cx.view().scan(&prefix, &keys::after_prefix(&prefix), MAX_DRAFTS)?;
    if held.len() >= MAX_DRAFTS {
        let mut status = Status::busy(
            std::time::Duration::from_millis(200),
            "the session prepares as many changes in steps as it may",
        );
        status.after_ms = status.after_ms.max(1);
        return Err(status.into());
    }
    let ino = cx.new_ino();
    cx.state.inodes += 1;
    let mut object = source.object.clone();
    if let Some(object) = &mut object {
        // What described the content there describes it here, and what did not, does not.
        object.version = if object.version == source.version { cx.at } else { 0 };
    }
    let inode = Inode {
        ino,
        nlink: 0,
        version: cx.at,
        size: plan.to - plan.from,
        object,
        content: 0,
        extents: Vec::new(),
        extent_count: 0,
        inline_extents: 0,
        allocated: 0,
        xattr_count: 0,
        acl: false,
        default_acl: false,
        fragmented: false,
        converting: false,
        trashed_until: 0,
        ..source.clone()
    };
    cx.store_inode(&inode);
    let draft = Draft { plan: Some(plan.clone()), at: plan.from, whole: false };
    cx.store(keys::nameless(ino), &Nameless { holders: vec![cx.session], draft: Some(draft) });
    cx.store(keys::holding(cx.session, ino), &Mark {});
    Ok(ino)
}

/// A draft of this command's session.
pub(crate) fn own(cx: &Change<'_>, ino: u64) -> Result<(Nameless, Draft, BeginDraft), Stop> {
    let found: Option<Nameless> = cx.load(&keys::nameless(ino))?;
    let mine = found.filter(|nameless| nameless.holders == [cx.session]);
    let parts = mine.and_then(|nameless| {
        let draft = nameless.draft.clone()?;
        let plan = draft.plan.clone()?;
        Some((nameless, draft, plan))
    });
    parts.ok_or_else(|| refuse(Code::StaleInode, format!("inode {ino} is no draft of this session")))
}

/// Takes the next extents of the source into a draft: how many, and how far it came then.
pub(crate) fn fill(
    cx: &mut Change<'_>,
    source: &Inode,
    file: &mut File,
    plan: &BeginDraft,
    from: u64,
) -> Result<(usize, u64), Stop> {
    let (mut taken, mut at) = (0, from);
    let mut skip = plan.skip.iter().skip_while(|span| span.to <= from).peekable();
    while at < plan.to {
        if let Some(span) = skip.next_if(|span| span.from <= at) {
            at = span.to;
            continue;
        }
        let end = skip.peek().map_or(plan.to, |span| span.from.min(plan.to));
        let left = EXTENTS_PER_STEP - taken;
        let found = content::overlapping(cx.view(), source, at, end, left)?;
        let all = found.len() < left;
        let reached = if all { end } else { found.last().map_or(end, |last| last.end().min(end)) };
        for extent in found {
            let piece = content::slice(&extent, extent.offset.max(at), extent.end().min(end));
            file.insert(cx, Extent { offset: piece.offset - plan.from, ..piece })?;
            taken += 1;
        }
        at = reached;
        if !all {
            break;
        }
    }
    Ok((taken, at.min(plan.to)))
}

/// Takes a whole draft out of its session's hands. The caller gives the inode a name, or frees it.
pub(crate) fn take(cx: &mut Change<'_>, ino: u64, expected: Option<&BeginDraft>) -> Result<Inode, Stop> {
    let (_, draft, plan) = own(cx, ino)?;
    require(draft.whole, Code::PreconditionFailed, "the draft is not prepared to its end yet")?;
    require(
        expected.is_none_or(|expected| *expected == plan),
        Code::PreconditionFailed,
        "the draft was prepared for something else, or the file was changed meanwhile",
    )?;
    cx.remove(keys::nameless(ino));
    cx.remove(keys::holding(cx.session, ino));
    cx.inode_there(ino)
}

/// Gives a file the content of a draft that was made of itself. What it had goes.
pub(crate) fn swap(
    cx: &mut Change<'_>,
    mut inode: Inode,
    draft: u64,
    expected: &BeginDraft,
) -> Result<Inode, Stop> {
    let mut fresh = take(cx, draft, Some(expected))?;
    require(!inode.inline, Code::PreconditionFailed, "the file's content lies inline by now")?;
    let (old, new) = (inode.content_id(), fresh.content_id());
    inode.content = new;
    fresh.content = if old == fresh.ino { 0 } else { old };
    fresh.size = inode.size;
    std::mem::swap(&mut inode.extents, &mut fresh.extents);
    std::mem::swap(&mut inode.extent_count, &mut fresh.extent_count);
    std::mem::swap(&mut inode.inline_extents, &mut fresh.inline_extents);
    std::mem::swap(&mut inode.allocated, &mut fresh.allocated);
    nameless::free(cx, fresh)?;
    Ok(inode)
}

/// The file of a draft's plan, as it was when the plan was made.
pub(crate) fn source(cx: &Change<'_>, plan: &BeginDraft) -> Result<Inode, Stop> {
    let source = cx.inode(plan.source)?;
    require(!dirs::is_dir(&source), Code::IsADirectory, "a directory has no content to copy")?;
    require(
        source.version == plan.source_version,
        Code::PreconditionFailed,
        "the file was changed meanwhile",
    )?;
    Ok(source)
}
