//! Deleting on the leader's order.
//!
//! What always holds: an order is checked under the map at least as new as it; the answer means durable tombstones;
//! a whole group is never deleted on a disk that is a member of it.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_proto::chunk::{DeleteChunks, DeleteReply};
use holdfast_proto::ids::PgId;
use holdfast_proto::status::{Code, Status};
use holdfast_rpc::Context;

use super::Inner;

const MOST_NUMBERS: usize = 10_000;

pub(super) async fn delete(
    inner: Arc<Inner>,
    context: Context,
    request: DeleteChunks,
) -> Result<(DeleteReply, Bytes), Status> {
    let disk = inner.disk(request.disk, false)?;
    if request.numbers.len() > MOST_NUMBERS || (request.whole_pg && !request.numbers.is_empty()) {
        let why = format!("a delete names at most {MOST_NUMBERS} chunks, or none and the whole group");
        return Err(Status::new(Code::InvalidArgument, why));
    }
    let pg = request.pg;
    let order = inner.orders.check(request.order, pg, &disk, &inner.map, context.deadline).await?;
    let store = disk.store()?;
    if !request.whole_pg {
        let deleted = store.delete(PgId(pg), order.pg_epoch, request.numbers).await?;
        return Ok((DeleteReply { deleted }, Bytes::new()));
    }
    if inner.map.membership(pg, disk.id(), disk.incarnation()).is_ok() {
        let why = format!("{} is a member of pg{pg}: its records stay", disk.id());
        return Err(Status::new(Code::PreconditionFailed, why));
    }
    let deleted = count(store, pg).await?;
    // Nothing there: nothing that a tombstone could kill.
    if deleted > 0 {
        store.delete_group(PgId(pg), order.pg_epoch).await?;
    }
    Ok((DeleteReply { deleted }, Bytes::new()))
}

async fn count(store: &crate::store::Store, pg: u32) -> Result<u64, Status> {
    let store = store.clone();
    let counted = tokio::task::spawn_blocking(move || {
        let (mut total, mut after) = (0, None);
        loop {
            let page = store.list(pg, after, MOST_NUMBERS)?;
            total += page.entries.len() as u64;
            after = page.entries.last().map(|record| record.number);
            if !page.more {
                return Ok::<_, crate::error::StoreError>(total);
            }
        }
    });
    Ok(counted.await.map_err(|error| Status::internal(format!("count records: {error}")))??)
}
