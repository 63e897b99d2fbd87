//! One file: finds windows, writes each as one chunk, swaps it in. Page by page, so that memory is bounded and what
//! dies meanwhile elsewhere is not kept for long.

use std::sync::Arc;

use holdfast_client::{Client, ClientError, Content, ExtentPage};
use holdfast_proto::ids::{ClassId, Ino};
use holdfast_proto::inode;
use holdfast_proto::map::StorageClass;
use holdfast_proto::op::{Compact, Op, Piece};

use crate::files::Done;
use crate::metrics::METRICS;
use crate::pace::Pace;
use crate::plan::{Planner, Window};

/// Joins what is worth it in a file.
pub(crate) async fn file(client: &Client, ino: u64, pace: &mut Pace) -> Result<Done, ClientError> {
    let (mut at, mut done) = (Some(0), Done::default());
    while let Some(from) = at {
        let page = client.extents(Ino(ino), from).await?;
        let class = client.class(page.class()).await?;
        if from == 0 {
            (done.version, done.class) = (page.inode().version, class.id);
        }
        for window in windows(&page, class.chunk_bytes) {
            pace.wait_for(window.bytes()).await;
            match join(client, ino, &page, &class, &window).await {
                Ok(true) => done.changed += window.extents.len() as u64 - 1,
                Ok(false) => done.left += 1,
                // Others may do better.
                Err(error) => {
                    METRICS.failures.inc();
                    tracing::info!(ino, offset = window.from(), %error, "small extents could not be joined");
                    done.left += 1;
                }
            }
        }
        at = page.next();
    }
    Ok(done)
}

fn windows(page: &ExtentPage, chunk_bytes: u64) -> Vec<Window> {
    let mut planner = Planner::new(chunk_bytes);
    let mut found: Vec<Window> =
        page.extents().iter().filter_map(|extent| planner.push(extent.clone())).collect();
    found.extend(planner.finish());
    found
}

/// False: somebody changed the window meanwhile, or not every member took the chunk.
async fn join(
    client: &Client,
    ino: u64,
    page: &ExtentPage,
    class: &Arc<StorageClass>,
    window: &Window,
) -> Result<bool, ClientError> {
    let bytes = page.read(window.from(), window.bytes()).await?;
    let stored = client.store_chunk(class, bytes).await?;
    let content = Content::of_chunks(ClassId(class.id), vec![stored]);
    // Only when every member has it: the old extents may have more copies than new data needs.
    let replaced = client.replace(content, |content| Op::Compact(command(ino, window, &content))).await?;
    if replaced.is_some() {
        METRICS.extents.inc_by(window.extents.len() as u64 - 1);
        METRICS.bytes.inc_by(window.bytes());
    }
    Ok(replaced.is_some())
}

fn command(ino: u64, window: &Window, content: &inode::Content) -> Compact {
    let source = content.extents.first().cloned();
    let piece = Piece { offset: window.from(), length: window.bytes(), source };
    Compact {
        ino,
        expected: window.extents.clone(),
        chunks: content.chunks.clone(),
        pieces: vec![piece],
        ..Compact::default()
    }
}
