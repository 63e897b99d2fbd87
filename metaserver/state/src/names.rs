//! How stored names look in a mount, and back.
//!
//! A directory wins the plain name. A file beside a directory of the same name, and names that POSIX cannot carry
//! (empty, `.`, `..`, longer than 255 bytes, with a zero byte), appear under an escape:
//!
//! ```text
//! .hf~f<name>     a file; in <name>, `%` is written %25 and a zero byte %00
//! .hf~d<name>     a directory, likewise
//! .hf~F<digest>   a file whose escaped name would be too long: 64 hex digits of the BLAKE3 of its stored name
//! .hf~D<digest>   a directory, likewise
//! ```
//!
//! What always holds:
//! - The escape is reversible: for digests there is a `longname/` record beside every such entry.
//! - Nothing new may be called like an escape; an object whose key looks like one is itself shown escaped.
//!
//! Used by lookups, directory listings and every operation that takes a name from a mount.

use bytes::Bytes;

/// Longest name a mount can carry, in bytes.
pub const MAX_NAME: usize = 255;

const PREFIX: &[u8] = b".hf~";
const DIGEST_HEX: usize = 64;

/// What an escaped name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// This stored name.
    Stored(Bytes),
    /// The stored name with this BLAKE3, to be looked up in `longname/`.
    Digest([u8; 32]),
}

/// Whether a name may stand for itself.
pub fn is_plain(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && name.len() <= MAX_NAME
        && !is_reserved(name)
        && !name.iter().any(|byte| matches!(byte, b'/' | 0))
}

/// Whether a name looks like an escape.
pub fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}

/// The name under which a mount shows a stored name. `beside_dir`: a directory of the same plain name exists.
pub fn shown(stored: &[u8], beside_dir: bool) -> Bytes {
    let (plain, directory) = split(stored);
    if is_plain(plain) && (directory || !beside_dir) {
        return Bytes::copy_from_slice(plain);
    }
    let escaped = escape(plain, directory);
    if escaped.len() <= MAX_NAME {
        return escaped.into();
    }
    let mut name = PREFIX.to_vec();
    name.push(if directory { b'D' } else { b'F' });
    name.extend_from_slice(blake3::hash(stored).to_hex().as_bytes());
    name.into()
}

fn split(stored: &[u8]) -> (&[u8], bool) {
    match stored.strip_suffix(b"/") {
        Some(plain) => (plain, true),
        None => (stored, false),
    }
}

fn escape(plain: &[u8], directory: bool) -> Vec<u8> {
    let mut name = PREFIX.to_vec();
    name.push(if directory { b'd' } else { b'f' });
    for &byte in plain {
        match byte {
            b'%' => name.extend_from_slice(b"%25"),
            0 => name.extend_from_slice(b"%00"),
            other => name.push(other),
        }
    }
    name
}

/// Reads an escaped name; `None` when it is not one.
pub fn unescape(name: &[u8]) -> Option<Hidden> {
    let (kind, rest) = name.strip_prefix(PREFIX)?.split_first()?;
    match kind {
        b'f' | b'd' => {
            let directory = *kind == b'd';
            let mut plain = decode_percent(rest)?;
            if plain.contains(&b'/') {
                return None;
            }
            if directory {
                plain.push(b'/');
            }
            Some(Hidden::Stored(plain.into()))
        }
        b'F' | b'D' if rest.len() == DIGEST_HEX => {
            Some(Hidden::Digest(*blake3::Hash::from_hex(rest).ok()?.as_bytes()))
        }
        _ => None,
    }
}

fn decode_percent(text: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'%' {
            plain.push(byte);
            continue;
        }
        let (code, tail) = tail.split_at_checked(2)?;
        plain.push(match code {
            b"25" => b'%',
            b"00" => 0,
            _ => return None,
        });
        rest = tail;
    }
    Some(plain)
}

/// The digest under which a stored name must be found again, if it can only be shown by digest.
pub fn long_digest(stored: &[u8]) -> Option<[u8; 32]> {
    // Nearly every name is short; escaping at worst triples it.
    if stored.len() * 3 + PREFIX.len() < MAX_NAME {
        return None;
    }
    let (plain, directory) = split(stored);
    (escape(plain, directory).len() > MAX_NAME).then(|| *blake3::hash(stored).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(name: &[u8]) -> Bytes {
        match unescape(name) {
            Some(Hidden::Stored(stored)) => stored,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_names_stand_for_themselves() {
        assert_eq!(shown(b"a", false), "a");
        assert_eq!(shown(b"a/", true), "a");
        assert_eq!(unescape(b"a"), None);
    }

    #[test]
    fn what_posix_cannot_carry_is_escaped() {
        assert_eq!(shown(b"a", true), ".hf~fa");
        assert_eq!(shown(b"", false), ".hf~f");
        assert_eq!(shown(b"/", false), ".hf~d");
        assert_eq!(shown(b"..", false), ".hf~f..");
        assert_eq!(shown(b"a%\0", false), ".hf~fa%25%00");
        assert_eq!(shown(b".hf~fa", false), ".hf~f.hf~fa");
        assert_eq!(shown(&[b'x'; 300], false).len(), 5 + 64);
    }

    #[test]
    fn forged_escapes_mean_nothing() {
        assert_eq!(unescape(b".hf~fa%2"), None);
        assert_eq!(unescape(b".hf~f%61"), None);
        assert_eq!(unescape(b".hf~x"), None);
        assert!(is_reserved(b".hf~x") && !is_plain(b".hf~x"));
    }

    proptest::proptest! {
        #[test]
        fn every_escape_is_reversible(
            name in proptest::collection::vec(proptest::prop_oneof![0u8..=46, 48u8..], 0..300),
            directory: bool,
            beside: bool,
        ) {
            let mut stored = name;
            if directory {
                stored.push(b'/');
            }
            let shown = shown(&stored, beside);
            proptest::prop_assert!(shown.len() <= MAX_NAME && !shown.is_empty());
            match unescape(&shown) {
                None => proptest::prop_assert_eq!(&shown[..], split(&stored).0),
                Some(Hidden::Stored(found)) => proptest::prop_assert_eq!(&found[..], &stored[..]),
                Some(Hidden::Digest(digest)) => proptest::prop_assert_eq!(Some(digest), long_digest(&stored)),
            }
        }
    }

    #[test]
    fn escapes_name_what_they_stand_for() {
        assert_eq!(back(b".hf~fa"), "a");
        assert_eq!(back(b".hf~d"), "/");
    }
}
