//! Let go of entries of the audit log that are old enough. The hash of the last of them stays: what follows is still
//! chained to it.

use holdfast_proto::audit::{AuditEnds, AuditEntry, SealedEntry};
use holdfast_proto::op::{Reply, TrimAudit};
use prost::Message;

use crate::change::{Change, Outcome};
use crate::keys;
use crate::records;

/// Entries let go of by one command.
const MOST: usize = 1_000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &TrimAudit) -> Outcome {
    let mut ends: AuditEnds = cx.load(&keys::audit_ends())?.unwrap_or_default();
    let from = keys::audit(ends.trimmed + 1);
    // The newest one stays, so that there is always something to go on from.
    let page = records::load_range::<SealedEntry>(cx.view(), &from, &keys::audit(ends.last), MOST)?;
    let mut gone = 0;
    for (key, entry) in page {
        // One that cannot be read is as old as those around it.
        let made = AuditEntry::decode(entry.body.clone()).map_or(0, |entry| entry.up_s);
        if made >= op.before_s {
            break;
        }
        ends.trimmed = keys::u64_at(&key, 1);
        ends.trimmed_hash = entry.hash;
        cx.remove(key);
        gone += 1;
    }
    if gone > 0 {
        cx.store(keys::audit_ends(), &ends);
    }
    Ok(Reply { progress: gone, ..cx.reply() })
}
