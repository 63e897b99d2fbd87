//! Note how full and busy the cluster is: one record for each hour.

use holdfast_proto::op::NoteUsage;

use crate::change::{Change, Outcome};
use crate::keys;
use crate::records;

/// Hours kept: 400 days.
const KEPT: u64 = 400 * 24;
/// Records of hours long gone that one command takes away.
const MOST_GONE: usize = 100;

const HOUR_NS: i64 = 3_600_000_000_000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &NoteUsage) -> Outcome {
    let hour = u64::try_from(cx.now / HOUR_NS).unwrap_or(0);
    let key = keys::usage(hour);
    let mut noted = NoteUsage { hour, ..*op };
    // A leader that takes over within the hour adds what it saw of it.
    if let Some(before) = cx.load::<NoteUsage>(&key)? {
        noted.io = sum(before.io, op.io);
        noted.io_s = before.io_s.saturating_add(op.io_s);
    }
    cx.store(key, &noted);
    let first = [keys::USAGE];
    let last = keys::usage(hour.saturating_sub(KEPT));
    for (key, _) in records::load_range::<NoteUsage>(cx.view(), &first, &last, MOST_GONE)? {
        cx.remove(key);
    }
    Ok(cx.reply())
}

type Io = Option<holdfast_proto::session::ClientIo>;

fn sum(a: Io, b: Io) -> Io {
    let (Some(a), Some(b)) = (a, b) else { return a.or(b) };
    Some(a.plus(&b))
}
