//! Paths: names as a mount shows them, whatever bytes they are made of.

use axum::extract::FromRequestParts;
use bytes::Bytes;
use holdfast_client::Client;
use holdfast_proto::inode::Inode;
use holdfast_proto::query::{Query, ResolvePath};
use http::request::Parts;
use serde::{Deserialize, Deserializer};

use crate::error::Problem;
use crate::http::check_query;

/// Longest path.
const MOST: usize = 4096;
/// Longest part of one that can be followed.
const MOST_PART: usize = 255;

/// An absolute path: `/`, or `/bucket` and names behind it, without `/` at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilePath(Vec<u8>);

impl FilePath {
    /// Checks and tidies a path. Empty names are left out.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Problem> {
        if !bytes.starts_with(b"/") {
            return Err(Problem::invalid("a path begins with /").with("field", "path"));
        }
        if bytes.len() > MOST || bytes.contains(&0) {
            return Err(
                Problem::invalid("a path has at most 4096 bytes and no zero byte").with("field", "path")
            );
        }
        let mut tidy = Vec::with_capacity(bytes.len());
        for name in bytes.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            if name == b"." || name == b".." {
                return Err(Problem::invalid("a path has no names . or ..").with("field", "path"));
            }
            tidy.push(b'/');
            tidy.extend_from_slice(name);
        }
        Ok(Self(tidy))
    }

    /// As it stands in JSON.
    pub(crate) fn written(&self) -> String {
        if self.0.is_empty() { "/".to_owned() } else { written(&self.0) }
    }

    pub(crate) fn bytes(&self) -> Bytes {
        if self.0.is_empty() { Bytes::from_static(b"/") } else { Bytes::copy_from_slice(&self.0) }
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// It names a bucket.
    pub(crate) fn is_bucket(&self) -> bool {
        self.0.iter().filter(|byte| **byte == b'/').count() == 1
    }

    /// The directory it lies in, and its name there.
    pub(crate) fn split(&self) -> Result<(Self, Bytes), Problem> {
        let at = self.0.iter().rposition(|byte| *byte == b'/');
        let (dir, name) =
            at.map(|at| self.0.split_at(at)).ok_or_else(|| Problem::invalid("the root has no name"))?;
        Ok((Self(dir.to_vec()), Bytes::copy_from_slice(name.get(1..).unwrap_or_default())))
    }

    /// The bucket, and the key below it.
    pub(crate) fn object(&self) -> Result<(String, Bytes), Problem> {
        let text = self.0.strip_prefix(b"/").unwrap_or_default();
        let at = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
        let (bucket, rest) = text.split_at(at);
        let bucket = std::str::from_utf8(bucket).map_err(|_| Problem::invalid("a bucket's name is text"))?;
        let key = rest.get(1..).unwrap_or_default();
        if key.is_empty() {
            return Err(Problem::invalid("files lie in buckets, not at the top").with("field", "path"));
        }
        Ok((bucket.to_owned(), Bytes::copy_from_slice(key)))
    }

    /// The same, for something that is to be made: S3 would take longer parts, but no path would lead there.
    pub(crate) fn new_object(&self) -> Result<(String, Bytes), Problem> {
        if self.0.split(|byte| *byte == b'/').any(|part| part.len() > MOST_PART) {
            return Err(Problem::invalid("a part of a path has at most 255 bytes").with("field", "path"));
        }
        self.object()
    }

    /// A name in it.
    pub(crate) fn join(&self, name: &[u8]) -> Self {
        let mut bytes = self.0.clone();
        bytes.push(b'/');
        bytes.extend_from_slice(name);
        Self(bytes)
    }

    /// As text, where only text will do.
    pub(crate) fn text(&self) -> Result<&str, Problem> {
        std::str::from_utf8(&self.0)
            .map_err(|_| Problem::invalid("this is only done for paths that are text"))
    }
}

/// Bytes as they stand in JSON.
pub(crate) fn written(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for piece in bytes.utf8_chunks() {
        for character in piece.valid().chars() {
            match character {
                '%' => text.push_str("%25"),
                other => text.push(other),
            }
        }
        for byte in piece.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Bytes from what stands in JSON or in an address: `%XX` is a byte, a lone `%` itself.
pub(crate) fn read(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let value = hex.filter(|_| byte == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        match value {
            Some(value) => {
                bytes.push(value);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(byte);
                rest = behind;
            }
        }
    }
    bytes
}

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::of(&read(text.as_bytes())).map_err(serde::de::Error::custom)
    }
}

/// `path` of the query.
pub(crate) struct PathQuery(pub(crate) FilePath);

/// A value of the query as bytes, percent-decoded once.
pub(crate) fn parameter(parts: &Parts, name: &str) -> Option<Vec<u8>> {
    let query = parts.uri.query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.find(|(key, _)| *key == name).map(|(_, value)| value)?;
    Some(read(found.replace('+', " ").as_bytes()))
}

impl<S: Send + Sync> FromRequestParts<S> for PathQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        check_query(parts)?;
        let path = parameter(parts, "path");
        let path =
            path.ok_or_else(|| Problem::invalid("give a path as ?path=/bucket/…").with("field", "path"))?;
        FilePath::of(&path).map(Self)
    }
}

/// What a path leads to: itself, and the directory that holds its name.
pub(crate) async fn resolve(client: &Client, path: &FilePath) -> Result<(Inode, u64), Problem> {
    let ask = ResolvePath { path: path.bytes(), content: false, follow: false };
    let reply = Box::pin(client.ask(Query::ResolvePath(ask))).await;
    let reply = reply.map_err(|error| {
        let problem = Problem::from(error);
        match problem.code.as_str() {
            "not_found" | "gone" | "not_a_directory" => {
                Problem::not_found(format!("there is nothing at {}", path.written()))
                    .with("path", path.written())
            }
            _ => problem,
        }
    })?;
    let inode = reply.reply.inode.ok_or_else(|| Problem::internal("the answer has no inode"))?;
    Ok((inode, reply.reply.parent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_found_again() {
        let named = |length: usize| FilePath::of(format!("/b/d/{}", "n".repeat(length)).as_bytes()).unwrap();
        assert!(named(255).new_object().is_ok());
        assert_eq!(named(256).new_object().unwrap_err().status(), http::StatusCode::BAD_REQUEST);
        assert!(named(256).object().is_ok(), "what S3 made may be asked for");
    }

    #[test]
    fn every_byte_survives_json() {
        for bytes in
            [&b"/b/caf\xe9\xff.txt"[..], b"/b/100%", b"/b/%41", "/b/文\u{202e}".as_bytes(), b"/b/a b+c&d"]
        {
            let path = FilePath::of(bytes).unwrap();
            let json = serde_json::to_string(&path.written()).unwrap();
            assert_eq!(serde_json::from_str::<FilePath>(&json).unwrap(), path);
        }
        assert_eq!(FilePath::of(b"/b/x\xff").unwrap().written(), "/b/x%FF");
        assert_eq!(read(b"100%"), b"100%");
        assert_eq!(read(b"%zz%4"), b"%zz%4");
    }

    #[test]
    fn odd_paths_are_tidied_or_refused() {
        assert_eq!(FilePath::of(b"//b///c/").unwrap().written(), "/b/c");
        assert!(FilePath::of(b"/").unwrap().is_root());
        for bad in [&b""[..], b"b", b"/b/../c", b"/b/./c", b"/b/\0"] {
            assert!(FilePath::of(bad).is_err(), "{bad:?}");
        }
        assert!(FilePath::of(&[b'/'; 5000]).is_err());
    }

    #[test]
    fn paths_are_taken_apart() {
        let path = FilePath::of(b"/b/d/f").unwrap();
        assert_eq!(path.object().unwrap(), ("b".to_owned(), Bytes::from_static(b"d/f")));
        let (dir, name) = path.split().unwrap();
        assert_eq!((dir.written().as_str(), &name[..]), ("/b/d", &b"f"[..]));
        assert!(FilePath::of(b"/b").unwrap().object().is_err());
        assert!(FilePath::of(b"/b").unwrap().is_bucket() && !path.is_bucket());
        assert!(FilePath::of(b"/").unwrap().split().is_err());
    }
}
