//! Create or change a storage class.

use holdfast_proto::BLOCK_BYTES;
use holdfast_proto::map::{FailureDomain, Redundancy, StorageClass, redundancy::Kind};
use holdfast_proto::op::{PutClass, Reply};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::chunks::MAX_CHUNK_BYTES;
use crate::content::MAX_INLINE;
use crate::keys;
use crate::map_view;

const MAX_COPIES: u32 = 8;
const MAX_DATA: u32 = 32;
const MAX_PARITY: u32 = 8;
const MIN_CHUNK_BYTES: u64 = 64 << 10;

pub(crate) fn apply(cx: &mut Change<'_>, op: &PutClass) -> Outcome {
    let redundancy = op.redundancy.unwrap_or_default();
    check_redundancy(&redundancy)?;
    check_lengths(op, &redundancy)?;
    check_name(cx, op)?;
    check_companion(cx, op, &redundancy)?;
    let old: Option<StorageClass> = if op.id == 0 { None } else { cx.load(&keys::class(op.id))? };
    let (id, epoch) = match &old {
        Some(old) => (old.id, check_change(op, old, &redundancy)?),
        None if op.id == 0 => {
            let id = cx.state.next_class;
            cx.state.next_class += 1;
            (id, 0)
        }
        None => return Err(refuse(Code::NotFound, format!("storage class {} does not exist", op.id))),
    };
    let class = StorageClass {
        id,
        epoch,
        name: op.name.clone(),
        redundancy: Some(redundancy),
        domain: op.domain,
        inline_limit: op.inline_limit,
        chunk_bytes: op.chunk_bytes,
        companion: op.companion,
    };
    if old.as_ref() != Some(&class) {
        map_view::put_class(cx, class);
    }
    Ok(Reply { id: id.into(), ..cx.reply() })
}

fn check_redundancy(redundancy: &Redundancy) -> Result<(), Stop> {
    match &redundancy.kind {
        Some(Kind::Replicated(r)) => require(
            (1..=MAX_COPIES).contains(&r.copies) && (1..=r.copies).contains(&r.min_copies),
            Code::InvalidArgument,
            "a replicated class has 1 to 8 copies and a minimum from 1 to that number",
        ),
        Some(Kind::Erasure(e)) => require(
            (1..=MAX_DATA).contains(&e.data)
                && (1..=MAX_PARITY).contains(&e.parity)
                && e.cell_bytes > 0
                && e.cell_bytes.is_multiple_of(BLOCK_BYTES)
                && e.cell_bytes <= MAX_CHUNK_BYTES,
            Code::InvalidArgument,
            "an erasure class has 1 to 32 data and 1 to 8 parity shards and cells of a multiple of 4 KiB",
        ),
        None => Err(refuse(Code::InvalidArgument, "a storage class needs a redundancy")),
    }
}

fn check_lengths(op: &PutClass, redundancy: &Redundancy) -> Result<(), Stop> {
    let unit = match &redundancy.kind {
        Some(Kind::Erasure(e)) => e.geometry().stripe_bytes(),
        Some(Kind::Replicated(_)) | None => BLOCK_BYTES,
    };
    require(
        (MIN_CHUNK_BYTES..=MAX_CHUNK_BYTES).contains(&op.chunk_bytes) && op.chunk_bytes.is_multiple_of(unit),
        Code::InvalidArgument,
        "the chunk size lies between 64 KiB and 256 MiB and is a multiple of 4 KiB (erasure: of a stripe)",
    )?;
    require(
        op.inline_limit <= MAX_INLINE as u64,
        Code::InvalidArgument,
        "the inline limit is at most 64 KiB",
    )?;
    require(
        FailureDomain::try_from(op.domain).is_ok(),
        Code::InvalidArgument,
        "this failure domain is not known",
    )
}

fn check_name(cx: &Change<'_>, op: &PutClass) -> Result<(), Stop> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    require(
        (1..=64).contains(&op.name.len()) && op.name.chars().all(fine),
        Code::InvalidArgument,
        "the name of a storage class has 1 to 64 letters, digits, `-`, `_` or `.`",
    )?;
    let taken = map_view::classes(cx.view())?.into_iter().any(|c| c.name == op.name && c.id != op.id);
    require(!taken, Code::Exists, "another storage class has this name")
}

fn check_companion(cx: &Change<'_>, op: &PutClass, redundancy: &Redundancy) -> Result<(), Stop> {
    if !matches!(redundancy.kind, Some(Kind::Erasure(_))) {
        return require(op.companion == 0, Code::InvalidArgument, "only an erasure class has a companion");
    }
    let companion: Option<StorageClass> = cx.load(&keys::class(op.companion))?;
    let replicated = companion
        .and_then(|class| class.redundancy)
        .is_some_and(|redundancy| matches!(redundancy.kind, Some(Kind::Replicated(_))));
    require(replicated, Code::InvalidArgument, "the companion of an erasure class is a replicated class")
}

/// Checks a change of an existing class; its epoch if it may be made.
fn check_change(op: &PutClass, old: &StorageClass, new: &Redundancy) -> Result<u64, Stop> {
    require(
        op.if_epoch == 0 || op.if_epoch == old.epoch,
        Code::PreconditionFailed,
        "the storage class was changed meanwhile",
    )?;
    let same_shape = match (old.redundancy.and_then(|r| r.kind), &new.kind) {
        (Some(Kind::Replicated(_)), Some(Kind::Replicated(_))) => true,
        (Some(Kind::Erasure(old)), Some(Kind::Erasure(new))) => old == *new,
        _ => false,
    };
    require(same_shape, Code::InvalidArgument, "of an existing class only the number of copies may change")?;
    Ok(old.epoch)
}
