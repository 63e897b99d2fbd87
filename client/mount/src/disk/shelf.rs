//! Where contents lie on the local disk, and which of them go when room runs short.
//!
//! What always holds: the sum of the lengths stays within the limit; what was used longest ago goes first. A folder
//! serves one mount at a time. Whatever lies there and is not wanted any more is removed at the start. The lock guards
//! what is in memory: nobody waits for the disk under it. What does wait for it says so, and is for a [`Desk`] only.
//!
//! [`Desk`]: super::desk::Desk

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};

use super::desk::{Keeper, Rubbish};
use super::image::{Draft, Image, Key, Label, Verifier};

pub(super) const LABELS: &str = "label";
pub(super) const DRAFTS: &str = "part";
pub(super) const LOCK: &str = "lock";

/// What the lock's file says: this folder is ours.
pub(super) const MARK: &[u8] = b"a disk cache of holdfast; whoever uses it has this file locked\n";

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
    /// Which of those that had this key after each other.
    number: u64,
}

/// What is known of the folder.
#[derive(Debug)]
struct Index {
    limit: u64,
    used: u64,
    /// Bytes of what has no name here any more and takes room all the same.
    claimed: u64,
    items: HashMap<Key, Item>,
    turns: BTreeMap<u64, Key>,
    next: u64,
    /// What was used last stays open.
    open: LruCache<Key, Arc<Image>>,
}

/// The folder.
#[derive(Debug)]
pub(crate) struct Shelf {
    dir: PathBuf,
    index: Mutex<Index>,
    drafts: AtomicU64,
    keeper: Arc<Keeper>,
    _lock: File,
}

/// What a look says.
#[derive(Debug)]
pub(crate) enum Found {
    /// It is here.
    Image(Arc<Image>),
    /// It is here, and has to be opened first.
    Closed,
    /// It is here, and has to be verified first.
    Unverified(Label),
    /// It is not.
    Nothing,
}

impl Shelf {
    /// Takes a folder, made if it is not there, and what an earlier mount left in it. Waits for the disk.
    ///
    /// # Errors
    /// `WouldBlock`: another mount has it.
    pub(crate) fn open(dir: &Path, limit: u64, keeper: &Arc<Keeper>) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let lock = locked(dir)?;
        let index = Index {
            limit,
            used: 0,
            claimed: 0,
            items: HashMap::new(),
            turns: BTreeMap::new(),
            next: 0,
            open: LruCache::new(OPEN),
        };
        let (index, drafts) = (Mutex::new(index), AtomicU64::new(0));
        let shelf = Self { dir: dir.to_owned(), index, drafts, keeper: keeper.clone(), _lock: lock };
        let mut left = shelf.take_stock()?;
        left.sort_unstable_by_key(|(used_at, label)| (*used_at, label.key));
        for (_, label) in left {
            shelf.index.lock().insert(label, None);
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

    /// Room for a content that will be written, if there may be any. Waits for the disk.
    ///
    /// # Errors
    /// `StorageFull`: the limit or the file system does not leave so much.
    pub(crate) fn draft(&self, key: Key, size: u64) -> io::Result<Draft> {
        self.shrink(size);
        if !self.index.lock().fits(size) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let space = rustix::fs::statvfs(&self.dir)?;
        let keep = space.f_blocks / FREE_PART;
        if space.f_bavail.saturating_sub(keep).saturating_mul(space.f_frsize) < size {
            return Err(io::ErrorKind::StorageFull.into());
        }
        // One that hangs may still write to an earlier draft of the same content.
        let number = self.drafts.fetch_add(1, Ordering::Relaxed);
        let name = format!("{:x}-{:x}.{number}.{DRAFTS}", key.ino, key.version);
        Draft::create(self.dir.join(name), &self.keeper)
    }

    /// The content is complete. Waits for the disk; for the keeper, who may be about to remove the same name.
    pub(crate) fn put(&self, draft: Draft, key: Key) -> io::Result<Arc<Image>> {
        let (image, label) = draft.finish(key, &self.path(key))?;
        if let Err(error) = label.save(&self.label_path(key)) {
            // Without its label it would lie there, and not be counted.
            let _ = fs::remove_file(self.label_path(key));
            let _ = fs::remove_file(self.path(key));
            self.index.lock().remove(key);
            return Err(error);
        }
        self.shrink(label.size);
        let image = Arc::new(image);
        let mut index = self.index.lock();
        index.remove(key);
        index.insert(label, Some(&image));
        index.open.put(key, image.clone());
        Ok(image)
    }

    /// A content; looking counts as using.
    pub(crate) fn find(&self, key: Key) -> Found {
        self.index.lock().find(key)
    }

    /// Opens a content that was found closed. Waits for the disk.
    pub(crate) fn reopen(&self, key: Key) -> Option<Arc<Image>> {
        let (number, size) = {
            let index = self.index.lock();
            let item = index.items.get(&key)?;
            (item.number, item.label.size)
        };
        let opened = Image::reopen(&self.path(key), size, &self.keeper);
        let mut index = self.index.lock();
        // It may have gone meanwhile, and may then be overwritten by now.
        let item = index.items.get_mut(&key).filter(|item| item.number == number)?;
        if let Some(image) = item.image.upgrade() {
            return Some(image);
        }
        let Ok(image) = opened.map(Arc::new) else {
            drop(index);
            self.remove(key);
            return None;
        };
        item.image = Arc::downgrade(&image);
        index.open.put(key, image.clone());
        Some(image)
    }

    /// Begins to read all of a content that an earlier mount left. Waits for the disk.
    pub(crate) fn verifier(&self, label: Label) -> io::Result<Verifier> {
        // The order of use outlives this mount.
        let _ = File::options()
            .write(true)
            .open(self.label_path(label.key))
            .and_then(|file| file.set_modified(SystemTime::now()));
        Verifier::open(&self.path(label.key), label, &self.keeper)
    }

    /// What verifying came to.
    pub(crate) fn verified(&self, key: Key, image: Option<Image>) -> Option<Arc<Image>> {
        let Some(image) = image.map(Arc::new) else {
            self.remove(key);
            return None;
        };
        let mut index = self.index.lock();
        let item = index.items.get_mut(&key)?;
        item.verified = true;
        item.image = Arc::downgrade(&image);
        index.open.put(key, image.clone());
        Some(image)
    }

    /// It is not wanted any more. Who has it open goes on.
    pub(crate) fn remove(&self, key: Key) {
        let known = self.index.lock().remove(key);
        if known {
            self.throw(key);
        }
    }

    fn throw(&self, key: Key) {
        // The label first: content without one is rubbish, a label without content is too, but says nothing.
        self.keeper.throw(Rubbish::Name(self.label_path(key)));
        self.keeper.throw(Rubbish::Name(self.path(key)));
    }

    /// Contents and their bytes.
    pub(crate) fn usage(&self) -> (usize, u64) {
        let index = self.index.lock();
        (index.items.len(), index.used)
    }

    /// Makes room below the limit.
    fn shrink(&self, wanted: u64) {
        loop {
            let mut index = self.index.lock();
            if index.fits(wanted) {
                return;
            }
            let Some(key) = index.oldest() else { return };
            index.remove(key);
            drop(index);
            self.throw(key);
        }
    }

    /// Has so many bytes of contents removed, of what was used longest ago.
    pub(crate) fn free(&self, bytes: u64) {
        let target = self.usage().1.saturating_sub(bytes);
        loop {
            let mut index = self.index.lock();
            let Some(key) = index.oldest().filter(|_| index.used > target) else { return };
            index.remove(key);
            drop(index);
            self.throw(key);
        }
    }
}

#[cfg(test)]
impl Shelf {
    /// As if it had been used longest ago of all that are open.
    pub(crate) fn close(&self, key: Key) {
        self.index.lock().open.pop(&key);
    }
}

/// Room that something without a name takes. It is always given: what is in the way goes.
#[derive(Debug)]
pub(crate) struct Claim {
    shelf: Arc<Shelf>,
    bytes: AtomicU64,
}

impl Claim {
    pub(crate) fn new(shelf: &Arc<Shelf>) -> Self {
        Self { shelf: shelf.clone(), bytes: AtomicU64::new(0) }
    }

    pub(crate) fn set(&self, bytes: u64) {
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        let mut index = self.shelf.index.lock();
        index.claimed = (index.claimed + bytes).saturating_sub(before);
        drop(index);
        self.shelf.shrink(0);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Index {
    fn fits(&self, more: u64) -> bool {
        self.used.saturating_add(self.claimed).saturating_add(more) <= self.limit
    }

    fn oldest(&self) -> Option<Key> {
        self.turns.first_key_value().map(|(_, key)| *key)
    }

    fn find(&mut self, key: Key) -> Found {
        let Some(item) = self.items.get_mut(&key) else { return Found::Nothing };
        self.turns.remove(&item.turn);
        item.turn = self.next;
        self.turns.insert(self.next, key);
        self.next += 1;
        if !item.verified {
            return Found::Unverified(item.label);
        }
        let Some(image) = item.image.upgrade() else { return Found::Closed };
        self.open.put(key, image.clone());
        Found::Image(image)
    }

    fn insert(&mut self, label: Label, image: Option<&Arc<Image>>) {
        let (verified, turn) = (image.is_some(), self.next);
        self.turns.insert(turn, label.key);
        let image = image.map(Arc::downgrade).unwrap_or_default();
        self.items.insert(label.key, Item { label, verified, image, turn, number: turn });
        self.next += 1;
        self.used += label.size;
    }

    fn remove(&mut self, key: Key) -> bool {
        let Some(item) = self.items.remove(&key) else { return false };
        self.open.pop(&key);
        self.turns.remove(&item.turn);
        self.used -= item.label.size;
        true
    }
}

/// The lock of a folder, taken, and marked as ours. Waits for the disk.
///
/// # Errors
/// `WouldBlock`: somebody has it.
fn locked(dir: &Path) -> io::Result<File> {
    // Not cut before it is ours.
    let mut lock = File::options().create(true).truncate(false).write(true).open(dir.join(LOCK))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
    lock.set_len(0)?;
    // A disk that is full takes it the next time; the cache does without.
    let _ = lock.write_all(MARK);
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::disk::desk::Health;
    use crate::disk::image::Step;

    fn key(ino: u64) -> Key {
        Key { ino, version: 1 }
    }

    fn shelf(dir: &Path, limit: u64) -> io::Result<Shelf> {
        Shelf::open(dir, limit, &Keeper::start(&Health::default())?)
    }

    fn put(shelf: &Shelf, ino: u64, size: usize) {
        let mut draft = shelf.draft(key(ino), size as u64).unwrap();
        draft.append(&vec![ino as u8; size]).unwrap();
        shelf.put(draft, key(ino)).unwrap();
    }

    /// What lies there when the keeper has done everything.
    fn names(shelf: &Shelf) -> Vec<String> {
        shelf.keeper.ask_now(Duration::from_secs(20), || Ok(())).unwrap();
        let entries = fs::read_dir(&shelf.dir).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path(), 300).unwrap();
        for ino in 1..=3 {
            put(&shelf, ino, 100);
        }
        assert!(matches!(shelf.find(key(1)), Found::Image(_)));
        put(&shelf, 4, 100);
        assert!(matches!(shelf.find(key(2)), Found::Nothing));
        assert_eq!(shelf.usage(), (3, 300));
        assert_eq!(names(&shelf), ["1-1", "1-1.label", "3-1", "3-1.label", "4-1", "4-1.label", "lock"]);
        assert!(shelf.draft(key(5), 301).is_err());
    }

    #[test]
    fn what_is_claimed_makes_others_go_and_is_given_back() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = Arc::new(shelf(dir.path(), 300).unwrap());
        for ino in 1..=3 {
            put(&shelf, ino, 100);
        }
        let claim = Claim::new(&shelf);
        claim.set(150);
        assert_eq!(shelf.usage(), (1, 100));
        claim.set(1000);
        assert_eq!(shelf.usage(), (0, 0));
        assert!(shelf.draft(key(5), 100).is_err(), "it takes all");
        drop(claim);
        put(&shelf, 5, 100);
        put(&shelf, 6, 100);
        shelf.free(50);
        assert_eq!(shelf.usage(), (1, 100));
        assert_eq!(names(&shelf), ["6-1", "6-1.label", "lock"]);
    }

    #[test]
    fn content_without_its_label_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path(), 300).unwrap();
        // A directory is in its way.
        fs::create_dir_all(dir.path().join("1-1.label/x")).unwrap();
        let mut draft = shelf.draft(key(1), 5).unwrap();
        draft.append(b"hello").unwrap();
        assert!(shelf.put(draft, key(1)).is_err());
        assert_eq!(names(&shelf), ["1-1.label", "lock"]);
        assert_eq!(shelf.usage(), (0, 0));
    }

    #[test]
    fn what_went_while_it_was_opened_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        let shelf = shelf(dir.path(), 1000).unwrap();
        put(&shelf, 1, 100);
        shelf.index.lock().open.clear();
        assert!(matches!(shelf.find(key(1)), Found::Closed));
        assert_eq!(shelf.reopen(key(1)).unwrap().read(0, 100).unwrap(), [1; 100][..]);
        assert!(matches!(shelf.find(key(1)), Found::Image(_)));
        shelf.index.lock().open.clear();
        fs::remove_file(dir.path().join("1-1")).unwrap();
        assert!(shelf.reopen(key(1)).is_none());
        assert_eq!((shelf.usage(), names(&shelf)), ((0, 0), vec!["lock".to_owned()]));
    }

    #[test]
    fn what_an_earlier_mount_left_is_verified_before_it_is_used() {
        let dir = tempfile::tempdir().unwrap();
        let first = shelf(dir.path(), 1000).unwrap();
        for ino in 1..=3 {
            put(&first, ino, 100);
        }
        let other = shelf(dir.path(), 1000).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::WouldBlock, "the folder is taken");
        drop(first);
        fs::write(dir.path().join("2-1"), [9; 100]).unwrap();
        fs::write(dir.path().join("3-1.label"), b"rubbish").unwrap();
        fs::write(dir.path().join("4-1.7.part"), b"half").unwrap();
        fs::write(dir.path().join("5-1"), b"without a label").unwrap();
        let shelf = shelf(dir.path(), 1000).unwrap();
        assert_eq!(names(&shelf), ["1-1", "1-1.label", "2-1", "2-1.label", "lock"]);
        for (ino, good) in [(1, true), (2, false)] {
            let Found::Unverified(label) = shelf.find(key(ino)) else { panic!("{ino}") };
            let Ok(Step::Done(image)) = shelf.verifier(label).unwrap().step() else { panic!("{ino}") };
            assert_eq!(shelf.verified(key(ino), image).is_some(), good, "{ino}");
            assert_eq!(matches!(shelf.find(key(ino)), Found::Image(_)), good, "{ino}");
        }
        assert_eq!(shelf.usage(), (1, 100));
    }
}
