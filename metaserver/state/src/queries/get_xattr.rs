//! An extended attribute.

use holdfast_proto::query::{GetXattr, QueryReply};
use holdfast_proto::status::Code;

use crate::change::refuse;
use crate::keys;
use crate::queries::Answer;
use crate::table::View;

pub(crate) fn answer(view: &dyn View, ask: &GetXattr) -> Answer {
    super::get_inode::load(view, ask.ino)?;
    let value = view.get(&keys::xattr(ask.ino, &ask.name))?;
    let value = value.ok_or_else(|| refuse(Code::NoAttribute, "there is no such attribute"))?;
    Ok(QueryReply { value: Some(value), ..QueryReply::default() })
}
