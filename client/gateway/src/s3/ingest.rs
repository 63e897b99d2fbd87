//! Takes a body into the store: written and hashed at the same time, checked before anything can see it.

use bytes::Bytes;
use holdfast_proto::inode::ObjectChecksum;
use http::HeaderMap;
use s3s::S3Result;

use crate::body::checksum::{self, Algorithm};
use crate::body::digest::{Digester, Digests};
use crate::body::upload::Upload;
use crate::error;
use crate::store::{Store, Written};

/// A body that is durable and is what the client said it is, but that nothing refers to yet.
pub(super) struct Taken {
    pub(super) written: Box<dyn Written>,
    pub(super) etag: String,
    pub(super) checksums: Vec<ObjectChecksum>,
}

/// What the headers say about the body.
struct Said {
    md5: Option<[u8; 16]>,
    given: Option<checksum::Given>,
    in_trailer: Option<Algorithm>,
}

impl Said {
    fn read(headers: &HeaderMap) -> S3Result<Self> {
        checksum::check_announced(headers)?;
        let said = Self {
            md5: checksum::content_md5(headers)?,
            given: checksum::given(headers)?,
            in_trailer: checksum::in_trailer(headers),
        };
        if said.given.is_some() && said.in_trailer.is_some() {
            return Err(checksum::ChecksumError::Several.into());
        }
        Ok(said)
    }

    fn algorithm(&self) -> Option<Algorithm> {
        self.given.as_ref().map(|g| g.algorithm).or(self.in_trailer)
    }
}

/// Where a body goes.
pub(super) struct Destination<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) bucket: &'a str,
    pub(super) key: &'a [u8],
    /// 0: what the key's directory hands down.
    pub(super) class: u32,
    /// Computed even if the client gives no value (the checksum of a multipart upload).
    pub(super) algorithm: Option<Algorithm>,
    /// Longest body, in bytes.
    pub(super) most: u64,
}

/// Reads the whole body into the store. On an error nothing of it can ever be seen.
pub(super) async fn take(to: Destination<'_>, upload: &mut Upload, headers: &HeaderMap) -> S3Result<Taken> {
    let said = Said::read(headers)?;
    if upload.length() > to.most {
        return Err(error::refuse(
            "EntityTooLarge",
            http::StatusCode::BAD_REQUEST,
            "your proposed upload exceeds the maximum allowed size",
        ));
    }
    let mut algorithms: Vec<Algorithm> = said.algorithm().into_iter().collect();
    algorithms.extend(to.algorithm.filter(|a| !algorithms.contains(a)));

    let sink = to.store.create(to.bucket, to.key, to.class, upload.length()).await;
    let mut sink = sink.map_err(|status| error::from_status(&status))?;
    let mut digester = Digester::new(&algorithms, upload.expected_sha256().is_some());
    while let Some(data) = upload.next().await? {
        let (hashed, written) = futures::join!(digester.push(Bytes::clone(&data)), sink.write(data));
        hashed?;
        written.map_err(|status| error::from_status(&status))?;
    }
    let (written, digests) = futures::join!(sink.finish(), digester.finish());
    let digests = digests?;
    check(&said, upload, &digests)?;
    let written = written.map_err(|status| error::from_status(&status))?;
    let checksums = digests.extra.iter().map(|(a, value)| checksum::stored(*a, value, true)).collect();
    Ok(Taken { written, etag: digests.etag(), checksums })
}

fn check(said: &Said, upload: &Upload, digests: &Digests) -> S3Result<()> {
    let in_trailer = match said.in_trailer {
        Some(_) => checksum::given(upload.trailer())?,
        None => None,
    };
    let given = said.given.as_ref().or(in_trailer.as_ref());
    Ok(digests.check(upload.expected_sha256(), said.md5.as_ref(), given)?)
}
