//! One file: finds content that lies in chunks of another class, writes it into chunks of the file's class, swaps them
//! in. Page by page, so that memory is bounded.
//!
//! What always holds:
//! - Old chunks stay until the command that names their successors, and that one is sent only when every member of the
//!   new groups has its copy or shard and has read it back from its disk: redundancy is never lower than before.
//! - Bytes are checked when they are read, and every member checks what it is given.

use holdfast_client::{Client, ClientError, Content, ExtentPage};
use holdfast_proto::ids::{ClassId, Ino};
use holdfast_proto::inode::{self, Extent};
use holdfast_proto::map::{StorageClass, redundancy::Kind};
use holdfast_proto::op::{Compact, Op, Piece};

use crate::files::Done;
use crate::metrics::METRICS;
use crate::pace::Pace;

/// Chunks of the new class that one command brings at most: bounds memory, and what is read in vain when somebody writes
/// to the file.
const CHUNKS: u64 = 4;
/// Most extents of a window: the command names each.
const MOST: usize = 500;

/// Converts what is to be converted in a file.
pub(crate) async fn file(client: &Client, ino: u64, pace: &mut Pace) -> Result<Done, ClientError> {
    let (mut at, mut done) = (Some(0), Done::default());
    while let Some(from) = at {
        let page = client.extents(Ino(ino), from).await?;
        let class = client.class(page.class()).await?;
        if from == 0 {
            (done.version, done.class) = (page.inode().version, class.id);
        }
        for window in windows(client, &page, &class).await? {
            pace.wait_for(bytes(&window)).await;
            match convert(client, ino, &page, &class, &window).await {
                Ok(true) => done.changed += window.len() as u64,
                Ok(false) => done.left += 1,
                Err(error) => {
                    METRICS.failures.inc();
                    tracing::info!(ino, offset = from_of(&window), %error, "content could not be converted");
                    done.left += 1;
                }
            }
        }
        at = page.next();
    }
    Ok(done)
}

fn from_of(window: &[Extent]) -> u64 {
    window.first().map_or(0, |first| first.offset)
}

fn bytes(window: &[Extent]) -> u64 {
    window.last().map_or(0, Extent::end) - from_of(window)
}

/// Neighbours that lie in chunks of another class.
async fn windows(
    client: &Client,
    page: &ExtentPage,
    class: &StorageClass,
) -> Result<Vec<Vec<Extent>>, ClientError> {
    let mut misplaced = Vec::new();
    for extent in page.extents().iter().filter(|extent| extent.inline.is_none()) {
        let of = client.class_of_group(extent.pg).await?;
        if !of.is_some_and(|of| stays(class, of, extent.chunk_bytes)) {
            misplaced.push(extent.clone());
        }
    }
    Ok(gather(misplaced, class.chunk_bytes.saturating_mul(CHUNKS)))
}

fn gather(misplaced: Vec<Extent>, most_bytes: u64) -> Vec<Vec<Extent>> {
    let mut windows: Vec<Vec<Extent>> = Vec::new();
    for extent in misplaced {
        match windows.last_mut() {
            Some(window)
                if window.last().is_some_and(|last| last.end() == extent.offset)
                    && bytes(window) + extent.length <= most_bytes
                    && window.len() < MOST =>
            {
                window.push(extent);
            }
            _ => windows.push(vec![extent]),
        }
    }
    windows
}

/// Whether a chunk is where a file of `class` wants it: in that class, or in its companion if it is too short for shards.
fn stays(class: &StorageClass, of: ClassId, chunk_bytes: u64) -> bool {
    let short = match class.redundancy.and_then(|redundancy| redundancy.kind) {
        Some(Kind::Erasure(shape)) => u64::from(shape.data.max(1) - 1) * shape.cell_bytes,
        Some(Kind::Replicated(_)) | None => 0,
    };
    of.0 == class.id || (of.0 == class.companion && chunk_bytes <= short)
}

/// Lengths of the chunks into which `length` bytes go: as even as whole stripes allow, so that none is too short.
fn cut(class: &StorageClass, length: u64) -> Vec<u64> {
    let stripe = match class.redundancy.and_then(|redundancy| redundancy.kind) {
        Some(Kind::Erasure(shape)) => u64::from(shape.data) * shape.cell_bytes,
        Some(Kind::Replicated(_)) | None => 4096,
    };
    let most = class.chunk_bytes.max(1);
    let each = length.div_ceil(length.div_ceil(most)).next_multiple_of(stripe.max(1)).min(most);
    let mut left = length;
    let mut parts = Vec::new();
    while left > 0 {
        parts.push(each.min(left));
        left -= each.min(left);
    }
    parts
}

/// False: somebody changed the window meanwhile, or no group of the class took it whole.
async fn convert(
    client: &Client,
    ino: u64,
    page: &ExtentPage,
    class: &StorageClass,
    window: &[Extent],
) -> Result<bool, ClientError> {
    let mut data = page.read(from_of(window), bytes(window)).await?;
    let mut stored = Vec::new();
    for length in cut(class, bytes(window)) {
        let chunk = client.store_chunk(class, data.split_to(length as usize)).await?;
        let of = client.class_of_group(chunk.group()).await?;
        if !of.is_some_and(|of| stays(class, of, length)) {
            return Ok(false);
        }
        stored.push(chunk);
    }
    let content = Content::of_chunks(ClassId(class.id), stored);
    let replaced = client.replace(content, |content| Op::Compact(command(ino, window, &content))).await?;
    if replaced.is_some() {
        METRICS.converted.inc_by(bytes(window));
    }
    Ok(replaced.is_some())
}

fn command(ino: u64, window: &[Extent], content: &inode::Content) -> Compact {
    let mut offset = from_of(window);
    let mut pieces = Vec::new();
    for extent in &content.extents {
        pieces.push(Piece { offset, length: extent.length, source: Some(extent.clone()) });
        offset += extent.length;
    }
    Compact { ino, expected: window.to_vec(), chunks: content.chunks.clone(), pieces, ..Compact::default() }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{Erasure, Redundancy};

    use super::*;

    const CELL: u64 = 256 << 10;

    fn coded(data: u32) -> StorageClass {
        let shape = Erasure { data, parity: 2, cell_bytes: CELL };
        let stripe = u64::from(data) * CELL;
        StorageClass {
            id: 7,
            companion: 1,
            redundancy: Some(Redundancy { kind: Some(Kind::Erasure(shape)) }),
            chunk_bytes: (8 << 20) / stripe * stripe,
            ..StorageClass::default()
        }
    }

    #[test]
    fn short_chunks_stay_in_the_companion() {
        let class = coded(4);
        assert!(stays(&class, ClassId(7), 1));
        assert!(stays(&class, ClassId(1), 3 * CELL));
        assert!(!stays(&class, ClassId(1), 3 * CELL + 1));
        assert!(!stays(&class, ClassId(3), 1));
    }

    #[test]
    fn nothing_is_cut_too_short() {
        for data in [2, 3, 4, 8] {
            let class = coded(data);
            for length in [1, CELL, 8 << 20, (8 << 20) + 1, 9 << 20, 31 << 20, 32 << 20] {
                let parts = cut(&class, length);
                assert_eq!(parts.iter().sum::<u64>(), length);
                assert!(parts.iter().all(|part| *part <= class.chunk_bytes));
                let long = length > class.chunk_bytes;
                assert!(!long || parts.iter().all(|part| *part >= 2 * CELL), "{data} {length}: {parts:?}");
            }
        }
    }

    #[test]
    fn windows_are_neighbours_and_bounded() {
        let extent = |offset: u64, length: u64| Extent { offset, length, ..Extent::default() };
        let found = gather(vec![extent(0, 4), extent(4, 4), extent(9, 4), extent(13, 8), extent(21, 1)], 8);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 1]);
    }
}
