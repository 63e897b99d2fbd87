//! A page of a bucket's multipart uploads under way, by key and then by upload.

use holdfast_proto::query::{ListUploads, QueryReply};

use crate::dirs;
use crate::keys;
use crate::queries::{Answer, page};
use crate::records::{self, Upload};
use crate::table::{Broken, View};

const MOST: usize = 1000;

pub(crate) fn answer(view: &dyn View, ask: &ListUploads) -> Answer {
    let bucket = dirs::bucket(view, &ask.bucket)?;
    let most = page(ask.most, MOST);
    let prefix = keys::upload_keys(bucket, &ask.prefix);
    let behind = match (ask.after_key.is_empty(), ask.after_upload) {
        (true, _) => prefix.clone(),
        (false, 0) => keys::next(&keys::upload_key(bucket, &ask.after_key, u64::MAX)),
        (false, upload) => keys::next(&keys::upload_key(bucket, &ask.after_key, upload)),
    };
    let from = behind.max(prefix.clone());
    let mut found = view.scan(&from, &keys::after_prefix(&prefix), most + 1)?;
    let more = found.len() > most;
    found.truncate(most);
    let mut uploads = Vec::with_capacity(found.len());
    for (key, _) in &found {
        let id = keys::u64_at(key, key.len().saturating_sub(8));
        let upload: Option<Upload> = records::load(view, &keys::upload(id))?;
        let mut about = upload
            .and_then(|upload| upload.about)
            .ok_or_else(|| Broken::Inconsistent(format!("upload {id} is listed but missing")))?;
        about.bucket = ask.bucket.clone();
        uploads.push(about);
    }
    let next = uploads.last().map(|upload| upload.key.clone()).unwrap_or_default();
    Ok(QueryReply { uploads, more, next, ..QueryReply::default() })
}
