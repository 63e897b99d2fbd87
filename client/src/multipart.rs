//! Multipart uploads, and files too large for one command, which go the same way.
//!
//! What always holds: every step can be repeated, also by another process, because steps say which list of parts
//! they belong to; nothing is visible before the last one. ETags are the caller's business.

use bytes::Bytes;
use holdfast_proto::ids::UploadId;
use holdfast_proto::inode::ObjectChecksum;
use holdfast_proto::op::{
    AbortUpload, AssembleUpload, Conditions, CreateUpload, FinishUpload, NamedPart, Op, PutPart, Reply,
};
use holdfast_proto::status::{Code, Status};

use crate::client::Client;
use crate::error::ClientError;
use crate::write::content::Content;

/// Parts named in one step. A part of up to 1,000 extents may need several steps, so small lists suffice.
const PARTS_PER_STEP: usize = 256;

/// Steps without a whole part taken after which something is wrong.
const MOST_IDLE_STEPS: u32 = 10_000;

/// One part to put.
#[derive(Clone, Debug, Default)]
pub struct PartInfo {
    /// Part number, 1 to 10,000.
    pub part: u32,
    /// MD5 in hex.
    pub etag: String,
    /// Verified checksums.
    pub checksums: Vec<ObjectChecksum>,
}

/// What completes an upload.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// The parts in ascending order.
    pub parts: Vec<NamedPart>,
    /// ETag of the whole, `md5-of-md5s-N`.
    pub etag: String,
    /// Checksums of the whole.
    pub checksums: Vec<ObjectChecksum>,
    /// Conditions on what is there.
    pub conditions: Option<Conditions>,
    /// Enters the digest of the list. A completion sent again is answered only with the same scope, so a door that
    /// puts a secret of the upload here lets nobody ask after another one's.
    pub scope: String,
}

impl Client {
    /// Begins an upload.
    pub async fn create_upload(&self, upload: CreateUpload) -> Result<UploadId, ClientError> {
        Ok(UploadId(self.mutate(Op::CreateUpload(upload)).await?.id))
    }

    /// Puts one part. A part put again replaces the earlier one.
    pub async fn put_part(
        &self,
        upload: UploadId,
        info: PartInfo,
        content: Content,
    ) -> Result<Reply, ClientError> {
        let build = move |content| {
            Op::PutPart(PutPart {
                upload: upload.0,
                part: info.part,
                content: Some(content),
                etag: info.etag.clone(),
                checksums: info.checksums.clone(),
            })
        };
        self.commit(content, build).await
    }

    /// Joins the parts in steps and makes the object visible. Each step has the client's time limit of its own.
    pub async fn complete_upload(&self, upload: UploadId, done: Completion) -> Result<Reply, ClientError> {
        let list_digest = list_digest(&done.scope, &done.parts);
        let total = done.parts.len();
        let mut taken = 0;
        // A resumed completion begins at its own first part: steps already taken are answered at once.
        let mut restart = true;
        let mut idle_steps = 0u32;
        while taken < total {
            let upto = (taken + PARTS_PER_STEP).min(total);
            let step = AssembleUpload {
                upload: upload.0,
                parts: done.parts.get(taken..upto).unwrap_or_default().to_vec(),
                restart,
                list_digest: list_digest.clone(),
                last: upto == total,
            };
            let reply = match self.mutate(Op::AssembleUpload(step)).await {
                Ok(reply) => reply,
                // Perhaps it was completed already by this very list: then the last step answers once more.
                Err(ClientError::Refused(status)) if status.kind() == Code::NoSuchUpload => break,
                Err(error) => return Err(error),
            };
            let progress = usize::try_from(reply.progress).unwrap_or(usize::MAX).min(total);
            if progress < taken {
                return Err(ClientError::Refused(Status::internal(format!(
                    "assembling {upload} went back from part {taken} to {progress}"
                ))));
            }
            // A part of very many extents is taken over several steps, but not over endless ones.
            idle_steps = if progress > taken { 0 } else { idle_steps + 1 };
            if idle_steps > MOST_IDLE_STEPS {
                return Err(ClientError::Refused(Status::internal(format!(
                    "assembling {upload} does not get on"
                ))));
            }
            taken = progress;
            restart = false;
        }
        let finish = FinishUpload {
            upload: upload.0,
            list_digest,
            etag: done.etag,
            checksums: done.checksums,
            conditions: done.conditions,
            unheld: None,
        };
        self.mutate(Op::FinishUpload(finish)).await
    }

    /// Gives an upload up.
    pub async fn abort_upload(&self, upload: UploadId) -> Result<(), ClientError> {
        self.mutate(Op::AbortUpload(AbortUpload { upload: upload.0, untouched_since_s: None }))
            .await
            .map(drop)
    }
}

/// Tells one list of parts from another: BLAKE3 over the scope, numbers and ETags.
pub fn list_digest(scope: &str, parts: &[NamedPart]) -> Bytes {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(scope.len() as u64).to_be_bytes());
    hasher.update(scope.as_bytes());
    for part in parts {
        hasher.update(&part.part.to_be_bytes());
        hasher.update(&(part.etag.len() as u64).to_be_bytes());
        hasher.update(part.etag.as_bytes());
    }
    Bytes::copy_from_slice(hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_differ_in_number_etag_and_length() {
        let part = |part, etag: &str| NamedPart { part, etag: etag.to_owned() };
        let digest = |parts: &[NamedPart]| list_digest("", parts);
        assert_eq!(digest(&[part(1, "a")]), digest(&[part(1, "a")]));
        assert_ne!(digest(&[part(1, "a")]), list_digest("s", &[part(1, "a")]));
        assert_ne!(digest(&[part(1, "a")]), digest(&[part(2, "a")]));
        assert_ne!(digest(&[part(1, "a")]), digest(&[part(1, "b")]));
        assert_ne!(digest(&[part(1, "a")]), digest(&[part(1, "a"), part(2, "a")]));
    }
}
