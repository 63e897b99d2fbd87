//! Paths on the command line: which are in the cluster and which on this machine.
//!
//! What always holds: a remote path is absolute and has no empty, `.` or `..` components. Names are bytes: what a
//! local file system can name, we can name.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use bytes::Bytes;

use crate::failure::{Failure, Outcome};

/// Marks a path in the cluster: `hf:/bucket/file`.
pub(crate) const SCHEME: &str = "hf:";

/// Longest key, as the metadata takes it from the command line.
const MOST_KEY_BYTES: usize = 4096;

/// An absolute, cleaned path in the cluster. The root is `/`, its children are buckets.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RemotePath {
    parts: Vec<Vec<u8>>,
    /// The text ended with `/`: it must be a directory.
    pub(crate) wants_directory: bool,
}

impl RemotePath {
    /// Reads a path, with or without `hf:`.
    pub(crate) fn parse(text: &OsStr) -> Outcome<Self> {
        let bytes = text.as_bytes();
        let path = bytes.strip_prefix(SCHEME.as_bytes()).unwrap_or(bytes);
        if path.first() != Some(&b'/') {
            return Err(Failure::usage(format!(
                "'{}' is not a path in the cluster: write hf:/bucket/name or /bucket/name",
                text.to_string_lossy()
            )));
        }
        if path.contains(&0) {
            return Err(Failure::usage("a path cannot contain a NUL byte"));
        }
        if path.len() > MOST_KEY_BYTES {
            return Err(Failure::usage(format!("a path can be at most {MOST_KEY_BYTES} bytes long")));
        }
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for part in path.split(|b| *b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                name => parts.push(name.to_vec()),
            }
        }
        let wants_directory = path.ends_with(b"/") || path.ends_with(b"/.") || parts.is_empty();
        Ok(Self { parts, wants_directory })
    }

    /// The root.
    pub(crate) fn root() -> Self {
        Self { parts: Vec::new(), wants_directory: true }
    }

    /// The path of `name` in this directory.
    pub(crate) fn join(&self, name: &[u8]) -> Self {
        let mut parts = self.parts.clone();
        parts.push(name.to_vec());
        Self { parts, wants_directory: false }
    }

    /// The directory it lies in; `None` for the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        let (_, parents) = self.parts.split_last()?;
        Some(Self { parts: parents.to_vec(), wants_directory: true })
    }

    /// The last component; `None` for the root.
    pub(crate) fn name(&self) -> Option<&[u8]> {
        self.parts.last().map(Vec::as_slice)
    }

    /// Whether it is the root.
    pub(crate) fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it names a bucket, a child of the root.
    pub(crate) fn is_bucket(&self) -> bool {
        self.parts.len() == 1
    }

    /// Whether `other` lies in this directory, at any depth, or is it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        other.parts.starts_with(&self.parts)
    }

    /// As the metadata wants it.
    pub(crate) fn to_bytes(&self) -> Bytes {
        if self.parts.is_empty() {
            return Bytes::from_static(b"/");
        }
        let mut path = Vec::new();
        for part in &self.parts {
            path.push(b'/');
            path.extend_from_slice(part);
        }
        path.into()
    }

    /// Bucket and key, as S3 names it. The key of a bucket itself is empty.
    pub(crate) fn bucket_and_key(&self) -> Outcome<(String, Bytes)> {
        let Some((bucket, key)) = self.parts.split_first() else {
            return Err(Failure::usage("the root holds buckets only: name one, as in hf:/bucket/name"));
        };
        let bucket = String::from_utf8(bucket.clone())
            .map_err(|_| Failure::usage(format!("{self}: a bucket's name must be UTF-8")))?;
        Ok((bucket, key.join(&b'/').into()))
    }
}

impl fmt::Display for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

impl fmt::Debug for RemotePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{self}")
    }
}

/// Either side of a copy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// In the cluster.
    Remote(RemotePath),
    /// On this machine.
    Local(PathBuf),
    /// Standard input or output, written `-`.
    Pipe,
}

impl Place {
    /// `hf:/…` is remote, `-` the pipe, everything else local.
    pub(crate) fn parse(text: &OsStr) -> Outcome<Self> {
        if text == "-" {
            return Ok(Self::Pipe);
        }
        if text.as_bytes().starts_with(SCHEME.as_bytes()) {
            return Ok(Self::Remote(RemotePath::parse(text)?));
        }
        Ok(Self::Local(PathBuf::from(text)))
    }
}

/// A name from the cluster as a local file name. Refused if it could leave the directory it is put into.
pub(crate) fn local_name(name: &[u8]) -> Outcome<OsString> {
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0) {
        return Err(Failure::failed(format!(
            "'{}' cannot be a file name on this machine",
            String::from_utf8_lossy(name).escape_debug()
        )));
    }
    Ok(OsString::from_vec(name.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(text: &str) -> RemotePath {
        RemotePath::parse(OsStr::new(text)).unwrap()
    }

    #[test]
    fn paths_are_cleaned() {
        assert_eq!(remote("hf:/b//x/./y/../z").to_string(), "/b/x/z");
        assert_eq!(remote("/../..").to_string(), "/");
        assert!(remote("/b/x/").wants_directory);
        assert!(!remote("/b/x").wants_directory);
        assert!(RemotePath::parse(OsStr::new("b/x")).is_err());
        assert!(RemotePath::parse(OsStr::new("hf:b")).is_err());
    }

    #[test]
    fn bucket_and_key() {
        assert_eq!(remote("/b/x/y").bucket_and_key().unwrap(), ("b".into(), Bytes::from_static(b"x/y")));
        assert_eq!(remote("/b").bucket_and_key().unwrap(), ("b".into(), Bytes::new()));
        assert!(remote("/").bucket_and_key().is_err());
    }

    #[test]
    fn nesting() {
        assert!(remote("/b/x").contains(&remote("/b/x/y")));
        assert!(remote("/b/x").contains(&remote("/b/x")));
        assert!(!remote("/b/x").contains(&remote("/b/xy")));
    }

    #[test]
    fn a_hostile_name_never_leaves_its_directory() {
        for name in [&b".."[..], b".", b"", b"a/b", b"a\0"] {
            assert!(local_name(name).is_err());
        }
        assert_eq!(local_name(b"a b").unwrap(), OsStr::new("a b"));
    }
}
