//! The disk cache of a mount: whole files that are read again and again lie on a disk of this machine.
//!
//! What always holds:
//! - A content is found under its inode and version only, so it is never an older one than asked for.
//! - It is verified when it is filled, by the checksums of its blocks, and before its first use in a later mount, by
//!   its own digest. What does not fit is thrown away; the cluster has it.
//! - Readers never wait for it: contents are filled and verified in the background, a few at a time; how many wait
//!   for that is bounded, what is beyond is forgotten. A disk that fails or runs full costs speed, nothing else.
//!
//! Called by [`crate::fs`].

mod image;
mod shelf;

use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use holdfast_client::{ClientError, OpenFile};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::mpsc;

pub(crate) use image::{Image, Key};
use shelf::{Found, Shelf};

use crate::stats;

/// Contents that may wait to be filled or verified.
const QUEUE: usize = 256;

/// Contents filled or verified at once.
const AT_ONCE: usize = 2;

/// Bytes fetched at once to fill.
const STEP: u64 = 4 << 20;

/// Shorter files come with the answer that opens them.
const SHORTEST: u64 = 64 << 10;

/// Longest file, as a part of the cache: one of so many.
const LONGEST_PART: u64 = 4;

/// Files of which it is remembered that they were opened.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// How long nothing is filled after the disk failed.
const REST: Duration = Duration::from_secs(60);

/// Where the cache lies, and how large it may become.
#[derive(Clone, Debug)]
pub struct DiskCacheConfig {
    /// A folder of this mount's own.
    pub dir: PathBuf,
    /// Most bytes of content in it.
    pub bytes: u64,
}

/// Where a content comes from.
pub(crate) trait Content: Send + Sync + 'static {
    fn key(&self) -> Key;
    fn size(&self) -> u64;
    fn pieces(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Vec<Bytes>, ClientError>>;
}

impl Content for OpenFile {
    fn key(&self) -> Key {
        Key { ino: self.inode().ino, version: self.inode().version }
    }

    fn size(&self) -> u64 {
        self.size()
    }

    fn pieces(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Vec<Bytes>, ClientError>> {
        Box::pin(self.pieces_at(offset, length))
    }
}

/// What is to be done in the background, and who wants to know that it is there.
type Job = (Arc<dyn Content>, Box<dyn FnOnce(Arc<Image>) + Send>);

/// The cache.
pub(crate) struct DiskCache {
    shelf: Arc<Mutex<Shelf>>,
    limit: u64,
    opened: Mutex<LruCache<Key, ()>>,
    /// What waits or is being brought: each once.
    wanted: Arc<Mutex<HashSet<Key>>>,
    jobs: mpsc::Sender<Job>,
}

impl DiskCache {
    /// Takes the folder and starts working. Within a runtime.
    ///
    /// # Errors
    /// `WouldBlock`: another mount has the folder.
    pub(crate) fn open(config: &DiskCacheConfig) -> io::Result<Self> {
        let shelf = Arc::new(Mutex::new(Shelf::open(&config.dir, config.bytes)?));
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(tokio::sync::Mutex::new(waiting));
        let wanted = Arc::new(Mutex::new(HashSet::new()));
        for _ in 0..AT_ONCE {
            tokio::spawn(work(shelf.clone(), wanted.clone(), waiting.clone()));
        }
        let opened = Mutex::new(LruCache::new(REMEMBERED));
        Ok(Self { shelf, limit: config.bytes, opened, wanted, jobs })
    }

    /// Longest content that is kept.
    pub(crate) fn longest(&self) -> u64 {
        self.limit / LONGEST_PART
    }

    /// The content, if it is here and verified. Does not wait for a disk that is slow to take something else.
    pub(crate) fn find(&self, key: Key) -> Option<Arc<Image>> {
        match self.shelf.try_lock()?.find(key) {
            Found::Image(image) => Some(image),
            Found::Unverified(_) | Found::Nothing => None,
        }
    }

    /// A file is opened for reading: the second time, or when an earlier mount had it, it is worth having here.
    /// `ready` is called, perhaps much later and perhaps never, when it is.
    pub(crate) fn opened(&self, content: impl Content, ready: impl FnOnce(Arc<Image>) + Send + 'static) {
        let Some(mut shelf) = self.shelf.try_lock() else { return };
        let known = matches!(shelf.find(content.key()), Found::Unverified(_));
        drop(shelf);
        let again = self.opened.lock().put(content.key(), ()).is_some();
        if known || again {
            self.want(content, ready);
        }
    }

    /// The content is worth having here.
    pub(crate) fn want(&self, content: impl Content, ready: impl FnOnce(Arc<Image>) + Send + 'static) {
        let (key, size) = (content.key(), content.size());
        if size > SHORTEST
            && size <= self.longest()
            && self.wanted.lock().insert(key)
            && self.jobs.try_send((Arc::new(content), Box::new(ready))).is_err()
        {
            // A full queue: it will be read another time.
            self.wanted.lock().remove(&key);
        }
    }

    /// The content is not needed any more, or could not be read. For a thread that may wait for the disk.
    pub(crate) fn forget(&self, key: Key) {
        self.shelf.lock().remove(key);
    }

    /// Contents and their bytes.
    pub(crate) fn usage(&self) -> (usize, u64) {
        self.shelf.lock().usage()
    }
}

impl std::fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskCache").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

async fn work(
    shelf: Arc<Mutex<Shelf>>,
    wanted: Arc<Mutex<HashSet<Key>>>,
    waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<Job>>>,
) {
    loop {
        let Some((content, ready)) = waiting.lock().await.recv().await else { return };
        let brought = bring(&shelf, content.as_ref()).await;
        wanted.lock().remove(&content.key());
        match brought {
            Ok(Some(image)) => ready(image),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the disk cache cannot take a file; it rests for a minute");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

/// Verifies what an earlier mount left, or fetches it. `Ok(None)`: the cluster did not give it.
async fn bring(shelf: &Arc<Mutex<Shelf>>, content: &dyn Content) -> io::Result<Option<Arc<Image>>> {
    let key = content.key();
    let left = match shelf.lock().find(key) {
        Found::Image(image) => return Ok(Some(image)),
        Found::Unverified(label) => Some(label),
        Found::Nothing => None,
    };
    if let Some(label) = left {
        let verify = shelf.lock().verifier(label);
        let image = blocking(verify).await.unwrap_or(None);
        let mut shelf = shelf.lock();
        shelf.verified(key, image);
        if let Found::Image(image) = shelf.find(key) {
            return Ok(Some(image));
        }
    }
    let draft = shelf.lock().draft(key, content.size())?;
    match fill(draft, content).await {
        Ok(Some(draft)) => shelf.lock().put(draft, key).map(Some),
        other => {
            shelf.lock().discard(key);
            other.map(|_| None)
        }
    }
}

async fn fill(mut draft: image::Draft, content: &dyn Content) -> io::Result<Option<image::Draft>> {
    let mut at = 0;
    while at < content.size() {
        let length = STEP.min(content.size() - at);
        let pieces = match content.pieces(at, length).await {
            Ok(pieces) => pieces,
            Err(error) => {
                tracing::debug!(%error, key = ?content.key(), "a file was not brought into the disk cache");
                return Ok(None);
            }
        };
        draft = blocking(move || {
            pieces.iter().try_for_each(|piece| draft.append(piece))?;
            Ok(draft)
        })
        .await?;
        stats::moved("cached", length as usize);
        at += length;
    }
    Ok(Some(draft))
}

/// Work that may wait for the disk.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counted(Arc<AtomicUsize>);

    const SIZE: usize = 300_000;

    impl Content for Counted {
        fn key(&self) -> Key {
            Key { ino: 3, version: 4 }
        }

        fn size(&self) -> u64 {
            SIZE as u64
        }

        fn pieces(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Vec<Bytes>, ClientError>> {
            assert_eq!((offset, length), (0, SIZE as u64));
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {
                // Others ask for it meanwhile.
                tokio::task::yield_now().await;
                Ok(vec![Bytes::from(vec![7; SIZE / 2]); 2])
            })
        }
    }

    #[tokio::test]
    async fn a_content_that_many_want_is_brought_once() {
        let dir = tempfile::tempdir().unwrap();
        let config = DiskCacheConfig { dir: dir.path().join("cache"), bytes: 10 << 20 };
        let cache = DiskCache::open(&config).unwrap();
        let fetched = Arc::new(AtomicUsize::new(0));
        let (arrived, mut waiting) = mpsc::channel(8);
        cache.opened(Counted(fetched.clone()), |_| panic!("once is not again and again"));
        for _ in 0..5 {
            let arrived = arrived.clone();
            cache.opened(Counted(fetched.clone()), move |image| drop(arrived.try_send(image)));
        }
        let image = tokio::time::timeout(Duration::from_secs(10), waiting.recv()).await.unwrap().unwrap();
        assert_eq!(image.read(0, 1 << 20).unwrap(), vec![7; SIZE]);
        assert!(cache.find(Key { ino: 3, version: 4 }).is_some());
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
        cache.want(Counted(fetched.clone()), |_| {});
        drop(arrived);
        assert!(waiting.recv().await.is_none(), "the others were not queued");
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }
}
