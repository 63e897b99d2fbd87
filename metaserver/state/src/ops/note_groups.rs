//! The leader notes which groups lack redundancy, so that whoever leads next can say since when.

use holdfast_proto::map::{Pg, PgState};
use holdfast_proto::op::{Ailment, GroupNote, NoteGroups};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, Stop, refuse, require};
use crate::keys;
use crate::records::Ailing;

/// Groups in one command.
pub(crate) const MOST_NOTES: usize = 1000;

pub(crate) fn apply(cx: &mut Change<'_>, op: &NoteGroups) -> Outcome {
    require(op.notes.len() <= MOST_NOTES, Code::TooLarge, "a command notes at most 1000 groups")?;
    for note in &op.notes {
        note_one(cx, note)?;
    }
    Ok(cx.reply())
}

fn note_one(cx: &mut Change<'_>, note: &GroupNote) -> Result<(), Stop> {
    let ailment = Ailment::try_from(note.ailment)
        .map_err(|_| refuse(Code::InvalidArgument, "this condition of a group is not known"))?;
    let key = keys::ailing(note.pg);
    let pg: Option<Pg> = cx.load(&keys::pg(note.pg))?;
    // Retired meanwhile: the leader that says so had an older look.
    if ailment == Ailment::Whole || pg.is_none_or(|pg| pg.state() == PgState::Retired) {
        if cx.view().get(&key)?.is_some() {
            cx.remove(key);
        }
        return Ok(());
    }
    let age_ns = i64::try_from(note.age_ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let began = cx.now.saturating_sub(age_ns).max(0);
    let old: Option<Ailing> = cx.load(&key)?;
    let level_since_ns = match &old {
        Some(old) if old.ailment == note.ailment => old.level_since_ns,
        // It was better, or worse, until after it began to lack something at all.
        Some(old) => began.max(old.since_ns),
        None => began,
    };
    let since_ns = old.map_or(began, |old| old.since_ns);
    let new = Ailing { ailment: note.ailment, since_ns, level_since_ns };
    if old != Some(new) {
        cx.store(key, &new);
    }
    Ok(())
}
