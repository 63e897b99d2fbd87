//! Sessions, grants and the exactly-once window.

use std::collections::{BTreeMap, BTreeSet};

use super::{Report, each};
use crate::keys;
use crate::records::{Id, KeptReply, Mark, Session};
use crate::session::WINDOW;
use crate::table::{Broken, View};

/// What other checks need to know.
#[derive(Default)]
pub(super) struct Sessions {
    /// Open sessions.
    pub(super) open: BTreeMap<u64, Session>,
    /// How many ended ones are remembered.
    pub(super) ended: u64,
}

pub(super) fn check(view: &dyn View, report: &mut Report) -> Result<Sessions, Broken> {
    let mut found = Sessions::default();
    let mut ended = BTreeSet::new();
    each::<Session>(view, keys::SESSION, report, |_, key, session| {
        let id = keys::u64_at(key, 1);
        if session.is_open() {
            found.open.insert(id, session);
        } else {
            ended.insert((session.ended, id));
        }
        Ok(())
    })?;
    found.ended = ended.len() as u64;
    let mut queued = BTreeSet::new();
    each::<Mark>(view, keys::ENDED, report, |_, key, _| {
        queued.insert((keys::u64_at(key, 1), keys::u64_at(key, 9)));
        Ok(())
    })?;
    report.expect(queued == ended, "window_bounded", || "ended/ does not list the ended sessions".into());
    check_grants(view, report, &found)?;
    each::<KeptReply>(view, keys::REPLY, report, |report, key, kept| {
        let (id, slot) = (keys::u64_at(key, 1), u16::from_be_bytes([key[9], key[10]]));
        let fits = found.open.contains_key(&id) && kept.seq % WINDOW == u64::from(slot);
        report.expect(fits, "window_bounded", || {
            format!("a reply of session {id} in slot {slot} is out of place")
        });
        Ok(())
    })?;
    Ok(found)
}

fn check_grants(view: &dyn View, report: &mut Report, sessions: &Sessions) -> Result<(), Broken> {
    let mut open = BTreeSet::new();
    each::<Id>(view, keys::GRANT, report, |_, key, owner| {
        open.insert((owner.id, keys::u64_at(key, 1)));
        Ok(())
    })?;
    let named: BTreeSet<(u64, u64)> = (sessions.open.iter())
        .flat_map(|(id, session)| session.grants.iter().map(move |grant| (*id, *grant)))
        .collect();
    report.expect(open == named, "grants_fit_sessions", || {
        format!("open grants {open:?}, sessions name {named:?}")
    });
    Ok(())
}
