//! Times as the API writes them: RFC 3339 in UTC, milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// A time, from nanoseconds since the Unix epoch; what lies beyond the calendar is its end.
pub(crate) fn of_ns(ns: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp_nanos(i128::from(ns));
    moment
        .ok()
        .and_then(|moment| moment.format(FORMAT).ok())
        .unwrap_or_else(|| "9999-12-31T23:59:59.999Z".into())
}

/// The same, if it is known: not 0.
pub(crate) fn known_ns(ns: i64) -> Option<String> {
    (ns != 0).then(|| of_ns(ns))
}

/// The same from seconds.
pub(crate) fn known_s(seconds: u64) -> Option<String> {
    known_ns(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000_000))
}

/// So many milliseconds ago; `None`: just now, or not known.
pub(crate) fn ago_ms(ms: u64) -> Option<String> {
    let ago = i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    (ms != 0).then(|| of_ns(now_ns().saturating_sub(ago)))
}

/// The wall clock.
pub(crate) fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Reads a time as callers write it; what lies beyond 1677 and 2262 is taken for these.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    let ns = moment.unix_timestamp_nanos();
    Some(i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_text() {
        let ns = 1_795_449_600_123_000_000;
        assert_eq!(of_ns(ns), "2026-11-23T16:00:00.123Z");
        assert_eq!(parse(&of_ns(ns)), Some(ns));
        assert_eq!(parse("2026-11-23T17:00:00.123+01:00"), Some(ns));
        assert_eq!(parse("yesterday"), None);
        assert!(of_ns(i64::MAX).starts_with("2262"));
    }
}
