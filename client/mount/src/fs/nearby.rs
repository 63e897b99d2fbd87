//! Committed content that lies on a disk of this machine: read from there instead of from the cluster, and where the
//! kernel can, by the kernel itself, past this process (*passthrough*).
//!
//! What always holds:
//! - Only content of the very version that a reader has is taken from the disk. When the disk fails, the cluster has it.
//! - The kernel reads past this process on read-only mounts only. It cannot be told to stop while a descriptor is
//!   open, and bytes that a program maps and changes in such a file would never come here.
//! - All descriptors of a file go past this process, or none does: the kernel wants it so. While they do, what lies on
//!   the disk follows the file: [`Backing`] is brought up to date in place when somebody changes it, by one task
//!   ([`follow`]) and only when there is room for all of it. Until that succeeds it stays what it was as a whole. Should
//!   it fail halfway, what is left of the old content is cut off: no mixture of two versions stays.

use std::any::Any;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use holdfast_client::{ClientError, OpenFile};
use holdfast_proto::query::{GetInode, Query};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::disk::{Claim, Content, DiskCache, Image, Key, Source};
use crate::errno::Errno;
use crate::fs::file::{File, Reader, State};
use crate::fs::handles::FileHandle;
use crate::fs::{Fs, Outcome, Shared};

/// Bytes fetched at once to bring a backing file up to date.
const STEP: u64 = 4 << 20;

/// How long who opens a file waits until the kernel can read it.
const SOON: Duration = Duration::from_secs(2);

/// Longest pause between two attempts to bring a backing file up to date.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Reads that wait for the cache's disk at most. The runtime has 512 threads for such work, and others need them, too.
pub(super) const READS_AT_ONCE: usize = 64;

/// Times that a file may change while it is being fetched.
const ROUNDS: usize = 16;

/// Reading so many times its length through one opening makes a file worth having here.
const TIMES: u64 = 2;

/// A file on the local disk that the kernel reads for us.
#[derive(Debug)]
pub struct Backing {
    image: Arc<Image>,
    /// The room it takes once it has no name in the cache any more.
    claim: Claim,
    shows: watch::Sender<Shows>,
    /// While it is being changed: leading bytes that are of one version.
    good: AtomicU64,
    /// What the kernel binding knows it by.
    registered: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// Told when the file may have changed.
    changed: Notify,
    /// Somebody brings it up to date when the file changes.
    followed: AtomicBool,
}

/// What the kernel shows of a file.
#[derive(Clone, Copy, Debug)]
struct Shows {
    /// 0: it is being changed.
    version: u64,
    /// It could not be brought up to date the last time.
    stuck: bool,
}

impl Backing {
    fn new(image: Arc<Image>, claim: Claim, version: u64) -> Self {
        Self {
            image,
            claim,
            shows: watch::Sender::new(Shows { version, stuck: false }),
            good: AtomicU64::new(0),
            registered: Mutex::default(),
            changed: Notify::new(),
            followed: AtomicBool::new(false),
        }
    }

    fn version(&self) -> u64 {
        self.shows.borrow().version
    }

    fn show(&self, version: u64) {
        self.shows.send_modify(|shows| shows.version = version);
    }

    /// What the kernel binding knows it by; made by `register` at the first time.
    pub fn registered<T: Any + Send + Sync>(
        &self,
        register: impl FnOnce(&fs::File) -> io::Result<T>,
    ) -> io::Result<Arc<T>> {
        let mut registered = self.registered.lock();
        if let Some(known) = registered.clone() {
            return known.downcast().map_err(|_| io::ErrorKind::InvalidData.into());
        }
        let made = Arc::new(register(self.image.file()?)?);
        *registered = Some(made.clone());
        Ok(made)
    }
}

/// What a [`File`] knows of passthrough.
#[derive(Debug, Default)]
pub(crate) struct Through {
    /// What the kernel reads, while there are handles.
    backing: Option<Arc<Backing>>,
    handles: u32,
}

impl Shared {
    /// The content on the local disk, if it is there.
    pub(crate) fn nearby(&self, ino: u64, version: u64) -> Option<Arc<Image>> {
        self.disk.as_ref()?.find(Key { ino, version })
    }

    /// A content came to the local disk.
    fn arrived(&self, key: Key, image: Arc<Image>) {
        if let Some(file) = self.files.get(key.ino)
            && let Some(reader) = &mut file.state.lock().reader
            && reader.file.inode().version == key.version
        {
            reader.nearby = Some(image);
        }
    }
}

impl Fs {
    /// The kernel can, or cannot, read files past this process.
    pub fn set_passthrough(&self, can: bool) {
        self.shared.passthrough.store(can, Ordering::Relaxed);
    }

    /// A file was opened for reading.
    pub(crate) fn consider(&self, reader: &Reader) {
        if let Some(disk) = &self.shared.disk
            && reader.nearby.is_none()
        {
            let source = Nearer::new(&self.shared, reader);
            let ready = source.ready();
            disk.opened(source, ready);
        }
    }

    /// So many bytes of a file are wanted from the cluster.
    pub(crate) fn count_read(&self, file: &File, length: u64) {
        let Some(disk) = &self.shared.disk else { return };
        let mut state = file.state.lock();
        let before = state.fetched;
        state.fetched = before.saturating_add(length);
        let enough = state.size().saturating_mul(TIMES);
        if (before..state.fetched).contains(&enough)
            && let Some(reader) = state.reader.clone()
        {
            drop(state);
            let source = Nearer::new(&self.shared, &reader);
            let ready = source.ready();
            disk.want(source, ready);
        }
    }

    /// A handle is opened: whether the kernel reads for it. For who holds the file's state.
    pub(crate) fn passes(&self, state: &mut State, handle: &FileHandle) -> Option<Arc<Backing>> {
        if state.through.handles == 0 {
            let can = self.config().read_only && self.shared.passthrough.load(Ordering::Relaxed);
            let reader = state.reader.as_ref().filter(|_| can && state.handles == 1 && !handle.writes())?;
            let claim = self.shared.disk.as_ref()?.claim();
            let backing = Backing::new(reader.nearby.clone()?, claim, reader.file.inode().version);
            state.through.backing = Some(Arc::new(backing));
        }
        state.through.handles += 1;
        state.through.backing.clone()
    }

    /// The kernel is about to read for this handle. False: what it would read is not what is committed now, and cannot
    /// be made so soon.
    pub(crate) async fn passing(&self, file: &Arc<File>, backing: &Arc<Backing>) -> bool {
        if !backing.followed.swap(true, Ordering::AcqRel) {
            self.shared.runtime.spawn(follow(Arc::downgrade(&self.shared), file.clone(), backing.clone()));
        }
        let current = file.state.lock().inode.version;
        let mut shows = backing.shows.subscribe();
        let now = *shows.borrow_and_update();
        if now.version >= current {
            return true;
        }
        backing.changed.notify_one();
        if now.stuck {
            return false;
        }
        let over = shows.wait_for(|shows| shows.stuck || shows.version >= current);
        tokio::time::timeout(SOON, over)
            .await
            .is_ok_and(|over| over.is_ok_and(|shows| shows.version >= current))
    }

    /// The kernel does not read for this handle after all, nor for others to come.
    pub fn does_not_pass(&self, handle: u64) {
        self.set_passthrough(false);
        if let Ok(handle) = self.file_handle(handle) {
            self.no_longer_passes(&handle);
        }
    }

    /// A handle is closed, or read here from now on.
    pub(crate) fn no_longer_passes(&self, handle: &FileHandle) {
        if handle.passes.swap(false, Ordering::AcqRel) {
            let through = &mut handle.file.state.lock().through;
            through.handles = through.handles.saturating_sub(1);
            if through.handles == 0
                && let Some(backing) = through.backing.take()
            {
                backing.changed.notify_one();
            }
        }
    }

    /// Brings what the kernel reads up to date, in place.
    async fn renew(&self, file: &Arc<File>, backing: &Arc<Backing>) -> Outcome<()> {
        let disk = self.shared.disk.as_ref().ok_or(Errno::IO)?;
        let outcome = self.renew_rounds(disk, file, backing).await;
        if outcome.is_err()
            && let Err(error) = cut(disk, backing).await
        {
            tracing::warn!(ino = file.ino, %error, "what the kernel reads of a file is torn");
        }
        outcome
    }

    async fn renew_rounds(&self, disk: &DiskCache, file: &Arc<File>, backing: &Arc<Backing>) -> Outcome<()> {
        for _ in 0..ROUNDS {
            self.refresh(file).await?;
            let Some(reader) = file.state.lock().reader.clone() else { continue };
            let (old, version) = (backing.version(), reader.file.inode().version);
            if old == version {
                return Ok(());
            }
            // Nobody shall find under the old version what is not that any more.
            disk.forget(Key { ino: file.ino, version: old });
            if rewrite(disk, backing, &reader.file, reader.file.size()).await? {
                backing.show(version);
                return Ok(());
            }
        }
        Err(Errno::IO)
    }
}

/// Takes away what is not of the version whose first bytes are there: too few bytes can be noticed, wrong ones cannot.
async fn cut(disk: &DiskCache, backing: &Arc<Backing>) -> io::Result<()> {
    if backing.version() > 0 {
        return Ok(());
    }
    let good = backing.good.load(Ordering::Acquire);
    disk.change(&backing.image, move |file| file.set_len(good)).await
}

/// Writes the content where the kernel reads it, if there is room for it. False: it changed meanwhile.
async fn rewrite(
    disk: &DiskCache,
    backing: &Arc<Backing>,
    content: &dyn Content,
    size: u64,
) -> Outcome<bool> {
    let mut at = 0;
    disk.reserve(&backing.image, &backing.claim, size).await.map_err(local)?;
    while at < size {
        let pieces = match content.pieces(at, STEP.min(size - at)).await {
            Ok(pieces) => pieces,
            Err(ClientError::Changed(_)) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let start = at;
        at += pieces.iter().map(|piece| piece.len() as u64).sum::<u64>().max(1);
        if start == 0 {
            backing.good.store(0, Ordering::Release);
            backing.show(0);
        }
        let written = disk.change(&backing.image, move |file| {
            let mut at = start;
            pieces.iter().try_for_each(|piece| {
                file.write_all_at(piece, at)?;
                at += piece.len() as u64;
                Ok(())
            })
        });
        written.await.map_err(local)?;
        backing.good.store(at.min(size), Ordering::Release);
    }
    disk.change(&backing.image, move |file| file.set_len(size)).await.map_err(local)?;
    Ok(true)
}

fn local(error: io::Error) -> Errno {
    tracing::debug!(%error, "the disk cache cannot be written");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Errno::NOSPC,
        io::ErrorKind::FileTooLarge => Errno::FBIG,
        _ => Errno::IO,
    }
}

/// Follows a file as long as the kernel reads it for us.
async fn follow(shared: Weak<Shared>, file: Arc<File>, backing: Arc<Backing>) {
    let Some(usual) = shared.upgrade().map(|shared| shared.config.attr_ttl) else { return };
    let usual = usual.max(Duration::from_millis(100));
    let mut pause = usual;
    while passes_until_news(&file, &backing, pause).await {
        let Some(shared) = shared.upgrade() else { return };
        let fs = Fs { shared };
        let known = fs.shared.cache.inode(fs.client(), file.ino);
        if known.is_some_and(|inode| inode.version == backing.version()) {
            continue;
        }
        let stuck = backing.shows.borrow().stuck;
        match fs.renew(&file, &backing).await {
            Ok(()) if stuck => {
                tracing::info!(ino = file.ino, "what the kernel reads of a file is up to date again")
            }
            Ok(()) => {}
            Err(error) if !stuck => {
                tracing::warn!(ino = file.ino, ?error, "what the kernel reads of a file is not up to date");
            }
            Err(error) => tracing::debug!(ino = file.ino, ?error, "nor is it now"),
        }
        let behind = backing.version() < file.state.lock().inode.version;
        backing.shows.send_modify(|shows| shows.stuck = behind);
        pause = if behind { (2 * pause).min(LONGEST_PAUSE) } else { usual };
    }
}

/// Waits for a change, but after a failure for the whole pause. False: the kernel does not read it any more.
async fn passes_until_news(file: &File, backing: &Arc<Backing>, pause: Duration) -> bool {
    let until = Instant::now() + pause;
    let stuck = backing.shows.borrow().stuck;
    loop {
        let news = tokio::time::timeout_at(until, backing.changed.notified()).await.is_ok();
        let now = file.state.lock().through.backing.clone();
        if !now.is_some_and(|now| Arc::ptr_eq(&now, backing)) {
            return false;
        }
        if !(news && stuck) {
            return true;
        }
    }
}

/// A file whose content should come to the local disk. While it waits it holds nothing of the file in the cluster.
struct Nearer {
    shared: Weak<Shared>,
    key: Key,
    size: u64,
}

impl Nearer {
    fn new(shared: &Arc<Shared>, reader: &Reader) -> Self {
        let inode = reader.file.inode();
        let key = Key { ino: inode.ino, version: inode.version };
        Self { shared: Arc::downgrade(shared), key, size: reader.file.size() }
    }

    /// What is to be done when it is there.
    fn ready(&self) -> impl FnOnce(Arc<Image>) + Send + 'static {
        let (shared, key) = (self.shared.clone(), self.key);
        move |image| {
            if let Some(shared) = shared.upgrade() {
                shared.arrived(key, image);
            }
        }
    }

    async fn opened(&self) -> Result<Option<OpenFile>, ClientError> {
        let Some(shared) = self.shared.upgrade() else { return Ok(None) };
        let question = GetInode { ino: self.key.ino, content: true, open: 0 };
        let answer = shared.client.ask(Query::GetInode(question)).await?;
        let opened = shared.client.opened(answer)?;
        Ok((opened.inode().version == self.key.version).then_some(opened))
    }
}

impl Source for Nearer {
    fn key(&self) -> Key {
        self.key
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn content(&self) -> BoxFuture<'_, Result<Option<Box<dyn Content>>, ClientError>> {
        Box::pin(async {
            let opened = self.opened().await?;
            Ok(opened.map(|file| Box::new(file) as Box<dyn Content>))
        })
    }
}

impl Through {
    /// Somebody changed the file.
    pub(crate) fn changed(&self) {
        if let Some(backing) = &self.backing {
            backing.changed.notify_one();
        }
    }
}

/// Whether the kernel reads for a handle.
pub(crate) type Passes = AtomicBool;

impl Reader {
    /// Bytes of a range within the content, from the local disk; `None`: they are not there.
    pub(crate) async fn nearby_bytes(&self, fs: &Fs, from: u64, to: u64) -> Option<Bytes> {
        let image = self.nearby.clone()?;
        let disk = fs.shared.disk.as_ref()?;
        if let Some(bytes) = image.read_now(from, to - from) {
            return Some(bytes);
        }
        if disk.hangs() {
            return None;
        }
        // One whose disk hangs keeps its thread; with all of them taken, the cluster answers.
        let place = fs.shared.nearby_reads.clone().try_acquire_owned().ok()?;
        match disk.read(image, from, to - from, place).await {
            Ok(bytes) => Some(bytes),
            // Perhaps it comes later; the file stays.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => None,
            Err(error) => {
                let inode = self.file.inode();
                tracing::warn!(ino = inode.ino, %error, "a file in the disk cache cannot be read");
                disk.forget(Key { ino: inode.ino, version: inode.version });
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::status::Status;

    use super::*;
    use crate::disk::DiskCacheConfig;

    const OLD: usize = 300_000;
    const NEW: usize = 3 * STEP as usize;
    const SOURCE: Key = Key { ino: 3, version: 4 };

    /// Content of one byte over and over, up to where it fails.
    #[derive(Clone)]
    struct Of(u8, u64);

    impl Content for Of {
        fn pieces(&self, offset: u64, length: u64) -> BoxFuture<'_, Result<Vec<Bytes>, ClientError>> {
            let bytes = vec![Bytes::from(vec![self.0; length as usize])];
            let fails = offset >= self.1;
            Box::pin(async move {
                if fails { Err(ClientError::Refused(Status::internal("as wanted"))) } else { Ok(bytes) }
            })
        }
    }

    impl Source for Of {
        fn key(&self) -> Key {
            SOURCE
        }

        fn size(&self) -> u64 {
            OLD as u64
        }

        fn content(&self) -> BoxFuture<'_, Result<Option<Box<dyn Content>>, ClientError>> {
            let content: Box<dyn Content> = Box::new(self.clone());
            Box::pin(async { Ok(Some(content)) })
        }
    }

    /// A small cache, and a file of it that the kernel reads.
    async fn backed(dir: &tempfile::TempDir) -> (DiskCache, Arc<Backing>) {
        let config = DiskCacheConfig { dir: dir.path().join("cache"), bytes: 2 << 20 };
        let cache = DiskCache::open(&config).unwrap();
        let (arrived, mut waiting) = tokio::sync::mpsc::channel(1);
        cache.want(Of(1, u64::MAX), move |image| drop(arrived.try_send(image)));
        let image = tokio::time::timeout(Duration::from_secs(20), waiting.recv()).await.unwrap().unwrap();
        cache.forget(SOURCE);
        let backing = Arc::new(Backing::new(image, cache.claim(), SOURCE.version));
        (cache, backing)
    }

    fn seen(backing: &Backing) -> Vec<u8> {
        let file = backing.image.file().unwrap();
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[tokio::test]
    async fn what_the_kernel_reads_follows_to_any_length() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, backing) = backed(&dir).await;
        assert!(rewrite(&cache, &backing, &Of(2, u64::MAX), NEW as u64).await.unwrap());
        assert!(seen(&backing) == vec![2; NEW]);
        assert!(rewrite(&cache, &backing, &Of(3, u64::MAX), 10).await.unwrap());
        assert!(rewrite(&cache, &backing, &Of(3, u64::MAX), 0).await.unwrap());
        assert!(seen(&backing).is_empty());
    }

    #[tokio::test]
    async fn without_room_the_old_content_stays_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, backing) = backed(&dir).await;
        let no_room = rewrite(&cache, &backing, &Of(2, u64::MAX), 1 << 60).await;
        assert!(no_room.is_err());
        cut(&cache, &backing).await.unwrap();
        assert!(seen(&backing) == vec![1; OLD] && backing.version() == SOURCE.version);
        // Nor is anything lost when the first byte cannot be had.
        assert!(rewrite(&cache, &backing, &Of(2, 0), NEW as u64).await.is_err());
        cut(&cache, &backing).await.unwrap();
        assert!(seen(&backing) == vec![1; OLD] && backing.version() == SOURCE.version);
    }

    #[tokio::test]
    async fn no_mixture_of_two_versions_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (cache, backing) = backed(&dir).await;
        assert!(rewrite(&cache, &backing, &Of(2, u64::MAX), NEW as u64).await.unwrap());
        backing.show(5);
        assert!(rewrite(&cache, &backing, &Of(3, 2 * STEP), NEW as u64).await.is_err());
        assert_eq!(backing.version(), 0, "nobody takes it for current");
        cut(&cache, &backing).await.unwrap();
        assert!(seen(&backing) == vec![3; 2 * STEP as usize]);
        assert!(rewrite(&cache, &backing, &Of(4, u64::MAX), NEW as u64).await.unwrap());
        assert!(seen(&backing) == vec![4; NEW]);
    }
}
