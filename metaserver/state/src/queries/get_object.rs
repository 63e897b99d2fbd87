//! An object by bucket and key, with conditions. Only regular files are objects.

use holdfast_proto::inode::FileKind;
use holdfast_proto::query::{GetObject, QueryReply};
use holdfast_proto::status::{Code, Status};

use crate::conditions;
use crate::dirs;
use crate::queries::{Answer, reply_inode};
use crate::table::View;

pub(crate) fn answer(view: &dyn View, ask: &GetObject) -> Answer {
    let bucket = dirs::bucket(view, &ask.bucket)?;
    dirs::check_key(&ask.key)?;
    let there = dirs::object(view, bucket, &ask.key)?.filter(|inode| inode.kind == FileKind::File as i32);
    let verdict = conditions::check(ask.conditions.as_ref(), there.as_ref());
    match (there, verdict) {
        (Some(inode), Ok(())) => reply_inode(view, inode, ask.content),
        (Some(inode), Err(status)) => {
            Ok(QueryReply { status: Some(status), ..reply_inode(view, inode, false)? })
        }
        (None, _) => Err(Status::new(Code::NotFound, "there is no such object").into()),
    }
}
