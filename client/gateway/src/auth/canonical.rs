//! The canonical request of Signature Version 4, and the percent-encoding it rests on.
//!
//! What always holds: decoding is strict (a stray `%` or bytes that are not UTF-8 refuse the request), so there
//! is exactly one reading of every path and query.

use http::{HeaderMap, Method};

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Percent-encodes everything but unreserved characters; `/` stays when `keep_slash`.
pub(crate) fn encode_percent(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 8);
    for &b in bytes {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            b'/' if keep_slash => out.push('/'),
            _ => {
                out.push('%');
                out.push(char::from(HEX_UPPER[usize::from(b >> 4)]));
                out.push(char::from(HEX_UPPER[usize::from(b & 15)]));
            }
        }
    }
    out
}

/// Undoes percent-encoding; `None` for a stray `%` or bytes that are not UTF-8.
pub(crate) fn decode_percent(text: &str, plus_is_space: bool) -> Option<String> {
    if !text.bytes().any(|b| b == b'%' || (plus_is_space && b == b'+')) {
        return Some(text.to_owned());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                out.push((high * 16 + low) as u8);
            }
            b'+' if plus_is_space => out.push(b' '),
            _ => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

/// Splits a query into decoded names and values, in the order given.
pub(crate) fn parse_query(query: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for piece in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        pairs.push((decode_percent(name, true)?, decode_percent(value, true)?));
    }
    Some(pairs)
}

/// Writes the canonical request; `None` when a header named as signed is not there.
pub(crate) fn request(
    method: &Method,
    path: &str,
    query: &[(String, String)],
    headers: &HeaderMap,
    signed_headers: &[String],
    content: &str,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b'\n');
    out.extend_from_slice(path.as_bytes());
    out.push(b'\n');
    push_query(&mut out, query);
    out.push(b'\n');
    for name in signed_headers {
        push_header(&mut out, name, headers)?;
    }
    out.push(b'\n');
    for (i, name) in signed_headers.iter().enumerate() {
        if i > 0 {
            out.push(b';');
        }
        out.extend_from_slice(name.as_bytes());
    }
    out.push(b'\n');
    out.extend_from_slice(content.as_bytes());
    Some(out)
}

fn push_query(out: &mut Vec<u8>, query: &[(String, String)]) {
    let mut pairs: Vec<(String, String)> = query
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| {
            (encode_percent(name.as_bytes(), false), encode_percent(value.as_bytes(), false))
        })
        .collect();
    pairs.sort_unstable();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(value.as_bytes());
    }
}

fn push_header(out: &mut Vec<u8>, name: &str, headers: &HeaderMap) -> Option<()> {
    let mut values = headers.get_all(name).iter().peekable();
    values.peek()?;
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        push_collapsed(out, value.as_bytes());
    }
    out.push(b'\n');
    Some(())
}

/// A value without spaces at its ends, runs of spaces inside made one.
fn push_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    let mut after_space = false;
    for &b in value.trim_ascii() {
        if b == b' ' && after_space {
            continue;
        }
        after_space = b == b' ';
        out.push(b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict() {
        assert_eq!(decode_percent("a%2Fb%20c+d", false).as_deref(), Some("a/b c+d"));
        assert_eq!(decode_percent("a+b", true).as_deref(), Some("a b"));
        for bad in ["%", "%2", "%zz", "%ff", "%C3"] {
            assert_eq!(decode_percent(bad, false), None, "{bad}");
        }
    }

    #[test]
    fn runs_of_spaces_count_as_one() {
        let mut out = Vec::new();
        push_collapsed(&mut out, b"  a   b c ");
        assert_eq!(out, b"a b c");
    }

    proptest::proptest! {
        #[test]
        fn encoding_is_reversible(text in "\\PC{0,64}", slash in proptest::bool::ANY) {
            let encoded = encode_percent(text.as_bytes(), slash);
            proptest::prop_assert!(encoded.is_ascii());
            proptest::prop_assert_eq!(decode_percent(&encoded, false), Some(text));
        }
    }
}
