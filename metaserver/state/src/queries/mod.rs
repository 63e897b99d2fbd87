//! Questions: what the state says, without changing it. One file per question.
//!
//! What always holds: the answer depends on the view alone, every listing is a page with a bound, and its cost
//! follows the page.
//!
//! [`query`] is called by the metaserver once it knows that its state is new enough, and by tests.

mod files_in;
mod get_bucket;
mod get_extents;
mod get_inode;
mod get_lock;
mod get_object;
mod get_quota;
mod get_xattr;
mod list_accounts;
mod list_audit;
mod list_buckets;
mod list_chunks;
mod list_credentials;
mod list_fragmented;
mod list_keys;
mod list_missing;
mod list_objects;
mod list_parts;
mod list_shares;
mod list_trash;
mod list_uploads;
mod list_usage;
mod list_xattr;
mod lookup;
mod read_dir;
mod resolve_path;
mod stat_fs;

use holdfast_proto::ids::LogIndex;
use holdfast_proto::inode::Inode;
use holdfast_proto::map::StorageClass;
use holdfast_proto::query::{Query, QueryReply, QueryRequest};
use holdfast_proto::status::{Code, Status};

use crate::change::Stop;
use crate::content;
use crate::keys;
use crate::records;
use crate::settings;
use crate::table::{Broken, View};

/// Extents that come with a file when its content is wanted; the rest by `GetExtents`.
const FIRST_EXTENTS: usize = 256;

/// What a question comes to.
pub(crate) type Answer = Result<QueryReply, Stop>;

/// Answers a question as of the view, whose log index is `index`. A refusal is a reply; an error means that the
/// store is broken and the node must stop.
pub fn query(view: &dyn View, index: LogIndex, request: &QueryRequest) -> Result<QueryReply, Broken> {
    let Some(asked) = &request.query else {
        let status = Status::new(Code::InvalidArgument, "the question is none this build knows");
        return Ok(QueryReply { status: Some(status), index: index.0, ..QueryReply::default() });
    };
    match dispatch(view, request.session, asked) {
        Ok(reply) => Ok(QueryReply { index: index.0, ..reply }),
        Err(Stop::Broken(broken)) => Err(broken),
        Err(Stop::Refused(refusal)) => {
            Ok(QueryReply { status: refusal.status, index: index.0, ..QueryReply::default() })
        }
    }
}

fn dispatch(view: &dyn View, session: u64, asked: &Query) -> Answer {
    match asked {
        Query::Lookup(ask) => lookup::answer(view, ask),
        Query::GetInode(ask) => get_inode::answer(view, ask),
        Query::ResolvePath(ask) => resolve_path::answer(view, ask),
        Query::GetObject(ask) => get_object::answer(view, ask),
        Query::ReadDir(ask) => read_dir::answer(view, ask),
        Query::ListObjects(ask) => list_objects::answer(view, ask),
        Query::GetExtents(ask) => get_extents::answer(view, ask),
        Query::GetXattr(ask) => get_xattr::answer(view, ask),
        Query::ListXattr(ask) => list_xattr::answer(view, ask),
        Query::ListBuckets(_) => list_buckets::answer(view),
        Query::GetBucket(ask) => get_bucket::answer(view, ask),
        Query::ListUploads(ask) => list_uploads::answer(view, ask),
        Query::ListParts(ask) => list_parts::answer(view, ask),
        Query::ListKeys(_) => list_keys::answer(view),
        Query::StatFs(_) => stat_fs::answer(view),
        Query::ListChunks(ask) => list_chunks::answer(view, ask),
        Query::ListSettings(_) => Ok(QueryReply { settings: settings::list(view)?, ..QueryReply::default() }),
        Query::ListMissing(ask) => list_missing::answer(view, ask),
        Query::ListFragmented(ask) => list_fragmented::answer(view, ask),
        Query::ListTrash(ask) => list_trash::answer(view, ask),
        Query::FilesIn(ask) => files_in::answer(view, ask),
        Query::ListAccounts(ask) => list_accounts::answer(view, ask),
        Query::ListCredentials(ask) => list_credentials::answer(view, ask),
        Query::ListShares(ask) => list_shares::answer(view, ask),
        Query::ListAudit(ask) => list_audit::answer(view, ask),
        Query::ListUsage(ask) => list_usage::answer(view, ask),
        Query::GetQuota(ask) => get_quota::answer(view, ask),
        Query::GetLock(ask) => get_lock::answer(view, session, ask),
    }
}

/// A reply that carries an inode, and the first of its content when wanted.
pub(crate) fn reply_inode(view: &dyn View, inode: Inode, wants_content: bool) -> Answer {
    let mut reply = QueryReply { class: class_of(view, &inode)?, ..QueryReply::default() };
    if wants_content && inode.inline {
        let bytes = view.get(&keys::inline(inode.ino))?;
        let lost = || Broken::Inconsistent(format!("inode {} has lost its inline content", inode.ino));
        reply.inline = Some(bytes.ok_or_else(lost)?);
    } else if wants_content && inode.extent_count > 0 {
        reply.extents = content::overlapping(view, &inode, 0, u64::MAX, FIRST_EXTENTS)?;
        reply.more = (reply.extents.len() as u64) < inode.extent_count;
        if let Some(last) = reply.extents.last().filter(|_| reply.more) {
            reply.next = last.end().to_string().into();
        }
    }
    reply.inode = Some(inode);
    Ok(reply)
}

/// The class that new content of a file, or new files in a directory, would get.
pub(crate) fn class_of(view: &dyn View, inode: &Inode) -> Result<Option<StorageClass>, Broken> {
    let wanted = if inode.class == 0 { DEFAULT_CLASS } else { inode.class };
    records::load(view, &keys::class(wanted))
}

/// The class of files whose directory names none.
pub(crate) const DEFAULT_CLASS: u32 = 1;

/// An inode as listings carry it: without extents.
pub(crate) fn listed(mut inode: Inode) -> Inode {
    inode.extents = Vec::new();
    inode
}

/// The number of entries a page may have: what is asked for, at least 1, at most `limit`.
pub(crate) fn page(asked: u32, limit: usize) -> usize {
    (asked as usize).clamp(1, limit)
}
