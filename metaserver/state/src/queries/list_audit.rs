//! A page of the audit log, newest first.

use holdfast_proto::audit::{AuditEnds, AuditEntry, SealedEntry};
use holdfast_proto::query::{ListAudit, QueryReply};
use prost::Message;

use crate::keys;
use crate::queries::{Answer, page};
use crate::records;
use crate::table::View;

const MOST: usize = 1000;
/// Entries looked at for one answer.
const BUDGET: u64 = 10_000;
/// Entries read at once.
const STRETCH: u64 = 500;

pub(crate) fn answer(view: &dyn View, ask: &ListAudit) -> Answer {
    let ends: AuditEnds = records::load(view, &keys::audit_ends())?.unwrap_or_default();
    let mut upto = if ask.before == 0 { ends.last } else { ends.last.min(ask.before - 1) };
    let most = page(ask.most, MOST);
    let text = ask.text.to_lowercase();
    let mut reply = QueryReply::default();
    let mut budget = BUDGET;
    'looking: while upto > ends.trimmed && budget > 0 {
        let from = upto.saturating_sub(STRETCH.min(budget) - 1).max(ends.trimmed + 1);
        let stretch = records::load_range::<SealedEntry>(
            view,
            &keys::audit(from),
            &keys::audit(upto + 1),
            STRETCH as usize,
        )?;
        for (key, sealed) in stretch.into_iter().rev() {
            upto = keys::u64_at(&key, 1) - 1;
            if wanted(ask, &text, &sealed) {
                reply.audit.push(sealed);
            }
            if reply.audit.len() == most {
                break 'looking;
            }
        }
        budget -= STRETCH.min(budget);
        upto = upto.min(from - 1);
    }
    reply.more = upto > ends.trimmed;
    if reply.more {
        reply.next = (upto + 1).to_string().into();
    }
    reply.audit_ends = Some(ends);
    Ok(reply)
}

/// What cannot be read is shown whatever is asked for: it is what an auditor looks for.
fn wanted(ask: &ListAudit, text: &str, sealed: &SealedEntry) -> bool {
    let Ok(entry) = AuditEntry::decode(sealed.body.clone()) else { return true };
    let note = entry.note.unwrap_or_default();
    let actor = note.actor.clone().unwrap_or_default();
    let in_action =
        || note.action.strip_prefix(&ask.action).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let in_text = || {
        let details = note.details.iter().flat_map(|detail| [&detail.key, &detail.value]);
        let all = [&note.action, &note.target, &note.message, &actor.name, &actor.from];
        all.into_iter().chain(details).any(|part| part.to_lowercase().contains(text))
    };
    (ask.kinds.is_empty() || ask.kinds.contains(&note.kind))
        && (ask.actor.is_empty() || ask.actor == actor.name)
        && (ask.target.is_empty() || ask.target == note.target)
        && (ask.from_ns == 0 || entry.at_ns >= ask.from_ns)
        && (ask.to_ns == 0 || entry.at_ns < ask.to_ns)
        && (ask.action.is_empty() || in_action())
        && (text.is_empty() || in_text())
}
