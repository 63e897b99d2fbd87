//! Files that stay open while things happen behind their back: the session ends and takes their locks, the leader changes,
//! nobody reads them for long, the cluster is away until they are closed. The core without the kernel, on a cluster in
//! memory.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

#[path = "../../tests/fakes/mod.rs"]
mod fakes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fakes::{BUCKET, Cluster, Fate, Shape, create_bucket, eventually};
use holdfast_client::Client;
use holdfast_mount::MountConfig;
use holdfast_mount::errno::Errno;
use holdfast_mount::fs::{Caller, Fs, Invalidate, LockRequest, NewNode, WriteAt};
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::{LockKind, Op};
use holdfast_proto::status::{Code, Status};
use parking_lot::Mutex;
use tokio::time::sleep;

/// Longer than what is inline.
const LENGTH: usize = 10_000;

/// A process.
const OWNER: u64 = 77;

/// Counts what the kernel is told.
#[derive(Default)]
struct Kernel(Mutex<BTreeMap<u64, usize>>);

impl Kernel {
    fn told(&self, ino: u64) -> usize {
        self.0.lock().get(&ino).copied().unwrap_or_default()
    }
}

impl Invalidate for Kernel {
    fn inode(&self, ino: u64) {
        *self.0.lock().entry(ino).or_default() += 1;
    }

    fn attributes(&self, _ino: u64) {}

    fn attributes_now(&self, _ino: u64) {}

    fn name(&self, _dir: u64, _name: Bytes) {}

    fn pages_now(&self, _ino: u64, _from: u64) {}
}

/// A mount without a kernel.
struct Core {
    client: Client,
    fs: Fs,
    kernel: Arc<Kernel>,
    top: u64,
}

impl Core {
    async fn new(cluster: &Cluster, io_deadline: Duration) -> Self {
        let client = cluster.client_with(|config| config.holds_files = true).await;
        // Another one may have made it.
        let _ = client.mutate(create_bucket()).await;
        let top = client.stat(&format!("/{BUCKET}")).await.unwrap().ino;
        let fs = Fs::new(&client, MountConfig { io_deadline, ..MountConfig::default() }).unwrap();
        let kernel = Arc::new(Kernel::default());
        fs.set_kernel(kernel.clone());
        Self { client, fs, kernel, top }
    }

    /// A committed file of zeros: its inode and an open handle.
    async fn make(&self, name: &str) -> (u64, u64) {
        let node = NewNode::plain(FileKind::File, 0o644, 0);
        let opened = self.fs.create(Caller::default(), self.top, name.as_bytes(), node, libc::O_RDWR).await;
        let opened = opened.unwrap();
        self.write(opened.handle, &[b'0'; LENGTH]).await.unwrap();
        self.fs.fsync(opened.handle).await.unwrap();
        (opened.attr.ino, opened.handle)
    }

    async fn open(&self, ino: u64, flags: i32) -> u64 {
        self.fs.open(ino, flags).await.unwrap().handle
    }

    async fn write(&self, handle: u64, data: &[u8]) -> Result<u64, Errno> {
        self.fs.write(handle, Bytes::copy_from_slice(data), WriteAt::default(), false).await
    }

    async fn lock(&self, handle: u64, kind: LockKind) -> Result<(), Errno> {
        let (start, end) = (0, i64::MAX as u64);
        let request = LockRequest { owner: OWNER, start, end, kind, pid: 1, waiter: 0 };
        self.fs.setlk(handle, request, false).await
    }

    async fn close(&self, handle: u64) -> Result<(), Errno> {
        let closed = self.fs.flush_handle(handle, OWNER).await;
        self.fs.release(handle).await;
        closed
    }

    async fn first(&self, handle: u64) -> Result<u8, Errno> {
        let pieces = self.fs.read(handle, 0, LENGTH as u64).await?;
        Ok(pieces.with(|bytes| bytes[0]))
    }

    /// As who opens it anew sees it.
    async fn seen(&self, ino: u64) -> u8 {
        let handle = self.open(ino, libc::O_RDONLY).await;
        let first = self.first(handle).await.unwrap();
        self.close(handle).await.unwrap();
        first
    }

    /// Overwrites the beginning, and commits it.
    async fn put(&self, ino: u64, byte: u8) {
        let handle = self.open(ino, libc::O_RDWR).await;
        self.write(handle, &[byte; 4096]).await.unwrap();
        self.close(handle).await.unwrap();
    }

    fn waiting(&self) -> u64 {
        self.fs.usage().2
    }
}

const LONG: Duration = Duration::from_secs(60);

async fn a_lock_is_lost(notices: bool) {
    let cluster = Cluster::start(Shape::default()).await;
    let (one, two) = (Core::new(&cluster, LONG).await, Core::new(&cluster, LONG).await);
    let (ino, handle) = one.make("f").await;
    let bystander = one.open(ino, libc::O_RDWR).await;
    let theirs = two.open(ino, libc::O_RDWR).await;

    one.lock(handle, LockKind::Exclusive).await.unwrap();
    one.write(handle, b"A").await.unwrap();
    assert_eq!(two.lock(theirs, LockKind::Exclusive).await, Err(Errno::AGAIN));
    cluster.meta.expire(one.client.session().0);
    two.lock(theirs, LockKind::Exclusive).await.unwrap();
    two.write(theirs, b"B").await.unwrap();
    two.fs.fsync(theirs).await.unwrap();
    if notices {
        // A sign of life tells of the end, and the bytes grow old enough for the background.
        sleep(Duration::from_secs(10)).await;
        assert_eq!(one.waiting(), 0, "given up");
        assert_eq!(one.write(handle, b"A").await, Err(Errno::IO));
        assert_eq!(one.first(handle).await, Err(Errno::IO));
    }
    assert_eq!(one.fs.fsync(handle).await, Err(Errno::IO));
    assert_eq!(one.fs.fsync(handle).await, Err(Errno::IO), "until it is closed");
    assert_eq!(one.lock(handle, LockKind::Exclusive).await, Err(Errno::IO), "nor as if nothing had happened");
    assert_eq!(two.seen(ino).await, b'B');
    assert_eq!(one.close(handle).await, Err(Errno::IO));
    assert_eq!(one.close(bystander).await, Err(Errno::IO), "it was open when the bytes were lost");
    assert!(one.kernel.told(ino) > 0, "the kernel must not go on to show them");

    sleep(Duration::from_secs(10)).await;
    assert_eq!((one.seen(ino).await, two.seen(ino).await), (b'B', b'B'));
    two.close(theirs).await.unwrap();
    let again = one.open(ino, libc::O_RDWR).await;
    one.lock(again, LockKind::Exclusive).await.unwrap();
    one.write(again, b"C").await.unwrap();
    one.close(again).await.unwrap();
    assert_eq!(two.seen(ino).await, b'C');
}

#[tokio::test(start_paused = true)]
async fn bytes_written_under_a_lost_lock_are_given_up() {
    a_lock_is_lost(true).await;
}

#[tokio::test(start_paused = true)]
async fn bytes_written_under_a_lock_are_not_sent_in_another_session() {
    a_lock_is_lost(false).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_lock_bytes_outlive_the_session() {
    let cluster = Cluster::start(Shape::default()).await;
    let core = Core::new(&cluster, LONG).await;
    let (ino, handle) = core.make("f").await;
    // One that was given back counts no more.
    core.lock(handle, LockKind::Exclusive).await.unwrap();
    core.write(handle, b"A").await.unwrap();
    core.lock(handle, LockKind::Unlock).await.unwrap();
    core.write(handle, b"B").await.unwrap();
    cluster.meta.expire(core.client.session().0);
    core.fs.fsync(handle).await.unwrap();
    core.close(handle).await.unwrap();
    assert_eq!(core.seen(ino).await, b'B');
}

/// Refuses writes as long as it is told to.
fn away(cluster: &Cluster) -> Arc<std::sync::atomic::AtomicBool> {
    let away = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_away = away.clone();
    cluster.meta.intercept(move |command, _, _| match &command.op {
        Some(Op::Write(_)) if is_away.load(std::sync::atomic::Ordering::SeqCst) => {
            Fate::Refuse(Status::new(Code::Unavailable, "away"))
        }
        _ => Fate::Go,
    });
    away
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_given_up_takes_what_could_not_be_committed_with_it() {
    let cluster = Cluster::start(Shape::default()).await;
    let core = Core::new(&cluster, Duration::from_secs(2)).await;
    let (ino, handle) = core.make("f").await;
    core.lock(handle, LockKind::Exclusive).await.unwrap();
    let away = away(&cluster);
    core.write(handle, b"A").await.unwrap();
    core.lock(handle, LockKind::Unlock).await.unwrap();
    assert_eq!(core.waiting(), 0);
    away.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(core.fs.fsync(handle).await, Err(Errno::IO));
    core.fs.fsync(handle).await.unwrap();
    core.close(handle).await.unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(core.seen(ino).await, b'0');
}

#[tokio::test(start_paused = true)]
async fn what_close_reported_as_lost_does_not_come_later() {
    let cluster = Cluster::start(Shape::default()).await;
    let core = Core::new(&cluster, Duration::from_secs(2)).await;
    let (ino, handle) = core.make("f").await;
    let away = away(&cluster);
    core.write(handle, b"A").await.unwrap();
    assert_eq!(core.fs.fsync(handle).await, Err(Errno::IO));
    assert_eq!(core.fs.flush_handle(handle, OWNER).await, Err(Errno::IO));
    // It is there again before the kernel says that the last descriptor is gone.
    away.store(false, std::sync::atomic::Ordering::SeqCst);
    core.fs.release(handle).await;
    assert_eq!(core.waiting(), 0);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(core.seen(ino).await, b'0');
    assert!(core.kernel.told(ino) > 0, "the kernel must not go on to show it");
}

#[tokio::test(start_paused = true)]
async fn what_one_close_reported_is_tried_again_for_who_still_has_the_file_open() {
    let cluster = Cluster::start(Shape::default()).await;
    let core = Core::new(&cluster, Duration::from_secs(2)).await;
    let (ino, kept) = core.make("f").await;
    let closed = core.open(ino, libc::O_RDWR).await;
    let away = away(&cluster);
    core.write(closed, b"A").await.unwrap();
    assert_eq!(core.close(closed).await, Err(Errno::IO));
    away.store(false, std::sync::atomic::Ordering::SeqCst);
    eventually(|| core.waiting() == 0).await;
    assert_eq!(core.fs.fsync(kept).await, Err(Errno::IO), "it was open when that failed");
    core.fs.fsync(kept).await.unwrap();
    core.close(kept).await.unwrap();
    assert_eq!(core.seen(ino).await, b'A');
}

/// Written through a mapping between the close and the release, and the cluster is away: there is nobody to tell.
#[tokio::test(start_paused = true)]
async fn of_a_file_that_nobody_has_open_nothing_is_tried_twice() {
    let cluster = Cluster::start(Shape::default()).await;
    let core = Core::new(&cluster, Duration::from_secs(2)).await;
    let (ino, handle) = core.make("f").await;
    core.fs.flush_handle(handle, OWNER).await.unwrap();
    core.write(handle, b"A").await.unwrap();
    core.fs.release(handle).await;
    assert_eq!(core.seen(ino).await, b'A', "the first try");
    let handle = core.open(ino, libc::O_RDWR).await;
    core.fs.flush_handle(handle, OWNER).await.unwrap();
    core.write(handle, b"B").await.unwrap();
    let away = away(&cluster);
    core.fs.release(handle).await;
    away.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(core.waiting(), 0);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(core.seen(ino).await, b'A');
}

/// What the client last said it relies on.
fn relies_from(cluster: &Cluster, client: &Client) -> u64 {
    let state = cluster.meta.state.lock();
    let beats = state.beats.iter().rev();
    beats.into_iter().find(|beat| beat.session == client.session().0).map_or(0, |beat| beat.oldest_index)
}

#[tokio::test(start_paused = true)]
async fn an_idle_descriptor_keeps_nothing_alive() {
    let cluster = Cluster::start(Shape::default()).await;
    let (one, two) = (Core::new(&cluster, LONG).await, Core::new(&cluster, LONG).await);
    let (ino, handle) = one.make("f").await;
    one.close(handle).await.unwrap();
    for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR] {
        let handle = one.open(ino, flags).await;
        if flags != libc::O_WRONLY {
            assert_eq!(one.first(handle).await.unwrap(), b'0');
        }
        two.put(two.make(&format!("other {flags}")).await.0, b'x').await;
        let index = cluster.meta.state.lock().index;
        eventually(|| relies_from(&cluster, &one.client) >= index).await;
        // Who reads on finds everything.
        if flags != libc::O_WRONLY {
            assert_eq!(one.first(handle).await.unwrap(), b'0');
        }
        one.close(handle).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_descriptor_asks_nothing() {
    let cluster = Cluster::start(Shape::default()).await;
    let core = Core::new(&cluster, LONG).await;
    let (ino, _made) = core.make("f").await;
    let handle = core.open(ino, libc::O_RDONLY).await;
    assert_eq!(core.first(handle).await.unwrap(), b'0');
    sleep(Duration::from_secs(3)).await;
    let before = cluster.meta.state.lock().questions;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.meta.state.lock().questions, before);
}

#[tokio::test(start_paused = true)]
async fn after_a_change_of_leader_the_kernel_lets_go_of_older_pages() {
    let cluster = Cluster::start(Shape::default()).await;
    let (one, two) = (Core::new(&cluster, LONG).await, Core::new(&cluster, LONG).await);
    let (changed, made) = two.make("changed").await;
    two.close(made).await.unwrap();
    let (same, made) = two.make("same").await;
    two.close(made).await.unwrap();
    let (handle, quiet) = (one.open(changed, libc::O_RDONLY).await, one.open(same, libc::O_RDONLY).await);
    sleep(Duration::from_secs(3)).await;
    assert_eq!((one.first(handle).await.unwrap(), one.first(quiet).await.unwrap()), (b'0', b'0'));
    assert_eq!(one.kernel.told(changed), 0);
    // Nobody tells of this.
    two.put(changed, b'1').await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(one.kernel.told(changed), 0);
    cluster.meta.state.lock().terms += 1;
    eventually(|| one.kernel.told(changed) > 0).await;
    assert_eq!(one.first(handle).await.unwrap(), b'1');
    sleep(Duration::from_secs(3)).await;
    assert_eq!(one.kernel.told(same), 0, "what is the same stays");
    // And the next one.
    let told = one.kernel.told(changed);
    two.put(changed, b'2').await;
    cluster.meta.state.lock().terms += 1;
    eventually(|| one.kernel.told(changed) > told).await;
    assert_eq!(one.first(handle).await.unwrap(), b'2');
    one.close(handle).await.unwrap();
    one.close(quiet).await.unwrap();
}
