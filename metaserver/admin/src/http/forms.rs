//! Forms of text that the API's description names: each with its pattern, for whoever reads the description, and the same
//! in code, for whoever sends something else.
//!
//! What always holds: `fits` takes exactly what the pattern does. In the code a form stands where OpenAPI has `format`; in
//! the description it is replaced by its pattern.

use crate::moment;

/// See the module's first lines.
pub(super) struct Form {
    pub(super) name: &'static str,
    pub(super) pattern: &'static str,
    fits: fn(&str) -> bool,
}

impl Form {
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        FORMS.iter().find(|form| form.name == name)
    }

    pub(super) fn fits(&self, text: &str) -> bool {
        (self.fits)(text)
    }
}

macro_rules! part {
    () => {
        r"(?!\.{1,2}(/|$))[^/\u0000]+"
    };
}

pub(super) static FORMS: &[Form] = &[
    // Any path; `/` is what holds buckets.
    Form {
        name: "path",
        pattern: concat!(r"^/+(", part!(), "(/+|$))*$"),
        fits: |text| parts(text).is_some(),
    },
    // A bucket, or anything below one.
    Form {
        name: "path-below-root",
        pattern: concat!(r"^/+", part!(), "(/+|$)(", part!(), "(/+|$))*$"),
        fits: |text| parts(text).is_some_and(|count| count >= 1),
    },
    // Something in a bucket.
    Form {
        name: "path-in-bucket",
        pattern: concat!(r"^/+", part!(), "/+", part!(), "(/+|$)(", part!(), "(/+|$))*$"),
        fits: |text| parts(text).is_some_and(|count| count >= 2),
    },
    Form {
        name: "bucket",
        pattern: r"^(?!.*\.\.)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
        fits: |text| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            (3..=63).contains(&text.len())
                && text.chars().all(|c| plain(c) || c == '-' || c == '.')
                && text.starts_with(plain)
                && text.ends_with(plain)
                && !text.contains("..")
        },
    },
    // A bucket's name, or the beginning of one and `*`.
    Form {
        name: "bucket-pattern",
        pattern: r"^(?=.{1,64}$)([a-z0-9.-]+\*?|\*)$",
        fits: |text| {
            let name = text.strip_suffix('*').unwrap_or(text);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-');
            (1..=64).contains(&text.len()) && name.chars().all(plain)
        },
    },
    Form {
        name: "account",
        pattern: r"^[a-z0-9][a-z0-9._@-]{0,63}$",
        fits: |text| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            let fine = |c: char| plain(c) || matches!(c, '-' | '_' | '.' | '@');
            (1..=64).contains(&text.len()) && text.starts_with(plain) && text.chars().all(fine)
        },
    },
    Form {
        name: "class-name",
        pattern: r"^[A-Za-z0-9._-]{1,64}$",
        fits: |text| {
            let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            (1..=64).contains(&text.len()) && text.chars().all(fine)
        },
    },
    // Zone, rack or host.
    Form {
        name: "label",
        pattern: r"^[^/\u0000-\u001f\u007f-\u009f]{0,64}$",
        fits: |text| text.chars().count() <= 64 && text.chars().all(|c| !c.is_control() && c != '/'),
    },
    // The id of a login, token or link.
    Form { name: "credential", pattern: r"^[0-9a-f]{64}$", fits: |text| is_hex(text, 64) },
    Form { name: "upload", pattern: r"^[0-9a-f]{16}$", fits: |text| is_hex(text, 16) },
    // A hash; none is empty.
    Form {
        name: "hash",
        pattern: r"^([0-9a-fA-F]{64})?$",
        fits: |text| text.is_empty() || (text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())),
    },
    Form { name: "access-key", pattern: r"^[A-Za-z0-9]{1,128}$", fits: |text| is_name(text, 128, "") },
    Form { name: "setting", pattern: r"^[a-z0-9_]{1,64}$", fits: |text| is_name(text, 64, "_") },
    // Where the next page begins; empty is the first one.
    Form {
        name: "cursor",
        pattern: r"^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-]{2,3})?$",
        fits: |text| {
            let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
            text.len() % 4 != 1 && text.bytes().all(fine)
        },
    },
    Form {
        name: "number-cursor",
        pattern: r"^[0-9]{0,20}$",
        fits: |text| text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit()),
    },
    // The same of an order: how much there is of what it goes by, and the group.
    Form {
        name: "group-cursor",
        pattern: r"^([0-9]{1,20}\.)?[0-9]{0,10}$",
        fits: |text| {
            let (rank, group) = text.split_once('.').unwrap_or(("0", text));
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            (1..=20).contains(&rank.len()) && group.len() <= 10 && digits(rank) && digits(group)
        },
    },
    Form { name: "date-time", pattern: "", fits: |text| moment::parse(text).is_some() },
];

/// How many names a path has; `None`: it is none.
fn parts(text: &str) -> Option<usize> {
    let fine = text.starts_with('/')
        && !text.contains('\0')
        && text.split('/').all(|part| part != "." && part != "..");
    fine.then(|| text.split('/').filter(|part| !part.is_empty()).count())
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_name(text: &str, most: usize, more: &str) -> bool {
    (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_take_what_they_are_for() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("path", &["/", "//b//c/", "/b/.x", "/b/...", "/b/文"], &["", "b", "/.", "/b/../c", "/b/\0"]),
            ("path-below-root", &["/b", "/b/c/"], &["/", "//", "/.."]),
            ("path-in-bucket", &["/b/c", "/b//c/d/"], &["/", "/b", "/b/", "/b/."]),
            ("bucket", &["abc", "a.b-c"], &["ab", "-ab", "a..b", "abC", ""]),
            ("bucket-pattern", &["*", "a", "a*", "-"], &["", "**", "A", "a*b"]),
            ("account", &["0", "a@b.c"], &["", ".a", "A", "a b"]),
            ("cursor", &["", "ab", "abc", "abcd"], &["a", "abcde", "ab=", "é0"]),
            ("number-cursor", &["", "0", "18446744073709551615"], &["x", "-1", "184467440737095516150"]),
            ("group-cursor", &["", "7", "3.7", "3."], &["x", ".7", "1.2.3", "-1"]),
            ("date-time", &["2026-11-23T16:00:00Z", "9999-01-01T00:00:00+01:00"], &["", "yesterday"]),
            ("hash", &["", &"aB".repeat(32)], &["ab"]),
        ];
        for (name, good, bad) in cases {
            let form = Form::of(name).unwrap();
            for text in *good {
                assert!(form.fits(text), "{name} takes {text:?}");
            }
            for text in *bad {
                assert!(!form.fits(text), "{name} refuses {text:?}");
            }
        }
    }
}
