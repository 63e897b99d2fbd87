//! What changed lately, in bounded memory: whether something read as of one index is still true as of now.
//!
//! What always holds: [`Recent::changed_since`] is never false for what changed since; it may be true for what did
//! not, when the index is older than what is remembered.

use std::collections::{HashMap, VecDeque};

/// The newest changes of numbered things, by the index at which they happened.
#[derive(Debug)]
pub struct Recent {
    newest: HashMap<u64, u64>,
    order: VecDeque<(u64, u64)>,
    floor: u64,
    most: usize,
}

impl Recent {
    /// Remembers `most` changes. What happened at `floor` or before is not known.
    pub fn new(floor: u64, most: usize) -> Self {
        Self { newest: HashMap::new(), order: VecDeque::new(), floor, most: most.max(1) }
    }

    /// `thing` changed at `index`.
    pub fn note(&mut self, thing: u64, index: u64) {
        let newest = self.newest.entry(thing).or_insert(0);
        if *newest >= index {
            return;
        }
        *newest = index;
        self.order.push_back((index, thing));
        while self.order.len() > self.most {
            let Some((index, thing)) = self.order.pop_front() else { break };
            self.floor = self.floor.max(index);
            if self.newest.get(&thing) == Some(&index) {
                self.newest.remove(&thing);
            }
        }
    }

    /// Whether `thing` changed after `index`, as far as is known.
    pub fn changed_since(&self, thing: u64, index: u64) -> bool {
        index < self.floor || self.newest.get(&thing).is_some_and(|newest| *newest > index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_remembered_counts_as_changed() {
        let mut recent = Recent::new(10, 2);
        assert!(recent.changed_since(1, 9), "before the floor nothing is known");
        assert!(!recent.changed_since(1, 10));
        recent.note(1, 12);
        recent.note(2, 13);
        assert!(recent.changed_since(1, 11));
        assert!(!recent.changed_since(1, 12));
        recent.note(1, 14);
        assert!(!recent.changed_since(3, 12), "never changed");
        assert!(recent.changed_since(3, 11), "older than what is remembered");
        assert!(recent.changed_since(1, 13));
        assert!(!recent.changed_since(1, 14));
    }
}
