//! Where contents lie on the local disk, and which of them go when room runs short.
//!
//! What always holds: the sum of the lengths stays within the limit; what was used longest ago goes first. A folder
//! serves one mount at a time. Whatever lies there and is not wanted any more is removed at the start.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use lru::LruCache;
use rustix::fs::{FlockOperation, flock};

use super::image::{Draft, Image, Key, Label};

const LABELS: &str = "label";
const DRAFTS: &str = "part";
const LOCK: &str = "lock";

/// Part of the file system that stays free whatever the limit says: one of so many.
const FREE_PART: u64 = 20;

/// Files that stay open for the next reader.
const OPEN: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

#[derive(Debug)]
struct Item {
    label: Label,
    /// Not so: left by an earlier mount, and not looked at yet.
    verified: bool,
    /// If somebody has it open.
    image: Weak<Image>,
    turn: u64,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    limit: u64,
    used: u64,
    items: HashMap<Key, Item>,
    turns: BTreeMap<u64, Key>,
    next: u64,
    /// What was used last stays open.
    open: LruCache<Key, Arc<Image>>,
    _lock: File,
}

/// What a look says.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is here.
    Image(Arc<Image>),
    /// It is here, and has to be verified first.
    Unverified(Label),
    /// It is not.
    Nothing,
}

impl Shelf {
    /// Takes a folder, made if it is not there, and what an earlier mount left in it.
    ///
    /// # Errors
    /// `WouldBlock`: another mount has it.
    pub(crate) fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let lock = File::create(dir.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let (items, turns) = (HashMap::new(), BTreeMap::new());
        let open = LruCache::new(OPEN);
        let mut shelf =
            Self { dir: dir.to_owned(), limit, used: 0, items, turns, next: 0, open, _lock: lock };
        let mut left = shelf.take_stock()?;
        left.sort_unstable_by_key(|(used_at, label)| (*used_at, label.key));
        for (_, label) in left {
            shelf.insert(label, None);
        }
        shelf.shrink(0);
        Ok(shelf)
    }

    /// Labels of what is complete, and when it was last used. All else is removed.
    fn take_stock(&self) -> io::Result<Vec<(SystemTime, Label)>> {
        let (mut labels, mut others) = (Vec::new(), Vec::new());
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(LABELS) => match self.stock(&path)? {
                    Some(found) => labels.push(found),
                    None => others.push(path),
                },
                Some(DRAFTS) => others.push(path),
                // Content whose label did not come to be, or went first.
                None if path.file_name().is_some_and(|name| name != LOCK)
                    && !path.with_extension(LABELS).exists() =>
                {
                    others.push(path);
                }
                _ => {}
            }
        }
        for path in others {
            let content = path.with_extension("");
            for path in [path, content] {
                if path.exists() {
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(labels)
    }

    fn stock(&self, path: &Path) -> io::Result<Option<(SystemTime, Label)>> {
        let Some(label) = Label::load(path)? else { return Ok(None) };
        let whole = self.label_path(label.key) == path
            && fs::metadata(self.path(label.key)).is_ok_and(|content| content.size() == label.size);
        Ok(whole.then_some((fs::metadata(path)?.modified()?, label)))
    }

    fn path(&self, key: Key) -> PathBuf {
        self.dir.join(format!("{:x}-{:x}", key.ino, key.version))
    }

    fn label_path(&self, key: Key) -> PathBuf {
        self.path(key).with_extension(LABELS)
    }

    /// Room for a content that will be written, if there may be any.
    ///
    /// # Errors
    /// `StorageFull`: the limit or the file system does not leave so much.
    pub(crate) fn draft(&mut self, key: Key, size: u64) -> io::Result<Draft> {
        if size > self.limit {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.shrink(size);
        let space = rustix::fs::statvfs(&self.dir)?;
        let keep = space.f_blocks / FREE_PART;
        if space.f_bavail.saturating_sub(keep).saturating_mul(space.f_frsize) < size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Draft::create(&self.path(key).with_extension(DRAFTS))
    }

    /// The content is complete.
    pub(crate) fn put(&mut self, draft: Draft, key: Key) -> io::Result<Arc<Image>> {
        let (image, label) = draft.finish(key);
        self.shrink(label.size);
        fs::rename(self.path(key).with_extension(DRAFTS), self.path(key))?;
        label.save(&self.label_path(key))?;
        let image = Arc::new(image);
        self.remove_index(key);
        self.insert(label, Some(&image));
        self.open.put(key, image.clone());
        Ok(image)
    }

    /// It was not to be.
    pub(crate) fn discard(&self, key: Key) {
        let _ = fs::remove_file(self.path(key).with_extension(DRAFTS));
    }

    /// A content; looking counts as using.
    pub(crate) fn find(&mut self, key: Key) -> Found {
        let path = self.path(key);
        let Some(item) = self.items.get_mut(&key) else { return Found::Nothing };
        self.turns.remove(&item.turn);
        item.turn = self.next;
        self.turns.insert(self.next, key);
        self.next += 1;
        if !item.verified {
            return Found::Unverified(item.label);
        }
        let open = || Image::reopen(&path, &item.label).ok().map(Arc::new);
        let Some(image) = item.image.upgrade().or_else(open) else {
            self.remove(key);
            return Found::Nothing;
        };
        item.image = Arc::downgrade(&image);
        self.open.put(key, image.clone());
        Found::Image(image)
    }

    /// Reads all of a content that an earlier mount left. For a thread that may wait; the shelf is not needed.
    pub(crate) fn verifier(
        &self,
        label: Label,
    ) -> impl FnOnce() -> io::Result<Option<Image>> + Send + 'static {
        let (path, label_path) = (self.path(label.key), self.label_path(label.key));
        move || {
            let image = Image::verify(&path, &label)?;
            // The order of use outlives this mount.
            let _ = File::options().write(true).open(label_path)?.set_modified(SystemTime::now());
            Ok(image)
        }
    }

    /// What verifying came to.
    pub(crate) fn verified(&mut self, key: Key, image: Option<Image>) {
        match (image, self.items.get_mut(&key)) {
            (Some(image), Some(item)) => {
                let image = Arc::new(image);
                item.verified = true;
                item.image = Arc::downgrade(&image);
                self.open.put(key, image);
            }
            _ => self.remove(key),
        }
    }

    /// It is not wanted any more. Who has it open goes on.
    pub(crate) fn remove(&mut self, key: Key) {
        if self.remove_index(key) {
            // The label first: content without one is rubbish, a label without content is too, but says nothing.
            let _ = fs::remove_file(self.label_path(key));
            let _ = fs::remove_file(self.path(key));
        }
    }

    /// Contents and their bytes.
    pub(crate) fn usage(&self) -> (usize, u64) {
        (self.items.len(), self.used)
    }

    fn insert(&mut self, label: Label, image: Option<&Arc<Image>>) {
        self.turns.insert(self.next, label.key);
        let (verified, image) = (image.is_some(), image.map(Arc::downgrade).unwrap_or_default());
        self.items.insert(label.key, Item { label, verified, image, turn: self.next });
        self.next += 1;
        self.used += label.size;
    }

    fn remove_index(&mut self, key: Key) -> bool {
        let Some(item) = self.items.remove(&key) else { return false };
        self.open.pop(&key);
        self.turns.remove(&item.turn);
        self.used -= item.label.size;
        true
    }

    /// Makes room below the limit.
    fn shrink(&mut self, wanted: u64) {
        while self.used + wanted > self.limit {
            let Some((_, key)) = self.turns.first_key_value() else { return };
            self.remove(*key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ino: u64) -> Key {
        Key { ino, version: 1 }
    }

    fn put(shelf: &mut Shelf, ino: u64, size: usize) {
        let mut draft = shelf.draft(key(ino), size as u64).unwrap();
        draft.append(&vec![ino as u8; size]).unwrap();
        shelf.put(draft, key(ino)).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path(), 300).unwrap();
        for ino in 1..=3 {
            put(&mut shelf, ino, 100);
        }
        assert!(matches!(shelf.find(key(1)), Found::Image(_)));
        put(&mut shelf, 4, 100);
        assert!(matches!(shelf.find(key(2)), Found::Nothing));
        assert_eq!(shelf.usage(), (3, 300));
        assert!(shelf.draft(key(5), 301).is_err());
        assert_eq!(names(dir.path()).len(), 7);
    }

    #[test]
    fn what_an_earlier_mount_left_is_verified_before_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let mut shelf = Shelf::open(dir.path(), 1000).unwrap();
        for ino in 1..=3 {
            put(&mut shelf, ino, 100);
        }
        let other = Shelf::open(dir.path(), 1000).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::WouldBlock, "the folder is taken");
        shelf.draft(key(4), 10).unwrap().append(b"half").unwrap();
        drop(shelf);
        fs::write(dir.path().join("2-1"), [9; 100]).unwrap();
        fs::write(dir.path().join("3-1.label"), b"rubbish").unwrap();
        fs::write(dir.path().join("5-1"), b"without a label").unwrap();
        let mut shelf = Shelf::open(dir.path(), 1000).unwrap();
        assert_eq!(names(dir.path()), ["1-1", "1-1.label", "2-1", "2-1.label", "lock"]);
        for (ino, good) in [(1, true), (2, false)] {
            let Found::Unverified(label) = shelf.find(key(ino)) else { panic!("{ino}") };
            let image = shelf.verifier(label)().unwrap();
            shelf.verified(key(ino), image);
            assert_eq!(matches!(shelf.find(key(ino)), Found::Image(_)), good, "{ino}");
        }
        assert_eq!(shelf.usage(), (1, 100));
    }
}
