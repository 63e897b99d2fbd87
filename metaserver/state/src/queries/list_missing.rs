//! A page of what a disk lacks, with what is known of each chunk.

use holdfast_proto::ids::ChunkId;
use holdfast_proto::query::{ListMissing, QueryReply};

use crate::keys;
use crate::queries::{Answer, page};
use crate::records::{self, Chunk};
use crate::table::View;

const MOST: usize = 4096;

pub(crate) fn answer(view: &dyn View, ask: &ListMissing) -> Answer {
    let most = page(ask.most, MOST);
    let from = match (ask.after_pg, ask.after) {
        (0, _) => keys::missing_on(ask.disk),
        (pg, after) => keys::next(&keys::missing(ask.disk, pg, after)),
    };
    let to = keys::after_prefix(&keys::missing_on(ask.disk));
    let mut found = view.scan(&from, &to, most + 1)?;
    let more = found.len() > most;
    found.truncate(most);
    let mut chunks = Vec::with_capacity(found.len());
    for (key, _) in &found {
        let id = ChunkId::new(keys::u32_at(key, 5), keys::u64_at(key, 9));
        let chunk_key = keys::chunk(id);
        // Records of a disk that is leaving its group may name chunks that are gone: they are not wanted.
        if let Some(chunk) = records::load::<Chunk>(view, &chunk_key)? {
            chunks.push(super::list_chunks::described(&chunk_key, chunk));
        }
    }
    let next =
        found.last().map(|(key, _)| format!("{}/{}", keys::u32_at(key, 5), keys::u64_at(key, 9)).into());
    Ok(QueryReply { chunks, more, next: next.unwrap_or_default(), ..QueryReply::default() })
}
