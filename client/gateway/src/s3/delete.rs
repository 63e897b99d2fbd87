//! DeleteObject and DeleteObjects.

use futures::stream::{self, StreamExt};
use holdfast_proto::op::{Conditions, DeleteObjects, Op};
use holdfast_proto::status::{Code, Status};
use http::StatusCode;
use s3s::dto;
use s3s::{S3Request, S3Response, S3Result};

use crate::error;
use crate::http::envelope;
use crate::s3::{Operations, meta};

/// Most keys of one request, as in S3.
const MAX_KEYS: usize = 1000;

/// Keys of one command.
const PER_COMMAND: usize = 250;

/// Commands of one request under way at once.
const AT_ONCE: usize = 4;

/// Deletes one object; what is not there is deleted already.
pub(super) async fn delete_object(
    door: &Operations,
    request: S3Request<dto::DeleteObjectInput>,
) -> S3Result<S3Response<dto::DeleteObjectOutput>> {
    let envelope = envelope::of(&request)?;
    let input = request.input;
    meta::check_version(input.version_id.as_deref())?;
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(error::not_offered("deletes may be conditional on the ETag only"));
    }
    let conditions = envelope.conditions.for_write()?;
    let command = DeleteObjects {
        bucket: input.bucket,
        keys: vec![meta::check_key(&input.key)?],
        conditions,
        unheld: None,
    };
    let outcome = run(door, command).await.into_iter().next();
    match outcome {
        Some(status) if !gone(&status) => Err(error::from_status(&status)),
        Some(_) | None => Ok(S3Response::new(dto::DeleteObjectOutput::default())),
    }
}

fn gone(status: &Status) -> bool {
    status.is_ok() || status.kind() == Code::NotFound
}

/// Runs one command; one status per key.
async fn run(door: &Operations, command: DeleteObjects) -> Vec<Status> {
    let keys = command.keys.len();
    match door.store.change(Op::DeleteObjects(command)).await {
        Ok(reply) => {
            let mut outcomes = reply.outcomes;
            outcomes.resize(keys, Status::default());
            outcomes
        }
        Err(status) => vec![status; keys],
    }
}

/// As [`run`]; what is too much for one command (many extents, deep directories that go with them) is halved.
async fn run_in_pieces(door: &Operations, command: DeleteObjects) -> Vec<Status> {
    let keys = command.keys.len();
    let mut outcomes = Vec::with_capacity(keys);
    let mut todo = vec![command];
    while let Some(mut command) = todo.pop() {
        let done = run(door, command.clone()).await;
        let too_much = done.iter().all(|status| status.kind() == Code::TooLarge);
        if too_much && command.keys.len() > 1 {
            let rest = command.keys.split_off(command.keys.len() / 2);
            todo.push(DeleteObjects { keys: rest, ..command.clone() });
            todo.push(command);
            continue;
        }
        outcomes.extend(done);
    }
    outcomes
}

/// A key to delete, with the ETag it must have.
struct Victim {
    key: String,
    etag: Option<String>,
}

/// Deletes up to a thousand objects; each key has its own outcome.
pub(super) async fn delete_objects(
    door: &Operations,
    request: S3Request<dto::DeleteObjectsInput>,
) -> S3Result<S3Response<dto::DeleteObjectsOutput>> {
    let input = request.input;
    let (objects, quiet) = (input.delete.objects, input.delete.quiet.unwrap_or(false));
    if objects.is_empty() || objects.len() > MAX_KEYS {
        return Err(error::refuse("MalformedXML", StatusCode::BAD_REQUEST, "name between 1 and 1000 keys"));
    }
    let (mut victims, mut errors) = (Vec::new(), Vec::new());
    for object in objects {
        match admit(&object) {
            Ok(()) => victims.push(Victim { key: object.key, etag: object.e_tag.map(dto::ETag::into_value) }),
            Err(refusal) => errors.push(shown(object.key, &refusal)),
        }
    }
    let results = stream::iter(commands(&input.bucket, victims))
        .map(|(keys, command)| async move { (keys, run_in_pieces(door, command).await) });
    let mut results = results.buffered(AT_ONCE);
    let mut deleted = Vec::new();
    while let Some((keys, outcomes)) = results.next().await {
        for (key, status) in keys.into_iter().zip(outcomes) {
            match status.kind() {
                // Nothing happened to any key, and it will not get better: the request as a whole failed.
                Code::NoSuchBucket => return Err(error::from_status(&status)),
                _ if gone(&status) => {
                    deleted.push(dto::DeletedObject { key: Some(key), ..Default::default() })
                }
                _ => errors.push(shown(key, &error::from_status(&status))),
            }
        }
    }
    Ok(S3Response::new(dto::DeleteObjectsOutput {
        deleted: (!quiet && !deleted.is_empty()).then_some(deleted),
        errors: (!errors.is_empty()).then_some(errors),
        request_charged: None,
    }))
}

fn admit(object: &dto::ObjectIdentifier) -> S3Result<()> {
    meta::check_key(&object.key)?;
    meta::check_version(object.version_id.as_deref())?;
    if object.last_modified_time.is_some() || object.size.is_some() {
        return Err(error::not_offered("deletes may be conditional on the ETag only"));
    }
    Ok(())
}

fn shown(key: String, refusal: &s3s::S3Error) -> dto::Error {
    dto::Error {
        code: Some(refusal.code().as_str().to_owned()),
        key: Some(key),
        message: refusal.message().map(str::to_owned),
        version_id: None,
    }
}

/// Splits keys into commands: those with an ETag one by one, the others in bunches.
fn commands(bucket: &str, victims: Vec<Victim>) -> Vec<(Vec<String>, DeleteObjects)> {
    let command = |keys: &[String], conditions| DeleteObjects {
        bucket: bucket.to_owned(),
        keys: keys.iter().map(|k| bytes::Bytes::copy_from_slice(k.as_bytes())).collect(),
        conditions,
        unheld: None,
    };
    let (conditional, plain): (Vec<_>, Vec<_>) = victims.into_iter().partition(|v| v.etag.is_some());
    let plain: Vec<String> = plain.into_iter().map(|v| v.key).collect();
    let mut all: Vec<_> =
        plain.chunks(PER_COMMAND).map(|keys| (keys.to_vec(), command(keys, None))).collect();
    for victim in conditional {
        let condition = Conditions { if_match: victim.etag.into_iter().collect(), ..Conditions::default() };
        let keys = vec![victim.key];
        let one = command(&keys, Some(condition));
        all.push((keys, one));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_keys_become_four_commands() {
        let mut victims: Vec<_> = (0..1000).map(|i| Victim { key: format!("k{i}"), etag: None }).collect();
        assert_eq!(commands("b", std::mem::take(&mut victims)).len(), 4);
        victims.push(Victim { key: "x".into(), etag: Some("e".into()) });
        victims.push(Victim { key: "y".into(), etag: None });
        let split = commands("b", victims);
        assert_eq!(split.len(), 2);
        assert_eq!(split[1].1.conditions.as_ref().unwrap().if_match, ["e"]);
        assert!(split.iter().all(|(keys, command)| keys.len() == command.keys.len()));
    }
}
