//! Gauges that are there only sometimes: what a node tells while it leads, disks that come and go.
//!
//! What always holds: what was shown before and is not shown any more is gone, not at its last value. What stays is never
//! away in between, whenever somebody scrapes.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::GaugeVec;

type Labels = Vec<String>;

/// A family of gauges whose members come and go together. Clones share it.
#[derive(Clone)]
pub struct Shown {
    family: GaugeVec,
    there: Arc<Mutex<BTreeSet<Labels>>>,
}

impl Shown {
    pub(crate) fn new(family: GaugeVec) -> Self {
        Self { family, there: Arc::default() }
    }

    /// Shows exactly these: values of labels, and the value.
    pub fn show<'a>(&self, rows: impl IntoIterator<Item = (Vec<&'a str>, f64)>) {
        let mut there = self.there.lock();
        let mut now = BTreeSet::new();
        for (labels, value) in rows {
            self.family.with_label_values(&labels).set(value);
            now.insert(labels.into_iter().map(str::to_owned).collect::<Labels>());
        }
        for gone in there.difference(&now) {
            // An error: it is gone already.
            let _ = self.family.remove_label_values(&gone.iter().map(String::as_str).collect::<Vec<_>>());
        }
        *there = now;
    }

    /// The value of a family without labels.
    pub fn set(&self, value: f64) {
        self.show([(Vec::new(), value)]);
    }

    /// As [`Self::show`] with one label.
    pub fn show_by<'a>(&self, rows: impl IntoIterator<Item = (&'a str, f64)>) {
        self.show(rows.into_iter().map(|(label, value)| (vec![label], value)));
    }

    /// Nothing of it is known any more.
    pub fn forget(&self) {
        self.show([]);
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::{metrics_text, shown};

    #[test]
    fn what_is_not_shown_any_more_is_gone() {
        let doing = shown("holdfast_test_doing", "For this test", &["loop", "state"]);
        let alone = shown("holdfast_test_alone", "For this test", &[]);
        doing.show([(vec!["gc", "idle"], 1.0), (vec!["repair", "busy"], 1.0)]);
        alone.set(2.5);
        let text = metrics_text();
        assert!(text.contains("holdfast_test_doing{loop=\"repair\",state=\"busy\"} 1\n"), "{text}");
        assert!(text.contains("holdfast_test_alone 2.5\n"), "{text}");
        doing.show([(vec!["gc", "idle"], 1.0)]);
        alone.forget();
        let text = metrics_text();
        assert!(
            text.contains("holdfast_test_doing{loop=\"gc\"") && !text.contains("loop=\"repair\""),
            "{text}"
        );
        assert!(!text.contains("holdfast_test_alone"), "{text}");
    }
}
