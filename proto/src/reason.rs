//! Sentences of the server that people read, with a stable code and what they say by name: so that programs go by the code
//! and other languages have their own sentence.
//!
//! What always holds: a code never changes its meaning, nor do its parameters; [`CODES`] lists all of them, and a test of
//! the dashboard checks that each has a text in every language. The sentence itself is the fallback.

use crate::inode::KeyValue;

/// Why something is so, cannot be done, or how far it is.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Reason {
    /// One of [`CODES`].
    #[prost(string, tag = "1")]
    pub code: String,
    /// What the sentence says, by name. Several disks are bare numbers with commas between.
    #[prost(message, repeated, tag = "2")]
    pub params: Vec<KeyValue>,
    /// The sentence in English.
    #[prost(string, tag = "3")]
    pub message: String,
}

impl Reason {
    /// Without parameters.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        debug_assert!(CODES.iter().any(|(known, _)| *known == code), "{code} is not in the list of codes");
        Self { code: code.to_owned(), params: Vec::new(), message: message.into() }
    }

    /// With something that the sentence says.
    pub fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.params.push(KeyValue { key: key.to_owned(), value: value.to_string() });
        self
    }

    /// With several numbers that it says.
    pub fn with_all<T: ToString>(self, key: &str, values: &[T]) -> Self {
        let values: Vec<String> = values.iter().map(T::to_string).collect();
        self.with(key, values.join(","))
    }
}

/// Sentences one behind the other.
pub fn joined(reasons: &[Reason]) -> String {
    reasons.iter().map(|reason| reason.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// Balancing ended because nothing is left to do; disks differ by so many percent. Its sentence is what is written down.
pub fn balance_done(percent: f64) -> Reason {
    let percent = format!("{percent:.1}");
    Reason::new("balance_done", format!("{DONE}{percent} %")).with("percent", percent)
}

/// Balancing ended because somebody wanted that.
pub fn balance_cancelled() -> Reason {
    Reason::new("balance_cancelled", "cancelled by an administrator")
}

const DONE: &str = "done; disks differ by ";

/// How balancing ended, from the sentence that was written down. What is not known has no code.
pub fn balance_outcome(written: &str) -> Reason {
    let done = written.strip_prefix(DONE).and_then(|rest| rest.strip_suffix(" %")?.parse().ok());
    match done {
        Some(percent) => balance_done(percent),
        None if written == balance_cancelled().message => balance_cancelled(),
        None => Reason { message: written.to_owned(), ..Reason::default() },
    }
}

/// Every code there is, with the names of its parameters.
pub const CODES: &[(&str, &[&str])] = &[
    // How close to loss a group is.
    ("group_empty", &[]),
    ("group_unreadable", &[]),
    ("group_at_risk", &["missing", "members"]),
    ("group_degraded", &["missing", "members", "spare"]),
    // What is done about it, or waited for.
    ("group_lost", &["disks"]),
    ("group_waits_for_all", &["disks"]),
    ("group_lacks_copies", &[]),
    ("group_no_room", &[]),
    ("group_mending", &["disks"]),
    ("group_whole", &[]),
    ("group_next_step", &[]),
    ("group_moving", &["disks"]),
    ("group_rebuilding", &["disks"]),
    ("group_shares_domain", &["disk"]),
    ("group_join", &["disk"]),
    ("group_let_go", &["disk"]),
    ("group_replace", &["disk", "member"]),
    ("group_maintenance", &["disks"]),
    ("group_held", &["disks"]),
    ("group_grace", &["disks"]),
    ("group_waits", &["disks"]),
    // What speaks against a procedure.
    ("drain_stuck", &["stuck", "groups"]),
    ("drain_crowded", &["groups"]),
    ("not_measured", &[]),
    ("absence_unreadable", &["groups", "others"]),
    ("absence_unwritable", &["classes", "others"]),
    ("absence_majority", &["left", "voters"]),
    ("replace_only_there", &["groups", "bytes", "disks"]),
    ("already_removed", &[]),
    ("not_in_maintenance", &[]),
    ("not_being_emptied", &[]),
    ("being_emptied", &[]),
    ("still_answers", &["groups"]),
    ("leads_metadata", &[]),
    ("takes_part", &[]),
    ("only_metaserver", &[]),
    ("removal_majority", &["left", "voters"]),
    ("still_counted", &["groups"]),
    ("still_to_let_go", &["groups"]),
    ("not_whole_elsewhere", &["chunk", "disk"]),
    // What a procedure waits for.
    ("waits_for_disk", &[]),
    ("waits_for_room", &["groups"]),
    ("waits_for_members", &["groups"]),
    // How far it is.
    ("drain_done", &[]),
    ("drain_letting_go", &["groups"]),
    ("drain_uncounted", &[]),
    ("drain_silent", &["groups", "disks"]),
    ("drain_left", &["groups"]),
    ("maintenance_away", &[]),
    ("maintenance_here", &[]),
    ("replacement_awaited", &[]),
    ("replacement_filling", &["groups"]),
    // How far other long work is.
    ("job_repair", &["groups"]),
    ("job_balance", &["moves", "under_way"]),
    ("job_scrub", &["disks"]),
    ("job_convert", &["files"]),
    // How balancing ended.
    ("balance_done", &["percent"]),
    ("balance_cancelled", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_of_balancing_is_known_again() {
        for reason in [balance_done(2.25), balance_cancelled()] {
            assert_eq!(balance_outcome(&reason.message), reason);
        }
        assert_eq!(balance_outcome("it rained").code, "");
    }

    #[test]
    fn every_code_is_listed_once() {
        let codes: std::collections::BTreeSet<&str> = CODES.iter().map(|(code, _)| *code).collect();
        assert_eq!(codes.len(), CODES.len());
    }
}
