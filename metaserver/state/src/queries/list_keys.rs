//! All access keys, secrets included: gateways ask this.

use holdfast_proto::op::PutKey;
use holdfast_proto::query::QueryReply;

use crate::keys;
use crate::queries::Answer;
use crate::records;
use crate::table::View;

/// More keys than this are not handed out in one answer.
const MOST: usize = 10_000;

pub(crate) fn answer(view: &dyn View) -> Answer {
    let found = records::load_range::<PutKey>(
        view,
        &[keys::ACCESS_KEY],
        &keys::after_prefix(&[keys::ACCESS_KEY]),
        MOST,
    )?;
    let keys = found.into_iter().map(|(_, key)| key).collect();
    Ok(QueryReply { keys, ..QueryReply::default() })
}
