//! One file's content on the local disk: how it is written, verified and read.
//!
//! What always holds: beside the bytes, which are nothing but the content, lies a *label* with length and BLAKE3 of
//! them, written last; bytes without their label are rubbish of a crash. Nothing is synced: what a power loss tears
//! does not fit its label.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSliceMut, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use holdfast_support::buffers;
use rustix::io::ReadWriteFlags;

use super::desk::{Held, Keeper, Rubbish};

/// What a label begins with: format 1.
const MAGIC: [u8; 8] = *b"HFCACHE1";

/// Magic, inode, version, length, digest of the content, digest of all that.
const LABEL_BYTES: usize = 8 + 3 * 8 + 2 * blake3::OUT_LEN;

/// Bytes read at once to verify, and in one step.
const PART: usize = 1 << 20;
const STEP: u64 = 16 << 20;

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

/// Content that is being written, from its beginning on. What is dropped unfinished is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    /// `None`: it is finished.
    held: Option<Held>,
    path: PathBuf,
    keeper: Arc<Keeper>,
    hasher: blake3::Hasher,
    written: u64,
}

impl Draft {
    pub(crate) fn create(path: PathBuf, keeper: &Arc<Keeper>) -> io::Result<Self> {
        let file = private().create(true).truncate(true).read(true).write(true).open(&path)?;
        let held = Some(Held::new(file, keeper));
        Ok(Self { held, path, keeper: keeper.clone(), hasher: blake3::Hasher::new(), written: 0 })
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let held = self.held.as_ref().ok_or(io::ErrorKind::NotFound)?;
        held.file()?.write_all_at(bytes, self.written)?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// All is there: it gets this name.
    pub(crate) fn finish(mut self, key: Key, name: &Path) -> io::Result<(Image, Label)> {
        fs::rename(&self.path, name)?;
        let label = Label { key, size: self.written, digest: self.hasher.finalize() };
        let held = self.held.take().ok_or(io::ErrorKind::NotFound)?;
        Ok((Image { held, size: self.written }, label))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.held.is_some() {
            self.keeper.throw(Rubbish::Name(std::mem::take(&mut self.path)));
        }
    }
}

/// Content of which it is being found out whether it is what its label says. Long ones take a while: one step after
/// the other, so that it shows when the disk hangs.
#[derive(Debug)]
pub(crate) struct Verifier {
    label: Label,
    held: Held,
    /// Some 2 KB.
    hasher: Box<blake3::Hasher>,
    at: u64,
}

/// What a step came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// There is more to read.
    More(Verifier),
    /// All was read; `None`: it is not what the label says.
    Done(Option<Image>),
}

impl Verifier {
    pub(crate) fn open(path: &Path, label: Label, keeper: &Arc<Keeper>) -> io::Result<Self> {
        let held = Held::new(OpenOptions::new().read(true).write(true).open(path)?, keeper);
        Ok(Self { label, held, hasher: Box::new(blake3::Hasher::new()), at: 0 })
    }

    /// Reads on.
    pub(crate) fn step(mut self) -> io::Result<Step> {
        let file = self.held.file()?;
        if file.metadata()?.len() != self.label.size {
            return Ok(Step::Done(None));
        }
        let mut buffer = vec![0; PART];
        let stop = self.label.size.min(self.at + STEP);
        while self.at < stop {
            let length = (stop - self.at).min(PART as u64) as usize;
            let Some(part) = buffer.get_mut(..length) else { break };
            file.read_exact_at(part, self.at)?;
            self.hasher.update(part);
            self.at += length as u64;
        }
        if self.at < self.label.size {
            return Ok(Step::More(self));
        }
        let whole = self.hasher.finalize() == self.label.digest;
        Ok(Step::Done(whole.then_some(Image { held: self.held, size: self.label.size })))
    }
}

/// Verified content. It stays readable when its name goes.
#[derive(Debug)]
pub(crate) struct Image {
    held: Held,
    size: u64,
}

impl Image {
    /// Opens what this mount verified or made.
    pub(crate) fn reopen(path: &Path, size: u64, keeper: &Arc<Keeper>) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Self { held: Held::new(file, keeper), size })
    }

    /// For the kernel to read from.
    pub(crate) fn file(&self) -> io::Result<&File> {
        self.held.file()
    }

    /// The bytes of a range, cut at the end, if the page cache has them.
    pub(crate) fn read_now(&self, offset: u64, length: u64) -> Option<Bytes> {
        let length = length.min(self.size.saturating_sub(offset)) as usize;
        let mut bytes = buffers::shared().get(length);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let file = self.file().ok()?;
        let read = rustix::io::preadv2(file, &mut parts, offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == length).then(|| bytes.freeze())
    }

    /// The bytes of a range, cut at the end. Waits for the disk.
    pub(crate) fn read(&self, offset: u64, length: u64) -> io::Result<Bytes> {
        let mut bytes = buffers::shared().get(length.min(self.size.saturating_sub(offset)) as usize);
        self.file()?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes.freeze())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::disk::desk::Health;

    const KEY: Key = Key { ino: 7, version: 9 };

    fn made(dir: &Path, content: &[u8]) -> (Image, Label, Arc<Keeper>) {
        let keeper = Keeper::start(&Health::default()).unwrap();
        let mut draft = Draft::create(dir.join("x.part"), &keeper).unwrap();
        for part in content.chunks(1000) {
            draft.append(part).unwrap();
        }
        let (image, label) = draft.finish(KEY, &dir.join("x")).unwrap();
        (image, label, keeper)
    }

    #[test]
    fn a_label_survives_and_every_damage_of_it_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let (_, label, _) = made(dir.path(), &[5; 3000]);
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
        let content: Vec<u8> = (0..STEP as usize + 4321).map(|at| (at % 251) as u8).collect();
        let (image, label, keeper) = made(dir.path(), &content);
        assert_eq!(image.read(STEP, 10_000).unwrap(), content[STEP as usize..]);
        assert_eq!(image.read_now(5, 10).unwrap(), content[5..15]);
        let path = dir.path().join("x");
        let verify = || {
            let mut verifier = Verifier::open(&path, label, &keeper).unwrap();
            loop {
                match verifier.step().unwrap() {
                    Step::More(more) => verifier = more,
                    Step::Done(image) => return image.is_some(),
                }
            }
        };
        assert!(verify());
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[255], STEP + 4320).unwrap();
        assert!(!verify());
        file.set_len(10).unwrap();
        assert!(!verify());
    }

    #[test]
    fn what_is_not_finished_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::start(&Health::default()).unwrap();
        let mut draft = Draft::create(dir.path().join("x.part"), &keeper).unwrap();
        draft.append(b"half").unwrap();
        drop(draft);
        keeper.ask_now(Duration::from_secs(20), || Ok(())).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
