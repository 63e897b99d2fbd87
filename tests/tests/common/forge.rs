//! Changing an entry of the audit log behind the cluster's back: in the table of a metaserver that is stopped.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use rocksdb::{DB, Options};

/// Tag of the log's entries in the table (`audit` of the state's keys).
const AUDIT: u8 = b'4';

/// Puts `forged` in the place of `original`, which must be as long, in the first entry whose bytes have it. The number of
/// that entry.
pub(crate) fn forge(data: &Path, original: &[u8], forged: &[u8]) -> Result<u64> {
    ensure!(original.len() == forged.len(), "lengths are part of what is kept");
    let state = data.join("meta/state");
    let mut tables: Vec<_> = std::fs::read_dir(&state)
        .with_context(|| format!("list {}", state.display()))?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    tables.sort();
    let table = tables.last().context("the metaserver has no table")?;
    let options = Options::default();
    let families = DB::list_cf(&options, table).context("list the table's families")?;
    let db = DB::open_cf(&options, table, &families).context("open the table")?;
    let family = db.cf_handle("default").context("the table has no state")?;
    for seq in 1..10_000u64 {
        let key = [&[AUDIT][..], &seq.to_be_bytes()].concat();
        let Some(mut value) = db.get_cf(family, &key)? else { continue };
        let found = value.windows(original.len()).position(|window| window == original);
        let Some(at) = found else { continue };
        value.splice(at..at + forged.len(), forged.iter().copied());
        db.put_cf(family, &key, &value)?;
        db.flush_cf(family)?;
        return Ok(seq);
    }
    anyhow::bail!("no entry has {:?}", String::from_utf8_lossy(original))
}
