//! `Ask`: a question to the metadata, answered linearizably. Everybody who waits at the same time shares one round to
//! the voters.

use holdfast_proto::query::{Query, QueryReply, QueryRequest};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;
use tokio::time::Instant;

use super::{Services, opens};
use crate::leader::leases::Leases;
use crate::leader::totals;

/// What a question is taken to weigh while it is answered.
const WEIGHT: usize = 4096;

pub(super) async fn answer(
    services: &Services,
    context: Context,
    request: QueryRequest,
) -> Result<QueryReply, Status> {
    let leader = services.leader()?;
    let _place = services.admission.enter(WEIGHT)?;
    if request.session != 0 {
        leader.sessions.lock().touch(Instant::now(), request.session);
    }
    let opening = opens::Opening::of(&request);
    if let Some(opening) = opening {
        opening.begin(services, &leader, context.deadline).await?;
    }
    let view = services.group.read_index_by(context.deadline).await?;
    if let Some(opening) = opening {
        opening.confirm(&view)?;
    }
    let long = is_long(&request);
    let lease = Leased::of(&request);
    let answer = move || holdfast_state::query(&view, view.index(), &request);
    let answered = if long {
        // Pages read many keys: not on the threads that everybody's requests run on.
        tokio::task::spawn_blocking(answer)
            .await
            .map_err(|_| Status::internal("the question was not answered"))?
    } else {
        answer()
    };
    let mut reply = answered.map_err(|broken| Status::internal(broken.to_string()))?;
    if let Some(opening) = opening.filter(|_| reply.inode.is_none()) {
        opening.undo(&leader);
    }
    if let Some(lease) = lease {
        lease.note(&leader.leases, &mut reply);
    }
    for item in &mut reply.trash {
        // The state knows uptime as of the last time it was brought into the log.
        item.left_s = item.left_s.saturating_sub(u64::from(leader.uptime.uncounted_s()));
    }
    if let Some(totals) = &mut reply.totals {
        totals::fill(&leader.cluster.lock(), totals);
    }
    Ok(reply)
}

/// A question whose asker wants to hear of changes.
struct Leased {
    session: u64,
    /// The directory asked about, or 0.
    parent: u64,
}

impl Leased {
    fn of(request: &QueryRequest) -> Option<Self> {
        let parent = match request.query.as_ref().filter(|_| request.lease)? {
            Query::Lookup(ask) => ask.parent,
            Query::GetInode(_) => 0,
            Query::ReadDir(ask) => ask.ino,
            _ => return None,
        };
        Some(Self { session: request.session, parent })
    }

    /// After the answer: what has changed since its index is noticed here.
    fn note(&self, leases: &Leases, reply: &mut QueryReply) {
        let listed = reply.entries.iter().filter_map(|entry| entry.inode.as_ref());
        let inodes = reply.inode.iter().chain(listed).map(|inode| inode.ino);
        let told = inodes.chain([self.parent]).filter(|ino| *ino != 0);
        if leases.grant(self.session, reply.index, told) {
            reply.lease_term = leases.term();
        }
    }
}

fn is_long(request: &QueryRequest) -> bool {
    matches!(
        request.query,
        Some(
            Query::ReadDir(_)
                | Query::ListObjects(_)
                | Query::GetExtents(_)
                | Query::ListUploads(_)
                | Query::ListParts(_)
                | Query::ListChunks(_)
                | Query::ListMissing(_)
                | Query::ListFragmented(_)
                | Query::ListTrash(_)
                | Query::FilesIn(_)
                | Query::ListCredentials(_)
                | Query::ListShares(_)
                | Query::ListAudit(_)
                | Query::ListUsage(_)
        )
    )
}
