//! Files that others never stop changing, and files that are mostly holes. The core without the kernel, on a cluster in
//! memory.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../../tests/fakes/mod.rs"]
mod fakes;

use std::time::Duration;

use bytes::Bytes;
use fakes::{BUCKET, Cluster, Shape, create_bucket};
use holdfast_client::{Client, DEFAULT_CLASS};
use holdfast_mount::MountConfig;
use holdfast_mount::errno::Errno;
use holdfast_mount::fs::{Caller, Fs, NewNode, Whence, WriteAt};
use holdfast_proto::inode::{Content, Extent, FileKind};
use holdfast_proto::op::{Op, Piece, SetAttr, Write};
use tokio::time::{Instant, sleep};

/// Length of an extent.
const LENGTH: u64 = 512;

/// More of them than come with the answer to an open, in one page.
const EXTENTS: u64 = 600;

/// How long what was read may be kept.
const KEPT: Duration = Duration::from_millis(20);

/// An extent and the hole behind it.
const STEP: u64 = 2 * LENGTH;

async fn mount(cluster: &Cluster) -> (Client, Fs, u64) {
    let client = cluster.client_with(|config| config.holds_files = true).await;
    client.mutate(create_bucket()).await.unwrap();
    let top = client.stat(&format!("/{BUCKET}")).await.unwrap().ino;
    let config =
        MountConfig { io_deadline: Duration::from_secs(20), attr_ttl: KEPT, ..MountConfig::default() };
    let fs = Fs::new(&client, config).unwrap();
    (client, fs, top)
}

/// Makes a file: its inode and an open handle.
async fn make(fs: &Fs, top: u64) -> (u64, u64) {
    let node = NewNode::plain(FileKind::File, 0o644, 0);
    let opened = fs.create(Caller::default(), top, b"file", node, libc::O_RDWR).await.unwrap();
    (opened.attr.ino, opened.handle)
}

/// Writes extents with holes between them, as another client.
async fn scatter(other: &Client, ino: u64) {
    let class = other.class(DEFAULT_CLASS).await.unwrap();
    for first in (0..EXTENTS).step_by(100) {
        let stored = other.store_chunk(&class, Bytes::from(vec![7; 100 * LENGTH as usize])).await.unwrap();
        let write = |content: Content| {
            let chunk = content.extents.first().cloned().unwrap_or_default();
            let piece = |n| {
                let source = Extent { chunk_offset: n * LENGTH, ..chunk.clone() };
                Piece { offset: (first + n) * STEP, length: LENGTH, source: Some(source) }
            };
            let pieces = (0..100).map(piece).collect();
            Op::Write(Write { ino, chunks: content.chunks, pieces, ..Write::default() })
        };
        other.commit(holdfast_client::Content::of_chunks(DEFAULT_CLASS, vec![stored]), write).await.unwrap();
    }
}

/// Changes the file's first byte as fast as it can.
async fn disturb(other: Client, ino: u64) {
    for byte in 0u8.. {
        let source = Extent { inline: Some(Bytes::copy_from_slice(&[byte])), ..Extent::default() };
        let pieces = vec![Piece { offset: 0, length: 1, source: Some(source) }];
        other.mutate(Op::Write(Write { ino, pieces, ..Write::default() })).await.unwrap();
        sleep(Duration::from_micros(1)).await;
        if byte == u8::MAX {
            return Box::pin(disturb(other, ino)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_others_never_stop_changing_is_read_and_searched() {
    let cluster = Cluster::start(Shape::default()).await;
    let (_client, fs, top) = mount(&cluster).await;
    let (ino, handle) = make(&fs, top).await;
    let other = cluster.client_with(|_| {}).await;
    scatter(&other, ino).await;
    sleep(Duration::from_secs(2)).await;
    let writers: Vec<_> = (0..12).map(|_| tokio::spawn(disturb(other.clone(), ino))).collect();
    for number in 0..40u64 {
        let at = (EXTENTS - 1 - number * 7) * STEP;
        let began = Instant::now();
        let pieces = fs.read(handle, at, LENGTH + 1).await.unwrap();
        let expected = [&[7; LENGTH as usize][..], &[0]].concat();
        let whole = at + STEP <= fs.getattr(ino).await.unwrap().size;
        pieces.with(|bytes| assert_eq!(bytes, &expected[..LENGTH as usize + usize::from(whole)]));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert_eq!(fs.seek(handle, at, Whence::Data).await, Ok(at));
        assert_eq!(fs.seek(handle, at, Whence::Hole).await, Ok(at + LENGTH));
        sleep(KEPT).await;
    }
    writers.iter().for_each(|writer| writer.abort());
}

#[tokio::test(start_paused = true)]
async fn a_long_hole_costs_no_time() {
    const FAR: u64 = 1 << 50;
    let cluster = Cluster::start(Shape::default()).await;
    let (client, fs, top) = mount(&cluster).await;
    let (ino, handle) = make(&fs, top).await;
    let size = SetAttr { ino, size: Some(2 * FAR), ..SetAttr::default() };
    client.mutate(Op::SetAttr(size)).await.unwrap();
    // Enough of them that those before are folded.
    for number in 0..100u64 {
        let at = WriteAt { offset: FAR + number * STEP, ..WriteAt::default() };
        fs.write(handle, Bytes::from_static(b"small"), at, false).await.unwrap();
        fs.fsync(handle).await.unwrap();
    }
    assert_eq!(fs.seek(handle, 0, Whence::Data).await, Ok(FAR));
    assert_eq!(fs.seek(handle, FAR, Whence::Hole).await, Ok(FAR + 5));
    assert_eq!(fs.seek(handle, FAR + 99 * STEP + 5, Whence::Data).await, Err(Errno::NXIO));
    assert_eq!(fs.seek(handle, FAR + 99 * STEP, Whence::Hole).await, Ok(FAR + 99 * STEP + 5));
    assert_eq!(fs.seek(handle, 2 * FAR, Whence::Hole).await, Err(Errno::NXIO));
    let read = fs.read(handle, FAR + 50 * STEP, 6).await.unwrap();
    read.with(|bytes| assert_eq!(bytes, b"small\0"));
}
