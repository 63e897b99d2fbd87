//! Conditional requests: `If-Match`, `If-None-Match`, `If-Modified-Since`, `If-Unmodified-Since`, `If-Range`, and the
//! same for the source of a copy.
//!
//! What always holds: reads are judged here, on the inode they are answered from; writes carry their conditions into
//! the command, where they are judged on what is there at that moment.

use holdfast_proto::inode::Inode;
use holdfast_proto::op::Conditions;
use http::HeaderMap;
use s3s::{S3Error, S3Result};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use time::macros::format_description;

use crate::error;

const NANOS: i64 = 1_000_000_000;

/// Most ETags in one header.
const MAX_TAGS: usize = 64;

/// An ETag in a condition, or any.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tag {
    Any,
    Is { weak: bool, value: String },
}

/// The conditions of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preconditions {
    if_match: Vec<Tag>,
    if_none_match: Vec<Tag>,
    modified_since_s: Option<i64>,
    unmodified_since_s: Option<i64>,
}

/// How a read with conditions goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed,
    NotModified,
    Failed,
}

fn parse_tags(text: &str) -> Option<Vec<Tag>> {
    let mut rest = text.trim();
    let mut tags = Vec::new();
    while !rest.is_empty() {
        let (tag, behind) = parse_tag(rest)?;
        tags.push(tag);
        if tags.len() > MAX_TAGS {
            return None;
        }
        rest = behind.trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    (!tags.is_empty()).then_some(tags)
}

fn parse_tag(text: &str) -> Option<(Tag, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some((Tag::Any, rest));
    }
    let (weak, quoted) = match text.strip_prefix("W/") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if let Some(inside) = quoted.strip_prefix('"') {
        let (value, rest) = inside.split_once('"')?;
        return Some((Tag::Is { weak, value: value.to_owned() }, rest));
    }
    // Many clients leave the quotes out.
    let end = quoted.find(',').unwrap_or(quoted.len());
    let value = quoted[..end].trim();
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    plain.then(|| (Tag::Is { weak, value: value.to_owned() }, &quoted[end..]))
}

/// Seconds since the Unix epoch of an HTTP date, in the forms clients use.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let imf = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    let parsed = time::PrimitiveDateTime::parse(text, imf).map(time::PrimitiveDateTime::assume_utc);
    let parsed = parsed.or_else(|_| OffsetDateTime::parse(text, &Rfc2822));
    let parsed =
        parsed.or_else(|_| OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339));
    parsed.ok().map(OffsetDateTime::unix_timestamp)
}

/// The whole second a client saw as `Last-Modified`.
fn modified_s(inode: &Inode) -> i64 {
    inode.mtime_ns.div_euclid(NANOS)
}

impl Preconditions {
    /// Takes the conditions out of the headers. A date that cannot be read counts as absent, as RFC 9110 wants; an
    /// ETag that cannot be read is an error, because ignoring it would let a write through.
    pub(crate) fn take(headers: &mut HeaderMap, prefix: &str) -> S3Result<Self> {
        let mut text = |name: &str| -> Result<Option<String>, S3Error> {
            let name = format!("{prefix}{name}");
            if headers.get_all(&name).iter().count() > 1 {
                return Err(error::invalid(format!("header given twice: {name}")));
            }
            let value = headers.remove(&name);
            let unreadable = |_| error::invalid(format!("{name} is not plain text"));
            value.map(|v| v.to_str().map(str::to_owned).map_err(unreadable)).transpose()
        };
        let tags = |text: Option<String>| match text {
            None => Ok(Vec::new()),
            Some(text) => parse_tags(&text).ok_or_else(|| error::invalid("a condition does not hold ETags")),
        };
        Ok(Self {
            if_match: tags(text("if-match")?)?,
            if_none_match: tags(text("if-none-match")?)?,
            modified_since_s: text("if-modified-since")?.as_deref().and_then(parse_date),
            unmodified_since_s: text("if-unmodified-since")?.as_deref().and_then(parse_date),
        })
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Judges a read, in the order of RFC 9110, section 13.2.2.
    pub(crate) fn judge(&self, inode: &Inode) -> Verdict {
        let etag = inode.etag();
        let strong = |tag: &Tag| match tag {
            Tag::Any => true,
            Tag::Is { weak, value } => !weak && *value == etag,
        };
        let weakly = |tag: &Tag| match tag {
            Tag::Any => true,
            Tag::Is { value, .. } => *value == etag,
        };
        if !self.if_match.is_empty() {
            if !self.if_match.iter().any(strong) {
                return Verdict::Failed;
            }
        } else if self.unmodified_since_s.is_some_and(|since| modified_s(inode) > since) {
            return Verdict::Failed;
        }
        if !self.if_none_match.is_empty() {
            if self.if_none_match.iter().any(weakly) {
                return Verdict::NotModified;
            }
        } else if self.modified_since_s.is_some_and(|since| modified_s(inode) <= since) {
            return Verdict::NotModified;
        }
        Verdict::Proceed
    }

    /// Conditions of a write, as its command carries them. S3 knows only ETags there.
    pub(crate) fn for_write(&self) -> S3Result<Option<Conditions>> {
        if self.modified_since_s.is_some() || self.unmodified_since_s.is_some() {
            return Err(error::not_offered("conditions on dates are not offered for writes"));
        }
        if self.is_empty() {
            return Ok(None);
        }
        let plain = |tags: &[Tag]| -> Vec<String> {
            tags.iter()
                .map(|tag| match tag {
                    Tag::Any => "*".to_owned(),
                    Tag::Is { value, .. } => value.clone(),
                })
                .collect()
        };
        // A weak tag never matches strongly; S3 has none, so asking for one is asking for nothing that exists.
        if self.if_match.iter().any(|t| matches!(t, Tag::Is { weak: true, .. })) {
            return Err(error::refuse(
                "PreconditionFailed",
                http::StatusCode::PRECONDITION_FAILED,
                "weak ETags never match",
            ));
        }
        Ok(Some(Conditions {
            if_match: plain(&self.if_match),
            if_none_match: plain(&self.if_none_match),
            ..Conditions::default()
        }))
    }
}

/// Whether a range may be served: `If-Range` names this very content, or is absent.
pub(crate) fn range_applies(if_range: Option<&str>, inode: &Inode) -> bool {
    let Some(text) = if_range else { return true };
    if let Some(date) = parse_date(text) {
        return modified_s(inode) == date;
    }
    match parse_tag(text.trim()) {
        Some((Tag::Is { weak: false, value }, "")) => value == inode.etag(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_proto::inode::ObjectMeta;

    fn inode() -> Inode {
        let object = ObjectMeta { etag: "abc".into(), version: 5, ..ObjectMeta::default() };
        // 2015-10-21T07:28:00.5Z: dates are compared by the second.
        Inode {
            ino: 9,
            version: 5,
            mtime_ns: 1_445_412_480 * NANOS + NANOS / 2,
            object: Some(object),
            ..Inode::default()
        }
    }

    fn conditions(pairs: &[(&'static str, &str)]) -> S3Result<Preconditions> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        let taken = Preconditions::take(&mut headers, "");
        assert!(headers.is_empty());
        taken
    }

    fn verdict(pairs: &[(&'static str, &str)]) -> Verdict {
        conditions(pairs).unwrap().judge(&inode())
    }

    const SAME: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const EARLIER: &str = "Wed, 21 Oct 2015 07:27:59 GMT";

    #[test]
    fn reads_follow_the_standard() {
        assert_eq!(verdict(&[]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "\"abc\"")]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "abc")]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "\"x\", \"abc\"")]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "*")]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-match", "W/\"abc\"")]), Verdict::Failed);
        assert_eq!(verdict(&[("if-match", "\"x\"")]), Verdict::Failed);
        assert_eq!(verdict(&[("if-none-match", "\"abc\"")]), Verdict::NotModified);
        assert_eq!(verdict(&[("if-none-match", "W/\"abc\"")]), Verdict::NotModified);
        assert_eq!(verdict(&[("if-none-match", "\"x\"")]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-modified-since", SAME)]), Verdict::NotModified);
        assert_eq!(verdict(&[("if-modified-since", EARLIER)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", SAME)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-unmodified-since", EARLIER)]), Verdict::Failed);
        assert_eq!(verdict(&[("if-match", "\"abc\""), ("if-unmodified-since", EARLIER)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-none-match", "\"x\""), ("if-modified-since", SAME)]), Verdict::Proceed);
        assert_eq!(verdict(&[("if-modified-since", "yesterday")]), Verdict::Proceed);
        assert!(conditions(&[("if-match", "\"open")]).is_err());
    }

    #[test]
    fn content_changed_through_another_door_has_another_tag() {
        let mut changed = inode();
        changed.version = 6;
        assert_eq!(conditions(&[("if-match", "\"abc\"")]).unwrap().judge(&changed), Verdict::Failed);
        assert_eq!(conditions(&[("if-match", "\"9-6\"")]).unwrap().judge(&changed), Verdict::Proceed);
    }

    #[test]
    fn writes_carry_tags_only() {
        let write = conditions(&[("if-none-match", "*")]).unwrap().for_write().unwrap().unwrap();
        assert_eq!(write.if_none_match, ["*"]);
        assert_eq!(conditions(&[]).unwrap().for_write().unwrap(), None);
        assert!(conditions(&[("if-unmodified-since", SAME)]).unwrap().for_write().is_err());
        assert!(conditions(&[("if-match", "W/\"a\"")]).unwrap().for_write().is_err());
    }

    #[test]
    fn if_range_must_name_this_content() {
        assert!(range_applies(None, &inode()));
        assert!(range_applies(Some("\"abc\""), &inode()));
        assert!(range_applies(Some(SAME), &inode()));
        assert!(!range_applies(Some(EARLIER), &inode()));
        assert!(!range_applies(Some("\"x\""), &inode()));
        assert!(!range_applies(Some("W/\"abc\""), &inode()));
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_parsed_or_refused(text in "[ -~]{0,80}") {
            let _ = parse_tags(&text);
            let _ = parse_date(&text);
            let _ = range_applies(Some(&text), &inode());
        }

        #[test]
        fn tags_survive_a_list(values in proptest::collection::vec("[!#-+--~]{1,20}", 1..5)) {
            let text = values.iter().map(|v| format!("\"{v}\"")).collect::<Vec<_>>().join(", ");
            let tags = parse_tags(&text).unwrap();
            let back: Vec<_> = tags.into_iter().map(|t| match t { Tag::Is { value, .. } => value, Tag::Any => "*".into() }).collect();
            proptest::prop_assert_eq!(back, values);
        }
    }
}
