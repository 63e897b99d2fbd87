//! Links to files.

use holdfast_proto::access::Share;
use holdfast_proto::query::{ListShares, QueryReply};

use crate::keys;
use crate::queries::{Answer, page};
use crate::records;
use crate::table::View;

const MOST: usize = 1000;

pub(crate) fn answer(view: &dyn View, ask: &ListShares) -> Answer {
    if !ask.digest.is_empty() {
        let shares = records::load(view, &keys::share(&ask.digest))?.into_iter().collect();
        return Ok(QueryReply { shares, ..QueryReply::default() });
    }
    let all = keys::all(keys::SHARE);
    let from = if ask.after.is_empty() { all.clone() } else { keys::next(&ask.after) };
    let most = page(ask.most, MOST);
    let mut found =
        records::load_range::<Share>(view, from.as_ref().max(&all), &keys::after_prefix(&all), most + 1)?;
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().filter(|_| more).map(|(key, _)| key.clone()).unwrap_or_default();
    let shares = found.into_iter().map(|(_, share)| share).collect();
    Ok(QueryReply { shares, more, next, ..QueryReply::default() })
}
