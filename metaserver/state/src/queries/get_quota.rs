//! The quota that an inode counts against, and how much of it is used.

use holdfast_proto::query::{self, GetQuota, QueryReply};

use crate::queries::Answer;
use crate::quotas;
use crate::table::View;
use crate::work;

pub(crate) fn answer(view: &dyn View, ask: &GetQuota) -> Answer {
    super::get_inode::load(view, ask.ino)?;
    let found = quotas::of_place(view, &work::state(view)?, ask.ino)?;
    let quota = found.map(|(id, quota)| query::Quota {
        id,
        root: quota.root,
        bytes: quota.bytes,
        files: quota.files,
        used_bytes: quota.used_bytes,
        used_files: quota.used_files,
        counting: quota.counting,
    });
    Ok(QueryReply { quota, ..QueryReply::default() })
}
