//! `Range` and part numbers: which bytes of an object are meant.

use std::ops::Range;

/// What a `Range` header asks for, of content this long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Everything: there is no range, or none that a server must understand.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing that exists.
    Unsatisfiable,
}

fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // More than fits is further than any object reaches.
    Some(text.parse().unwrap_or(u64::MAX))
}

/// Reads a `Range` header. Several ranges and other units count as no range, as in S3.
pub(crate) fn parse(header: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = header.and_then(split) else { return Wanted::Whole };
    match (first, last) {
        (Some(first), Some(last)) if first > last => Wanted::Whole,
        (Some(first), _) if first >= size => Wanted::Unsatisfiable,
        (Some(first), last) => Wanted::Part(first..last.map_or(size, |l| l.saturating_add(1).min(size))),
        (None, Some(0)) => Wanted::Unsatisfiable,
        (None, Some(_)) if size == 0 => Wanted::Unsatisfiable,
        (None, Some(tail)) => Wanted::Part(size.saturating_sub(tail)..size),
        (None, None) => Wanted::Whole,
    }
}

/// The two numbers of `bytes=a-b`, `bytes=a-` or `bytes=-b`.
fn split(header: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    match (first.trim(), last.trim()) {
        ("", "") => None,
        ("", last) => Some((None, Some(number(last)?))),
        (first, "") => Some((Some(number(first)?), None)),
        (first, last) => Some((Some(number(first)?), Some(number(last)?))),
    }
}

/// The exact range that `x-amz-copy-source-range` must be; `None` when it is malformed or goes beyond the source.
pub(crate) fn parse_copy(header: &str, size: u64) -> Option<Range<u64>> {
    match split(header)? {
        (Some(first), Some(last)) if first <= last && last < size => Some(first..last + 1),
        _ => None,
    }
}

/// The bytes of a part by its number; `None` when there is no such part.
pub(crate) fn part(number: u32, part_bytes: &[u64], size: u64) -> Option<Range<u64>> {
    let index = usize::try_from(number).ok()?.checked_sub(1)?;
    if part_bytes.is_empty() {
        return (index == 0).then_some(0..size);
    }
    let length = *part_bytes.get(index)?;
    let start: u64 = part_bytes[..index].iter().sum();
    (start + length <= size).then_some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_mean_what_the_standard_says() {
        let want = |header, size| parse(Some(header), size);
        assert_eq!(parse(None, 10), Wanted::Whole);
        assert_eq!(want("bytes=0-0", 10), Wanted::Part(0..1));
        assert_eq!(want("bytes=2-5", 10), Wanted::Part(2..6));
        assert_eq!(want("bytes=2-", 10), Wanted::Part(2..10));
        assert_eq!(want("bytes=2-99", 10), Wanted::Part(2..10));
        assert_eq!(want("bytes=-3", 10), Wanted::Part(7..10));
        assert_eq!(want("bytes=-30", 10), Wanted::Part(0..10));
        assert_eq!(want("bytes=10-", 10), Wanted::Unsatisfiable);
        assert_eq!(want("bytes=-0", 10), Wanted::Unsatisfiable);
        assert_eq!(want("bytes=0-", 0), Wanted::Unsatisfiable);
        assert_eq!(want("bytes=-1", 0), Wanted::Unsatisfiable);
        assert_eq!(want("bytes=0-99999999999999999999999", 10), Wanted::Part(0..10));
        assert_eq!(want("bytes=99999999999999999999999-", 10), Wanted::Unsatisfiable);
        for whole in
            ["bytes=5-2", "bytes=0-1,4-5", "bytes=", "bytes=-", "items=0-1", "bytes=a-b", "bytes=+1-2", ""]
        {
            assert_eq!(want(whole, 10), Wanted::Whole, "{whole}");
        }
    }

    #[test]
    fn copies_need_exact_ranges() {
        assert_eq!(parse_copy("bytes=0-9", 10), Some(0..10));
        assert_eq!(parse_copy("bytes=0-10", 10), None);
        assert_eq!(parse_copy("bytes=3-", 10), None);
        assert_eq!(parse_copy("0-3", 10), None);
    }

    #[test]
    fn parts_lie_one_behind_the_other() {
        assert_eq!(part(1, &[5, 5, 2], 12), Some(0..5));
        assert_eq!(part(3, &[5, 5, 2], 12), Some(10..12));
        assert_eq!(part(4, &[5, 5, 2], 12), None);
        assert_eq!(part(0, &[5], 5), None);
        assert_eq!(part(1, &[], 7), Some(0..7));
        assert_eq!(part(2, &[], 7), None);
        assert_eq!(part(2, &[5, 5], 7), None);
    }

    proptest::proptest! {
        #[test]
        fn a_range_lies_within_the_object(text in "(bytes=)?[0-9,+ -]{0,24}", size in 0u64..1000) {
            if let Wanted::Part(range) = parse(Some(&text), size) {
                proptest::prop_assert!(range.start < range.end && range.end <= size);
            }
            if let Some(range) = parse_copy(&text, size) {
                proptest::prop_assert!(range.start < range.end && range.end <= size);
            }
        }
    }
}
