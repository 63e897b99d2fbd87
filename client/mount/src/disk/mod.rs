//! The disk cache of a mount: whole files that are read again and again lie on a disk of this machine.
//!
//! What always holds:
//! - A content is found under its inode and version only, so it is never an older one than asked for.
//! - It is verified when it is filled, by the checksums of its blocks, and before its first use in a later mount, by
//!   its own digest. What does not fit is thrown away; the cluster has it.
//! - Readers never wait for it: contents are filled and verified in the background, a few at a time; how many wait
//!   for that is bounded, what is beyond is forgotten. A disk that fails, runs full or hangs costs speed, nothing else:
//!   whatever waits for it does so on threads of its own ([`desk`]), and while it hangs the cluster is read.
//! - What waits to be filled keeps nothing in the cluster.
//!
//! Called by [`crate::fs`].

mod desk;
mod image;
mod others;
mod shelf;

use std::collections::HashSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use holdfast_client::{ClientError, OpenFile};
use lru::LruCache;
use parking_lot::Mutex;
use rustix::fs::FallocateFlags;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use desk::{Desk, Health, Keeper};
use image::{Draft, Label, Step};
pub(crate) use image::{Image, Key};
pub use others::{cache_folder, clear_other_caches};
pub(crate) use shelf::Claim;
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

/// Longest file that is taken in, as a part of the cache: one of so many.
const LONGEST_PART: u64 = 4;

/// Files of which it is remembered that they were opened.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(16_383);

/// How long nothing is filled after the disk failed.
const REST: Duration = Duration::from_secs(60);

/// How long who opens a file waits for the disk; the file's state is locked meanwhile.
const SOON: Duration = Duration::from_millis(100);

/// How long a reader waits for the disk.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long work in the background waits for the disk, for each thing that it asks of it.
const LONG: Duration = Duration::from_secs(10);

/// How long who mounts waits until what an earlier mount left is known.
const START: Duration = Duration::from_secs(120);

/// Writes of files that the kernel reads, at once.
const WRITES: usize = 4;

/// Where the cache lies, and how large it may become.
#[derive(Clone, Debug)]
pub struct DiskCacheConfig {
    /// A folder of this mount's own.
    pub dir: PathBuf,
    /// Most bytes of content in it.
    pub bytes: u64,
}

/// What is worth having here. While it waits it keeps nothing in the cluster: it asks when its turn comes.
pub(crate) trait Source: Send + Sync + 'static {
    fn key(&self) -> Key;
    fn size(&self) -> u64;
    /// The content as it is now; `None`: it is not that any more.
    fn content(&self) -> BoxFuture<'_, Result<Option<Box<dyn Content>>, ClientError>>;
}

/// Where a content comes from.
pub(crate) trait Content: Send + Sync {
    fn pieces(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Vec<Bytes>, ClientError>>;
}

impl Content for OpenFile {
    fn pieces(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Vec<Bytes>, ClientError>> {
        Box::pin(self.pieces_at(offset, length))
    }
}

/// What is to be done in the background, and who wants to know that it is there.
type Job = (Box<dyn Source>, Box<dyn FnOnce(Arc<Image>) + Send>);

/// The cache.
pub(crate) struct DiskCache {
    shelf: Arc<Shelf>,
    health: Health,
    keeper: Arc<Keeper>,
    /// Opens what readers look for, and nothing else: they wait for it.
    opener: Desk,
    /// Writes what the kernel reads.
    follower: Desk,
    writes: Arc<Semaphore>,
    limit: u64,
    opened: Mutex<LruCache<Key, ()>>,
    /// What waits or is being brought: each once.
    wanted: Arc<Mutex<HashSet<Key>>>,
    /// The disk failed a while ago.
    resting: Arc<AtomicBool>,
    jobs: mpsc::Sender<Job>,
}

impl DiskCache {
    /// Takes the folder and starts working. Within a runtime.
    ///
    /// # Errors
    /// `WouldBlock`: another mount has the folder. `TimedOut`: its disk does not answer.
    pub(crate) fn open(config: &DiskCacheConfig) -> io::Result<Self> {
        let health = Health::default();
        let keeper = Keeper::start(&health)?;
        let shelf = {
            let (config, keeper) = (config.clone(), keeper.clone());
            move || Shelf::open(&config.dir, config.bytes, &keeper)
        };
        let shelf = Arc::new(keeper.ask_now(START, shelf)?);
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let worker = Worker {
            shelf: shelf.clone(),
            keeper: keeper.clone(),
            wanted: Arc::default(),
            resting: Arc::default(),
            waiting: Arc::new(tokio::sync::Mutex::new(waiting)),
        };
        for _ in 0..AT_ONCE {
            tokio::spawn(worker.clone().work(Desk::start("cache-filler", &health)?));
        }
        Ok(Self {
            shelf,
            keeper,
            opener: Desk::start("cache-opener", &health)?,
            follower: Desk::start("cache-follower", &health)?,
            writes: Arc::new(Semaphore::new(WRITES)),
            limit: config.bytes,
            opened: Mutex::new(LruCache::new(REMEMBERED)),
            wanted: worker.wanted,
            resting: worker.resting,
            jobs,
            health,
        })
    }

    /// The content, if it is here and verified. Does not wait for a disk that hangs, nor for long for another.
    pub(crate) fn find(&self, key: Key) -> Option<Arc<Image>> {
        if self.health.hangs() {
            return None;
        }
        match self.shelf.find(key) {
            Found::Image(image) => Some(image),
            Found::Closed => {
                let shelf = self.shelf.clone();
                self.opener.ask_now(SOON, move || Ok(shelf.reopen(key))).ok()?
            }
            Found::Unverified(_) | Found::Nothing => None,
        }
    }

    /// Whether its disk does not answer: then nobody should wait for it.
    pub(crate) fn hangs(&self) -> bool {
        self.health.hangs()
    }

    /// A file is opened for reading: the second time, or when an earlier mount had it, it is worth having here.
    /// `ready` is called, perhaps much later and perhaps never, when it is.
    pub(crate) fn opened(&self, source: impl Source, ready: impl FnOnce(Arc<Image>) + Send + 'static) {
        let known = matches!(self.shelf.find(source.key()), Found::Unverified(_));
        let again = self.opened.lock().put(source.key(), ()).is_some();
        if known || again {
            self.want(source, ready);
        }
    }

    /// The content is worth having here.
    pub(crate) fn want(&self, source: impl Source, ready: impl FnOnce(Arc<Image>) + Send + 'static) {
        let (key, size) = (source.key(), source.size());
        if size > SHORTEST
            && size <= self.limit / LONGEST_PART
            && !self.resting.load(Ordering::Acquire)
            && !self.health.hangs()
            && self.wanted.lock().insert(key)
            && self.jobs.try_send((Box::new(source), Box::new(ready))).is_err()
        {
            // A full queue: it will be read another time.
            self.wanted.lock().remove(&key);
        }
    }

    /// The content is not needed any more, or could not be read. Nobody finds it from now on.
    pub(crate) fn forget(&self, key: Key) {
        self.shelf.remove(key);
    }

    /// The bytes of a range of a content. `place` is kept until the disk has answered.
    pub(crate) async fn read(
        &self,
        image: Arc<Image>,
        offset: u64,
        length: u64,
        place: OwnedSemaphorePermit,
    ) -> io::Result<Bytes> {
        let (awaited, answer) = self.health.begin();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = image.read(offset, length);
            drop((answer, place));
            bytes
        });
        match tokio::time::timeout(PATIENCE, read).await {
            Ok(read) => read.map_err(io::Error::other)?,
            Err(_) => {
                awaited.overdue();
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// Room for a content that is changed in place, which has no name here.
    pub(crate) fn claim(&self) -> Claim {
        Claim::new(&self.shelf)
    }

    /// Takes room for all of a content before it is changed in place; others go for it. Its length stays.
    ///
    /// # Errors
    /// `StorageFull`: there is no room even so.
    pub(crate) async fn reserve(&self, image: &Arc<Image>, claim: &Claim, size: u64) -> io::Result<()> {
        claim.set(size);
        let reserved = self.allocate(image, size).await;
        if reserved.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::StorageFull) {
            self.shelf.free(size);
            // Behind what has to go.
            self.keeper.ask(LONG, || Ok(())).await?;
            return self.allocate(image, size).await;
        }
        reserved
    }

    async fn allocate(&self, image: &Arc<Image>, size: u64) -> io::Result<()> {
        self.change(image, move |file| {
            if size == 0 {
                return Ok(());
            }
            match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, size) {
                // A file system that cannot say so beforehand says so when it is written.
                Ok(()) | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    /// Changes a content in place: one change after the other, in the order in which they were asked for, also those
    /// that nobody waits for any more.
    pub(crate) async fn change(
        &self,
        image: &Arc<Image>,
        work: impl FnOnce(&std::fs::File) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let place = tokio::time::timeout(LONG, self.writes.clone().acquire_owned()).await?;
        let (place, image) = (place.map_err(io::Error::other)?, image.clone());
        let work = move || {
            let _place = place;
            work(image.file()?)
        };
        self.follower.ask(LONG, work).await
    }

    /// Contents and their bytes.
    pub(crate) fn usage(&self) -> (usize, u64) {
        self.shelf.usage()
    }
}

impl std::fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskCache").field("usage", &self.usage()).finish_non_exhaustive()
    }
}

/// Who fills and verifies.
#[derive(Clone)]
struct Worker {
    shelf: Arc<Shelf>,
    keeper: Arc<Keeper>,
    wanted: Arc<Mutex<HashSet<Key>>>,
    resting: Arc<AtomicBool>,
    waiting: Arc<tokio::sync::Mutex<mpsc::Receiver<Job>>>,
}

impl Worker {
    async fn work(self, desk: Desk) {
        loop {
            let Some((source, ready)) = self.waiting.lock().await.recv().await else { return };
            let brought = self.bring(&desk, source.as_ref()).await;
            self.wanted.lock().remove(&source.key());
            match brought {
                Ok(Some(image)) => ready(image),
                Ok(None) => {}
                Err(error) => {
                    drop((source, ready));
                    tracing::warn!(%error, "the disk cache cannot take a file; it rests for a minute");
                    self.rest().await;
                }
            }
        }
    }

    /// The disk failed: what waits for it is forgotten, and nothing more is taken for a while.
    async fn rest(&self) {
        self.resting.store(true, Ordering::Release);
        // Who has this locked waits for a job: there is none.
        if let Ok(mut waiting) = self.waiting.try_lock() {
            while let Ok((source, _)) = waiting.try_recv() {
                self.wanted.lock().remove(&source.key());
            }
        }
        tokio::time::sleep(REST).await;
        self.resting.store(false, Ordering::Release);
    }

    /// Verifies what an earlier mount left, or fetches it. `Ok(None)`: the cluster did not give it.
    async fn bring(&self, desk: &Desk, source: &dyn Source) -> io::Result<Option<Arc<Image>>> {
        let key = source.key();
        let here = match self.shelf.find(key) {
            Found::Image(image) => Some(image),
            Found::Closed => {
                let shelf = self.shelf.clone();
                desk.ask(LONG, move || Ok(shelf.reopen(key))).await?
            }
            Found::Unverified(label) => self.verify(desk, label).await?,
            Found::Nothing => None,
        };
        if here.is_some() {
            return Ok(here);
        }
        let content = match source.content().await {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(not_given(key, &error)),
        };
        let (shelf, size) = (self.shelf.clone(), source.size());
        let draft = self.keeper.ask(LONG, move || shelf.draft(key, size)).await?;
        let Some(draft) = fill(desk, draft, source, content.as_ref()).await? else { return Ok(None) };
        // Nothing of the cluster is needed any more, however long the disk takes.
        drop(content);
        let shelf = self.shelf.clone();
        self.keeper.ask(LONG, move || shelf.put(draft, key)).await.map(Some)
    }

    /// `Ok(None)`: it is not what its label says, or cannot be read.
    async fn verify(&self, desk: &Desk, label: Label) -> io::Result<Option<Arc<Image>>> {
        let shelf = self.shelf.clone();
        let mut step = desk.ask(LONG, move || shelf.verifier(label).map(Step::More)).await;
        let image = loop {
            match step {
                Ok(Step::More(verifier)) => step = desk.ask(LONG, move || verifier.step()).await,
                Ok(Step::Done(image)) => break image,
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Err(error),
                Err(_) => break None,
            }
        };
        Ok(self.shelf.verified(label.key, image))
    }
}

fn not_given<T>(key: Key, error: &ClientError) -> Option<T> {
    tracing::debug!(%error, ?key, "a file was not brought into the disk cache");
    None
}

async fn fill(
    desk: &Desk,
    mut draft: Draft,
    source: &dyn Source,
    content: &dyn Content,
) -> io::Result<Option<Draft>> {
    let mut at = 0;
    while at < source.size() {
        let length = STEP.min(source.size() - at);
        let pieces = match content.pieces(at, length).await {
            Ok(pieces) => pieces,
            Err(error) => return Ok(not_given(source.key(), &error)),
        };
        let append = move || {
            pieces.iter().try_for_each(|piece| draft.append(piece))?;
            Ok(draft)
        };
        draft = desk.ask(LONG, append).await?;
        stats::moved("cached", length as usize);
        at += length;
    }
    Ok(Some(draft))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use super::*;

    #[derive(Clone)]
    struct Counted {
        ino: u64,
        asked: Arc<AtomicUsize>,
        fetched: Arc<AtomicUsize>,
    }

    const SIZE: usize = 300_000;
    const TEST: Duration = Duration::from_secs(20);

    impl Source for Counted {
        fn key(&self) -> Key {
            key(self.ino)
        }

        fn size(&self) -> u64 {
            SIZE as u64
        }

        fn content(&self) -> BoxFuture<'_, Result<Option<Box<dyn Content>>, ClientError>> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let content: Box<dyn Content> = Box::new(self.clone());
            Box::pin(async { Ok(Some(content)) })
        }
    }

    impl Content for Counted {
        fn pieces(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Vec<Bytes>, ClientError>> {
            assert_eq!((offset, length), (0, SIZE as u64));
            self.fetched.fetch_add(1, Ordering::SeqCst);
            Box::pin(async {
                // Others ask for it meanwhile.
                tokio::task::yield_now().await;
                Ok(vec![Bytes::from(vec![7; SIZE / 2]); 2])
            })
        }
    }

    fn key(ino: u64) -> Key {
        Key { ino, version: 4 }
    }

    fn counted(ino: u64) -> Counted {
        Counted { ino, asked: Arc::default(), fetched: Arc::default() }
    }

    fn opened(dir: &tempfile::TempDir, bytes: u64) -> DiskCache {
        DiskCache::open(&DiskCacheConfig { dir: dir.path().join("cache"), bytes }).unwrap()
    }

    async fn brought(cache: &DiskCache, ino: u64) -> Arc<Image> {
        let (arrived, mut waiting) = mpsc::channel(1);
        cache.want(counted(ino), move |image| drop(arrived.try_send(image)));
        tokio::time::timeout(TEST, waiting.recv()).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_content_that_many_want_is_brought_once() {
        let dir = tempfile::tempdir().unwrap();
        let cache = opened(&dir, 10 << 20);
        let source = counted(3);
        let (arrived, mut waiting) = mpsc::channel(8);
        cache.opened(source.clone(), |_| panic!("once is not again and again"));
        for _ in 0..5 {
            let arrived = arrived.clone();
            cache.opened(source.clone(), move |image| drop(arrived.try_send(image)));
        }
        let image = tokio::time::timeout(TEST, waiting.recv()).await.unwrap().unwrap();
        assert_eq!(image.read(0, 1 << 20).unwrap(), vec![7; SIZE]);
        assert!(cache.find(key(3)).is_some());
        assert_eq!(source.fetched.load(Ordering::SeqCst), 1);
        cache.want(source.clone(), |_| {});
        drop(arrived);
        assert!(waiting.recv().await.is_none(), "the others were not queued");
        assert_eq!(source.fetched.load(Ordering::SeqCst), 1);
    }

    /// Everything that waits for the disk waits until what is returned is dropped.
    fn hang(cache: &DiskCache) -> Vec<std::sync::mpsc::Sender<()>> {
        let gates = (0..3).map(|_| std::sync::mpsc::channel::<()>());
        let (open, gates): (Vec<_>, Vec<_>) = gates.unzip();
        let mut gates = gates.into_iter().map(|gate| move || gate.recv().unwrap_or_default());
        let mut next = || gates.next().unwrap();
        assert!(cache.opener.tell(next()) && cache.follower.tell(next()));
        let (keeper, wait) = (cache.keeper.clone(), next());
        std::thread::spawn(move || {
            keeper.ask_now(10 * TEST, move || {
                wait();
                Ok(())
            })
        });
        open
    }

    #[tokio::test]
    async fn nobody_waits_for_a_disk_that_hangs() {
        let dir = tempfile::tempdir().unwrap();
        let cache = opened(&dir, 10 << 20);
        drop(brought(&cache, 1).await);
        let kept = brought(&cache, 2).await;
        // As if many others had been read since.
        for ino in 0..300 {
            cache.shelf.close(key(ino));
        }
        let open = hang(&cache);
        while !cache.hangs() {
            // The first one that looks for something waits, and not for long.
            let started = Instant::now();
            assert!(cache.find(key(1)).is_none());
            assert!(started.elapsed() < Duration::from_secs(5));
        }
        let started = Instant::now();
        for _ in 0..1000 {
            assert!(cache.find(key(1)).is_none() && cache.find(key(2)).is_none());
            assert_eq!(cache.usage().0, 2);
        }
        cache.want(counted(3), |_| panic!("nothing is taken"));
        assert!(cache.wanted.lock().is_empty());
        drop(kept);
        cache.forget(key(2));
        assert_eq!(cache.usage().0, 1);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        drop(open);
        let found = async {
            while cache.find(key(1)).is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(TEST, found).await.unwrap();
        let gone = async {
            while dir.path().join("cache/2-4").exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(TEST, gone).await.unwrap();
    }

    #[tokio::test]
    async fn what_waits_is_forgotten_when_the_disk_fails_and_nothing_was_asked_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let cache = opened(&dir, 100 << 20);
        // No draft can be made.
        std::fs::remove_dir_all(dir.path().join("cache")).unwrap();
        let sources: Vec<Counted> = (0..20).map(counted).collect();
        for source in &sources {
            cache.want(source.clone(), |_| panic!("there is no folder"));
        }
        assert_eq!(cache.wanted.lock().len(), 20);
        while !cache.wanted.lock().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let asked = || sources.iter().map(|source| source.asked.load(Ordering::SeqCst)).sum::<usize>();
        assert!(asked() <= AT_ONCE, "{} were asked for", asked());
        cache.want(counted(99), |_| {});
        assert!(cache.wanted.lock().is_empty() && cache.resting.load(Ordering::Acquire), "it rests");
    }

    #[tokio::test]
    async fn room_is_taken_before_a_byte_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = opened(&dir, 2 << 20);
        let image = brought(&cache, 1).await;
        drop(brought(&cache, 2).await);
        let claim = cache.claim();
        cache.forget(key(1));
        cache.reserve(&image, &claim, 10 << 20).await.unwrap();
        assert_eq!(cache.usage(), (0, 0), "the others went");
        assert_eq!(image.file().unwrap().metadata().unwrap().len(), SIZE as u64, "nothing is seen of it");
        // More than any disk has.
        let error = cache.reserve(&image, &claim, 1 << 60).await.unwrap_err();
        assert!(!matches!(error.kind(), io::ErrorKind::TimedOut), "{error}");
        assert_eq!(image.read(0, 1 << 20).unwrap(), vec![7; SIZE]);
        drop(claim);
        brought(&cache, 3).await;
    }
}
