//! Reasons as the API tells them: a stable code with what it says by name, and the sentence in English for who has no other.

use std::collections::BTreeMap;

use holdfast_proto::reason;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why something is so, cannot be done, or how far it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// Stable name; empty when the leader is of a version that gave none.
    pub code: String,
    /// What the message says, by name. Several disks or nodes are bare numbers with commas between.
    pub params: BTreeMap<String, String>,
    /// In English.
    pub message: String,
}

impl Reason {
    pub(crate) fn of(reason: &reason::Reason) -> Self {
        Self {
            code: reason.code.clone(),
            params: reason.params.iter().map(|pair| (pair.key.clone(), pair.value.clone())).collect(),
            message: reason.message.clone(),
        }
    }

    /// Several; of a leader that gives no codes yet, its sentences.
    pub(crate) fn all(reasons: &[reason::Reason], sentences: &[String]) -> Vec<Self> {
        if reasons.len() < sentences.len() {
            let bare = |message: &String| Self { message: message.clone(), ..Self::default() };
            return sentences.iter().map(bare).collect();
        }
        reasons.iter().map(Self::of).collect()
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the dashboard checks its texts against.
    #[test]
    fn the_dashboard_knows_every_code() {
        let source = std::env::var("CARGO_MANIFEST_DIR").unwrap();
        let path = format!("{source}/../dashboard/src/i18n/reasons.json");
        let known: BTreeMap<String, Vec<String>> =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let codes = reason::CODES.iter().map(|(code, params)| {
            ((*code).to_owned(), params.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        });
        let codes: BTreeMap<String, Vec<String>> = codes.collect();
        assert_eq!(known, codes, "write into {path}: {}", serde_json::to_string_pretty(&codes).unwrap());
    }

    #[test]
    fn an_older_leader_gives_sentences_without_codes() {
        let told = Reason::all(&[], &["it rains".to_owned()]);
        assert_eq!((told[0].code.as_str(), told[0].to_string().as_str()), ("", "it rains"));
        let known = reason::Reason::new("drain_left", "2 groups still count on it").with("groups", 2);
        let told = Reason::all(std::slice::from_ref(&known), std::slice::from_ref(&known.message));
        assert_eq!((told[0].code.as_str(), told[0].params["groups"].as_str()), ("drain_left", "2"));
    }
}
