//! One file's content on the local disk: how it is written, verified and read.
//!
//! What always holds: beside the bytes, which are nothing but the content, lies a *label* with length and BLAKE3 of
//! them, written last; bytes without their label are rubbish of a crash. Nothing is synced: what a power loss tears
//! does not fit its label.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use bytes::Bytes;
use holdfast_support::buffers;
use rustix::io::ReadWriteFlags;

/// What a label begins with: format 1.
const MAGIC: [u8; 8] = *b"HFCACHE1";

/// Magic, inode, version, length, digest of the content, digest of all that.
const LABEL_BYTES: usize = 8 + 3 * 8 + 2 * blake3::OUT_LEN;

/// Bytes read at once to verify.
const STEP: usize = 1 << 20;

/// Which content: an inode's, as of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) ino: u64,
    pub(crate) version: u64,
}

/// What is known of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) key: Key,
    pub(crate) size: u64,
    pub(crate) digest: blake3::Hash,
}

impl Label {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [self.key.ino, self.key.version, self.size] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(self.digest.as_bytes());
        let all = blake3::hash(&bytes);
        bytes.extend_from_slice(all.as_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LABEL_BYTES] = bytes.try_into().ok()?;
        let (body, all) = bytes.split_at(LABEL_BYTES - blake3::OUT_LEN);
        if !body.starts_with(&MAGIC) || blake3::hash(body) != *<&[u8; blake3::OUT_LEN]>::try_from(all).ok()? {
            return None;
        }
        let number = |at: usize| {
            let bytes = body.get(8 + at * 8..16 + at * 8)?;
            Some(u64::from_be_bytes(bytes.try_into().ok()?))
        };
        let digest: [u8; blake3::OUT_LEN] = body.get(32..)?.try_into().ok()?;
        let key = Key { ino: number(0)?, version: number(1)? };
        Some(Self { key, size: number(2)?, digest: digest.into() })
    }

    /// The label in a file; `None`: it is none.
    pub(crate) fn load(path: &Path) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(LABEL_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Self::decode(&bytes))
    }

    /// Writes it.
    pub(crate) fn save(&self, path: &Path) -> io::Result<()> {
        private().create(true).truncate(true).write(true).open(path)?.write_all(&self.encode())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    // Here nobody checks the permissions of the files that these are copies of.
    options.mode(0o600);
    options
}

/// Content that is being written, from its beginning on.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    hasher: blake3::Hasher,
    written: u64,
}

impl Draft {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let file = private().create(true).truncate(true).read(true).write(true).open(path)?;
        Ok(Self { file, hasher: blake3::Hasher::new(), written: 0 })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.written)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// All is there.
    pub(crate) fn finish(self, key: Key) -> (Image, Label) {
        let label = Label { key, size: self.written, digest: self.hasher.finalize() };
        (Image { file: self.file, size: self.written }, label)
    }
}

/// Verified content. It stays readable when its name goes.
#[derive(Debug)]
pub(crate) struct Image {
    file: File,
    size: u64,
}

impl Image {
    /// Opens it and reads all of it once; `None`: it is not what the label says.
    pub(crate) fn verify(path: &Path, label: &Label) -> io::Result<Option<Self>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() != label.size {
            return Ok(None);
        }
        let (mut hasher, mut at, mut buffer) = (blake3::Hasher::new(), 0, vec![0; STEP]);
        while at < label.size {
            let length = (label.size - at).min(STEP as u64) as usize;
            let Some(part) = buffer.get_mut(..length) else { break };
            file.read_exact_at(part, at)?;
            hasher.update(part);
            at += length as u64;
        }
        let whole = hasher.finalize() == label.digest;
        Ok(whole.then_some(Self { file, size: label.size }))
    }

    /// Opens what this mount verified or made.
    pub(crate) fn reopen(path: &Path, label: &Label) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { file, size: label.size })
    }

    /// For the kernel to read from.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The bytes of a range, cut at the end, if the page cache has them.
    pub(crate) fn read_now(&self, offset: u64, length: u64) -> Option<Bytes> {
        let length = length.min(self.size.saturating_sub(offset)) as usize;
        let mut bytes = buffers::shared().get(length);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let read = rustix::io::preadv2(&self.file, &mut parts, offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == length).then(|| bytes.freeze())
    }

    /// The bytes of a range, cut at the end. Waits for the disk.
    pub(crate) fn read(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        let mut bytes = buffers::shared().get(length.min(self.size.saturating_sub(offset)) as usize);
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { ino: 7, version: 9 };

    fn made(dir: &Path, content: &[u8]) -> (Image, Label) {
        let mut draft = Draft::create(&dir.join("x")).unwrap();
        for part in content.chunks(1000) {
            draft.append(part).unwrap();
        }
        draft.finish(KEY)
    }

    #[test]
    fn a_label_survives_and_every_damage_of_it_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (_, label) = made(dir.path(), &[5; 3000]);
        let path = dir.path().join("label");
        label.save(&path).unwrap();
        assert_eq!(Label::load(&path).unwrap(), Some(label));
        let bytes = label.encode();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert_eq!(Label::decode(&damaged), None, "byte {at}");
            assert_eq!(Label::decode(&bytes[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn content_that_does_not_fit_its_label_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..STEP + 4321).map(|at| (at % 251) as u8).collect();
        let (image, label) = made(dir.path(), &content);
        assert_eq!(image.read(STEP as u64, 10_000).unwrap(), content[STEP..]);
        assert_eq!(image.read_now(5, 10).unwrap(), content[5..15]);
        let path = dir.path().join("x");
        assert!(Image::verify(&path, &label).unwrap().is_some());
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[255], STEP as u64 + 4320).unwrap();
        assert!(Image::verify(&path, &label).unwrap().is_none());
        file.set_len(10).unwrap();
        assert!(Image::verify(&path, &label).unwrap().is_none());
    }
}
