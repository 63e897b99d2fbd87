//! What is mounted on this machine, from `/proc/self/mountinfo` (proc(5)).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Outcome};

/// The type under which our mounts are shown.
const TYPE: &str = "fuse.holdfast";

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    pub(super) at: PathBuf,
    pub(super) kind: String,
    pub(super) source: OsString,
}

impl Mounted {
    /// Whether it is one of ours; earlier versions told it by their source only.
    pub(super) fn is_ours(&self) -> bool {
        self.kind == TYPE || self.kind == "fuse" && self.source.as_encoded_bytes().starts_with(b"holdfast:")
    }
}

/// All mounts, what lies on top last.
pub(super) fn all() -> Outcome<Vec<Mounted>> {
    let text = std::fs::read("/proc/self/mountinfo")
        .map_err(|error| Failure::failed(format!("cannot read /proc/self/mountinfo: {error}")))?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(parse).collect())
}

/// A place as the table names it. Also one whose mount has died, of which nothing can be asked.
pub(super) fn named(place: &Path) -> PathBuf {
    let absolute = || std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    let beside = || Some(place.parent()?.canonicalize().ok()?.join(place.file_name()?));
    place.canonicalize().ok().or_else(beside).unwrap_or_else(absolute)
}

fn parse(line: &[u8]) -> Option<Mounted> {
    let mut words = line.split(|byte| *byte == b' ');
    let at = OsString::from_vec(unescaped(words.nth(4)?)).into();
    // Before the hyphen come as many words as the kernel likes.
    let mut rest = words.skip_while(|word| *word != b"-").skip(1);
    let kind = String::from_utf8(unescaped(rest.next()?)).ok()?;
    Some(Mounted { at, kind, source: OsString::from_vec(unescaped(rest.next()?)) })
}

/// The kernel writes blanks and the like as a backslash and three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let (mut plain, mut at) = (Vec::with_capacity(word.len()), 0);
    while let Some(byte) = word.get(at) {
        let digits = word.get(at + 1..at + 4).filter(|_| *byte == b'\\');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(code.unwrap_or(*byte));
        at += if code.is_some() { 4 } else { 1 };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel_are_understood() {
        let found = |line: &str| parse(line.as_bytes());
        let ours =
            "30 1 0:26 / /mnt/a\\040b rw,noatime shared:9 master:1 - fuse.holdfast a:1,b:2:/x\\134y rw";
        let ours = found(ours).unwrap();
        assert_eq!(ours.at, Path::new("/mnt/a b"));
        assert_eq!((ours.kind.as_str(), ours.source.to_str()), ("fuse.holdfast", Some("a:1,b:2:/x\\y")));
        assert!(ours.is_ours());
        assert!(found("30 1 0:26 / /m rw - fuse holdfast:/ rw").unwrap().is_ours());
        assert!(!found("30 1 0:26 / /m rw - fuse sshfs rw").unwrap().is_ours());
        assert!(!found("31 1 0:27 / /mnt rw - ext4 /dev/sda rw").unwrap().is_ours());
        assert_eq!(found("31 1 0:27 / /mnt rw"), None);
        assert_eq!(found(""), None);
        assert!(all().unwrap().iter().any(|mounted| mounted.at == Path::new("/")));
    }

    #[test]
    fn places_are_named_as_they_are_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("x")).unwrap();
        std::os::unix::fs::symlink("x", real.join("link")).unwrap();
        assert_eq!(named(&real.join("link/../x/.")), real.join("x"));
        assert_eq!(named(&real.join("link")), real.join("x"));
        assert_eq!(named(&real.join("x/absent")), real.join("x/absent"));
    }
}
