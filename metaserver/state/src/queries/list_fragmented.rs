//! A page of the files that workers should look at.

use bytes::Bytes;
use holdfast_proto::query::{ListFragmented, QueryReply};

use crate::keys;
use crate::queries::{Answer, page};
use crate::table::View;

const MOST: usize = 1000;
/// Most records that are looked at for a page, whosever they are.
const LOOKED_AT: usize = 10_000;

pub(crate) fn answer(view: &dyn View, ask: &ListFragmented) -> Answer {
    let most = page(ask.most, MOST);
    let shares = u64::from(ask.shares.max(1));
    let (tag, key) = match ask.converting {
        true => (keys::CONVERTING, keys::converting as fn(u64) -> Bytes),
        false => (keys::FRAGMENTED, keys::fragmented as fn(u64) -> Bytes),
    };
    let from = match ask.after {
        0 => keys::all(tag),
        after => keys::next(&key(after)),
    };
    let to = keys::after_prefix(&[tag]);
    let limit = most.saturating_mul(2 * shares as usize).clamp(most + 1, LOOKED_AT);
    let found = view.scan(&from, &to, limit)?;
    let all = found.iter().map(|(key, _)| keys::u64_at(key, 1));
    let mut inos: Vec<u64> = all.filter(|ino| ino % shares == u64::from(ask.share)).take(most + 1).collect();
    let more = inos.len() > most || found.len() == limit;
    let whole = inos.len() <= most;
    inos.truncate(most);
    let looked_at = found.last().map(|(key, _)| keys::u64_at(key, 1)).filter(|_| whole);
    let next = looked_at.or(inos.last().copied()).filter(|_| more);
    let next = next.map(|ino| ino.to_string().into()).unwrap_or_default();
    Ok(QueryReply { inos, more, next, ..QueryReply::default() })
}
