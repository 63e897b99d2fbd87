//! The audit log: entries chained by BLAKE3, written by the same command that does what they tell of.
//!
//! What always holds:
//! - What administers the cluster, and whatever is done for somebody ([`Command::actor`]), cannot happen without its entry:
//!   both are one command. A refusal is noted as such, and changes nothing else.
//! - An entry's hash covers its bytes and the hash of the one before; numbers have no gaps. What is let go of because of
//!   its age leaves its last hash behind, to which the rest is chained.
//! - No secret is in an entry.
//!
//! Called by [`crate::apply()`] after every operation; [`verify()`] by metaservers and by the whole-state checker.

mod subject;
mod verify;

use bytes::Bytes;
use holdfast_proto::audit::{Actor, ActorKind, AuditEnds, AuditEntry, AuditNote, SealedEntry};
use holdfast_proto::op::{Command, Reply};
use holdfast_proto::status::Code;
use prost::Message;

use crate::change::{Change, Stop};
use crate::keys;
use crate::records::Session;

use subject::Subject;
pub use subject::path_of;
pub use verify::verify;

/// Separates this hash from every other use of BLAKE3.
const CONTEXT: &str = "holdfast audit log v1";

/// Longest name, target or value of an entry, in bytes.
const MOST_TEXT: usize = 1024;
/// Most details of an entry.
const MOST_DETAILS: usize = 32;

/// Notes what a command did, or that it was refused.
pub(crate) fn note(
    cx: &mut Change<'_>,
    command: &Command,
    session: Option<&Session>,
    reply: &Reply,
) -> Result<(), Stop> {
    let Some(op) = &command.op else { return Ok(()) };
    let refusal = reply.status.as_ref().filter(|status| !status.is_ok());
    // It goes on in steps, of which the last is noted.
    if refusal.is_some_and(|status| status.kind() == Code::NeedsSteps) {
        return Ok(());
    }
    let by_itself = command.session == 0 && command.actor.is_none();
    if by_itself && refusal.is_some() {
        return Ok(());
    }
    let Some(subject) = subject::of(cx, op, by_itself, command.actor.is_some())? else { return Ok(()) };
    let Subject { kind, action, target, details } = subject;
    let actor = command.actor.clone().unwrap_or_else(|| nobody_named(session));
    let mut note = AuditNote {
        kind: kind as i32,
        actor: Some(actor),
        action,
        target,
        details,
        refused: refusal.is_some(),
        message: refusal.map(|status| status.message.clone()).unwrap_or_default(),
    };
    if reply.id != 0 && note.target.is_empty() {
        let kind = note.action.split('.').next().unwrap_or_default();
        note.target = match kind {
            "node" => format!("n{}", reply.id),
            "disk" => format!("d{}", reply.id),
            _ => String::new(),
        };
    }
    append(cx, bounded(note))
}

/// Who does something without saying for whom.
fn nobody_named(session: Option<&Session>) -> Actor {
    match session {
        Some(session) => {
            Actor { kind: ActorKind::Client as i32, name: session.description.clone(), from: String::new() }
        }
        None => Actor::default(),
    }
}

/// The note, with nothing longer than an entry may hold.
pub(crate) fn bounded(mut note: AuditNote) -> AuditNote {
    note.details.truncate(MOST_DETAILS);
    let actor = note.actor.iter_mut().flat_map(|actor| [&mut actor.name, &mut actor.from]);
    let details = note.details.iter_mut().flat_map(|detail| [&mut detail.key, &mut detail.value]);
    for text in
        [&mut note.action, &mut note.target, &mut note.message].into_iter().chain(actor).chain(details)
    {
        text.truncate(text.floor_char_boundary(MOST_TEXT));
    }
    note
}

/// Adds an entry at the end of the chain.
pub(crate) fn append(cx: &mut Change<'_>, note: AuditNote) -> Result<(), Stop> {
    let ends: AuditEnds = cx.load(&keys::audit_ends())?.unwrap_or_default();
    let entry =
        AuditEntry { seq: ends.last + 1, at_ns: cx.now, up_s: cx.uptime_s(), index: cx.at, note: Some(note) };
    let body = Bytes::from(entry.encode_to_vec());
    let hash = chained(&ends.hash, &body);
    cx.store(keys::audit_ends(), &AuditEnds { last: entry.seq, hash: hash.clone(), ..ends });
    cx.store(keys::audit(entry.seq), &SealedEntry { body, hash });
    Ok(())
}

/// The hash of an entry that follows the one with the hash `before`.
fn chained(before: &[u8], body: &[u8]) -> Bytes {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    hasher.update(&(before.len() as u64).to_be_bytes());
    hasher.update(before);
    hasher.update(body);
    Bytes::copy_from_slice(hasher.finalize().as_bytes())
}
