//! A page of a group's chunks, in order of number (repair, fsck).

use holdfast_proto::ids::ChunkId;
use holdfast_proto::query::{ChunkEntry, ListPgChunks, QueryReply};

use crate::keys;
use crate::queries::{Answer, page};
use crate::records::{self, Chunk};
use crate::table::View;

const MOST: usize = 4096;

pub(crate) fn answer(view: &dyn View, ask: &ListPgChunks) -> Answer {
    let most = page(ask.most, MOST);
    let from = match ask.after {
        0 => keys::chunks(ask.pg),
        after => keys::next(&keys::chunk(ChunkId::new(ask.pg, after))),
    };
    let to = keys::after_prefix(&keys::chunks(ask.pg));
    let mut found = records::load_range::<Chunk>(view, &from, &to, most + 1)?;
    let more = found.len() > most;
    found.truncate(most);
    let next = found.last().map(|(key, _)| keys::chunk_of(key).number.0.to_string().into());
    let chunks = found.into_iter().map(|(key, chunk)| described(&key, chunk)).collect();
    Ok(QueryReply { chunks, more, next: next.unwrap_or_default(), ..QueryReply::default() })
}

/// A chunk record with its key, as messages carry it.
pub(crate) fn described(key: &[u8], chunk: Chunk) -> ChunkEntry {
    let id = keys::chunk_of(key);
    ChunkEntry {
        pg: id.pg.0,
        number: id.number.0,
        length: chunk.length,
        blake3: chunk.blake3,
        references: chunk.references,
        live: chunk.live,
    }
}
