//! What metadata says one member has, against what its disk lists: a pure function of sorted lists.
//!
//! What always holds: every chunk comes to exactly one finding, and so does every record that is no chunk's. Costs one
//! walk over the lists.

/// A chunk as its member should hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) number: u64,
    /// Bytes of the member's copy or shard.
    pub(super) bytes: u64,
}

/// A record as the disk lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) number: u64,
    pub(super) bytes: u64,
    pub(super) shard: u32,
}

/// What a chunk or a record comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finding {
    /// There, as far as a list can tell.
    Present { number: u64, bytes: u64 },
    /// Not to be looked for: metadata knows that the member lacks it, or is still filling the member, which may have it
    /// already (`there`).
    Awaited { number: u64, there: bool },
    /// It should be there.
    Absent { number: u64 },
    /// There, with another length or another shard.
    Wrong { number: u64 },
    /// A record of no chunk that metadata has.
    Unknown { number: u64, bytes: u64 },
}

/// One member over one stretch of numbers. All lists are complete for that stretch, sorted, and without repetition.
pub(super) struct Stretch<'a> {
    /// The shard that the member holds; 0 in a replicated group.
    pub(super) shard: u32,
    /// It has everything but what is `missing`.
    pub(super) clean: bool,
    pub(super) wanted: &'a [Wanted],
    /// Numbers of chunks that metadata knows the member lacks.
    pub(super) missing: &'a [u64],
    pub(super) held: &'a [Held],
}

impl Stretch<'_> {
    /// Everything that is found, in order of number.
    pub(super) fn compare(&self) -> Vec<Finding> {
        let mut found = Vec::with_capacity(self.wanted.len());
        let mut held = self.held.iter().peekable();
        let mut missing = self.missing.iter().peekable();
        for want in self.wanted {
            while let Some(record) = held.next_if(|record| record.number < want.number) {
                found.push(unknown(record));
            }
            while missing.next_if(|number| **number < want.number).is_some() {}
            let record = held.next_if(|record| record.number == want.number);
            let lacking = missing.next_if(|number| **number == want.number).is_some();
            found.push(match self.judge(want, record) {
                // What metadata knows to be bad is no copy, whatever the disk lists.
                judged if lacking || !self.clean => {
                    let there = !lacking && matches!(judged, Finding::Present { .. });
                    Finding::Awaited { number: want.number, there }
                }
                judged => judged,
            });
        }
        found.extend(held.map(unknown));
        found
    }

    fn judge(&self, want: &Wanted, record: Option<&Held>) -> Finding {
        let number = want.number;
        match record {
            None => Finding::Absent { number },
            Some(record) if (record.bytes, record.shard) != (want.bytes, self.shard) => {
                Finding::Wrong { number }
            }
            Some(_) => Finding::Present { number, bytes: want.bytes },
        }
    }
}

fn unknown(record: &Held) -> Finding {
    Finding::Unknown { number: record.number, bytes: record.bytes }
}

/// The part of a sorted list behind `after`, up to and with `upto`.
pub(super) fn part<T>(list: &[T], number: impl Fn(&T) -> u64, after: u64, upto: u64) -> &[T] {
    let from = list.partition_point(|item| number(item) <= after);
    let to = list.partition_point(|item| number(item) <= upto);
    list.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// The same by looking everything up.
    fn naive(
        shard: u32,
        clean: bool,
        wanted: &BTreeMap<u64, u64>,
        missing: &BTreeSet<u64>,
        held: &BTreeMap<u64, (u64, u32)>,
    ) -> Vec<Finding> {
        let all: BTreeSet<u64> = wanted.keys().chain(held.keys()).copied().collect();
        let finding = |number: u64| match (wanted.get(&number), held.get(&number)) {
            (Some(_), _) if missing.contains(&number) => Finding::Awaited { number, there: false },
            (Some(bytes), record) if !clean => {
                Finding::Awaited { number, there: record == Some(&(*bytes, shard)) }
            }
            (Some(bytes), Some(record)) if *record == (*bytes, shard) => {
                Finding::Present { number, bytes: *bytes }
            }
            (Some(_), Some(_)) => Finding::Wrong { number },
            (Some(_), None) => Finding::Absent { number },
            (None, record) => Finding::Unknown { number, bytes: record.map_or(0, |record| record.0) },
        };
        all.into_iter().map(finding).collect()
    }

    fn number() -> impl Strategy<Value = u64> {
        1_u64..40
    }

    proptest! {
        #[test]
        fn every_chunk_and_every_record_comes_to_one_finding(
            shard in 0_u32..2,
            clean in proptest::bool::weighted(0.8),
            wanted in proptest::collection::btree_map(number(), 0_u64..3, 0..30),
            missing in proptest::collection::btree_set(number(), 0..6),
            held in proptest::collection::btree_map(number(), (0_u64..3, 0_u32..2), 0..30),
            cut in 0_u64..41,
        ) {
            let wants: Vec<Wanted> = wanted.iter().map(|(n, b)| Wanted { number: *n, bytes: *b }).collect();
            let lacks: Vec<u64> = missing.iter().copied().collect();
            let has: Vec<Held> =
                held.iter().map(|(n, (b, s))| Held { number: *n, bytes: *b, shard: *s }).collect();
            let expected = naive(shard, clean, &wanted, &missing, &held);
            let whole = Stretch { shard, clean, wanted: &wants, missing: &lacks, held: &has }.compare();
            prop_assert_eq!(&whole, &expected);
            // In two stretches, as pages come.
            let mut pieces = Vec::new();
            for (after, upto) in [(0, cut), (cut, u64::MAX)] {
                pieces.extend(Stretch {
                    shard,
                    clean,
                    wanted: part(&wants, |w| w.number, after, upto),
                    missing: part(&lacks, |n| *n, after, upto),
                    held: part(&has, |h| h.number, after, upto),
                }.compare());
            }
            prop_assert_eq!(&pieces, &expected);
        }
    }

    #[test]
    fn a_shard_of_another_place_is_no_copy() {
        let stretch = Stretch {
            shard: 1,
            clean: true,
            wanted: &[Wanted { number: 7, bytes: 100 }],
            missing: &[],
            held: &[Held { number: 7, bytes: 100, shard: 0 }],
        };
        assert_eq!(stretch.compare(), [Finding::Wrong { number: 7 }]);
    }
}
