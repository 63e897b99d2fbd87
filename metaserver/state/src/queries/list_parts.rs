//! A page of an upload's parts.

use holdfast_proto::query::{ListParts, QueryReply};
use holdfast_proto::status::Code;

use crate::change::refuse;
use crate::keys;
use crate::queries::{Answer, page};
use crate::records::{self, Part, Upload};
use crate::table::View;

const MOST: usize = 10_000;

pub(crate) fn answer(view: &dyn View, ask: &ListParts) -> Answer {
    let upload: Option<Upload> = records::load(view, &keys::upload(ask.upload))?;
    let upload = upload
        .filter(|upload| !upload.ended)
        .ok_or_else(|| refuse(Code::NoSuchUpload, "there is no such upload, or it has ended"))?;
    let most = page(ask.most, MOST);
    let from = keys::next(&keys::part(ask.upload, ask.after));
    let to = keys::after_prefix(&keys::parts(ask.upload));
    let mut found = records::load_range::<Part>(view, &from, &to, most + 1)?;
    let more = found.len() > most;
    found.truncate(most);
    let parts: Vec<_> = found.into_iter().filter_map(|(_, part)| part.about).collect();
    let next = parts.last().map(|part| part.part.to_string().into()).unwrap_or_default();
    Ok(QueryReply { uploads: upload.about.into_iter().collect(), parts, more, next, ..QueryReply::default() })
}
