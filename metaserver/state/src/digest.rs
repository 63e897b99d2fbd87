//! A digest of the whole state: equal states have equal digests, on every member and for every batching.

use crate::table::{Broken, View};

const PAGE: usize = 4096;

/// BLAKE3 over every entry in order, with lengths, and the number of entries.
pub fn digest(view: &dyn View) -> Result<([u8; 32], u64), Broken> {
    let mut hasher = blake3::Hasher::new();
    let mut from = bytes::Bytes::new();
    let mut records = 0;
    loop {
        let page = view.scan(&from, &[0xff], PAGE)?;
        for (key, value) in &page {
            hasher.update(&(key.len() as u32).to_be_bytes());
            hasher.update(key);
            hasher.update(&(value.len() as u32).to_be_bytes());
            hasher.update(value);
        }
        records += page.len() as u64;
        match page.last() {
            Some((last, _)) if page.len() == PAGE => from = crate::keys::next(last),
            _ => return Ok((*hasher.finalize().as_bytes(), records)),
        }
    }
}
