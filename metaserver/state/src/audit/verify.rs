//! Following the chain: every entry is where it belongs and says what it said when it was written.

use bytes::Bytes;
use holdfast_proto::audit::{AuditEnds, AuditEntry, AuditProblem, SealedEntry, VerifyAuditReply};
use prost::Message;

use super::chained;
use crate::keys;
use crate::records;
use crate::table::{Broken, View};

/// Problems told at most.
const MOST: usize = 1000;
/// Entries read at once.
const PAGE: usize = 1000;

/// Follows the chain from its beginning to entry `upto` (0: to its end). Entries that cannot be read are problems, not
/// errors.
pub fn verify(view: &dyn View, upto: u64) -> Result<VerifyAuditReply, Broken> {
    let ends: AuditEnds = records::load(view, &keys::audit_ends())?.unwrap_or_default();
    let last = if upto == 0 { ends.last } else { ends.last.min(upto) };
    let mut walk = Walk { before: ends.trimmed_hash.clone(), next: ends.trimmed + 1, ..Walk::default() };
    // Nothing belongs before the first one.
    let mut from = keys::audit(0);
    let end = keys::after_prefix(&[keys::AUDIT]);
    loop {
        let page = view.scan(&from, &end, PAGE)?;
        let whole = page.len() < PAGE;
        if let Some((key, _)) = page.last() {
            from = keys::next(key);
        }
        for (key, value) in page {
            walk.step(&key, value, last, ends.last);
        }
        if whole {
            break;
        }
    }
    if walk.next <= last {
        let what = format!("entries {} to {last} are gone", walk.next);
        walk.problem(walk.next, "missing", what);
    }
    if last == ends.last && walk.before != ends.hash {
        walk.problem(last, "end", "the last entry is not the one that was written last".into());
    }
    Ok(VerifyAuditReply {
        entries: walk.entries,
        upto: last,
        hash: walk.before,
        problems: walk.problems,
        ends: Some(ends),
        index: 0,
    })
}

#[derive(Default)]
struct Walk {
    /// Hash of the entry before.
    before: Bytes,
    /// The number that should come.
    next: u64,
    entries: u64,
    problems: Vec<AuditProblem>,
}

impl Walk {
    fn problem(&mut self, seq: u64, code: &str, message: String) {
        if self.problems.len() < MOST {
            self.problems.push(AuditProblem { seq, code: code.into(), message });
        }
    }

    fn step(&mut self, key: &Bytes, value: Bytes, last: u64, end: u64) {
        let seq = keys::u64_at(key, 1);
        if key.len() != 9 || seq < self.next || seq > end {
            self.problem(seq, "misplaced", "an entry lies where none belongs".into());
            return;
        }
        if seq > last {
            return;
        }
        if seq > self.next {
            let what = format!("entries {} to {} are gone", self.next, seq - 1);
            self.problem(self.next, "missing", what);
        }
        self.next = seq + 1;
        self.entries += 1;
        let sealed: SealedEntry = match records::decode(key, value) {
            Ok(sealed) => sealed,
            Err(error) => {
                self.problem(seq, "changed", error.to_string());
                self.before = Bytes::new();
                return;
            }
        };
        let hash = chained(&self.before, &sealed.body);
        if hash != sealed.hash {
            let what = "its hash does not fit it and the entry before: one of them was changed".into();
            self.problem(seq, "changed", what);
        }
        let says = AuditEntry::decode(sealed.body).map_or(0, |entry| entry.seq);
        if says != seq {
            self.problem(seq, "misplaced", format!("it says that it is entry {says}"));
        }
        // What follows is judged by what is written, so that each problem is told where it is.
        self.before = sealed.hash;
    }
}
