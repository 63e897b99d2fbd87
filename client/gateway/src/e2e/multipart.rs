//! Multipart uploads from beginning to end, and everything that may go wrong between.

use http::Method;
use md5::{Digest, Md5};

use super::World;
use super::client::Client;
use crate::body::checksum::{Algorithm, base64};

const MIN: usize = 5 << 20;

async fn begin(client: &Client, key: &str) -> String {
    client.post(&format!("/bucket/{key}?uploads"), "").send().await.expect(200).element("UploadId")
}

fn list(parts: &[(u32, String)]) -> String {
    let part =
        |(n, etag): &(u32, String)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>");
    format!(
        "<CompleteMultipartUpload>{}</CompleteMultipartUpload>",
        parts.iter().map(part).collect::<String>()
    )
}

async fn put_part(client: &Client, key: &str, upload: &str, n: u32, data: &[u8]) -> (u32, String) {
    let answer =
        client.put(&format!("/bucket/{key}?partNumber={n}&uploadId={upload}"), data).send().await.expect(200);
    (n, answer.header("etag").to_owned())
}

#[tokio::test]
async fn parts_become_one_object() {
    let world = World::start().await;
    let client = world.client();
    let upload = client
        .post("/bucket/big?uploads", "")
        .header("content-type", "video/x")
        .header("x-amz-meta-a", "1")
        .send()
        .await
        .expect(200)
        .element("UploadId");
    let pieces: Vec<Vec<u8>> = vec![vec![1; MIN], vec![2; MIN + 1], vec![3; 10]];
    let mut parts = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        parts.push(put_part(&client, "big", &upload, i as u32 * 2 + 1, piece).await);
    }
    client.get("/bucket/big").send().await.refused(404, "NoSuchKey");
    let listed = client.get(&format!("/bucket/big?uploadId={upload}&max-parts=2")).send().await.expect(200);
    assert_eq!(
        (listed.elements("PartNumber"), listed.element("IsTruncated")),
        (vec!["1".into(), "3".into()], "true".into())
    );
    let target = format!("/bucket/big?uploadId={upload}");
    let done = client.post(&target, &list(&parts)).send().await.expect(200);
    let mut md5 = Md5::new();
    pieces.iter().for_each(|p| md5.update(Md5::digest(p)));
    let etag = format!("{}-3", hex::encode(md5.finalize()));
    assert_eq!(done.element("ETag").replace('"', ""), etag);

    let whole = pieces.concat();
    let back = client.get("/bucket/big").send().await.expect(200);
    assert!(back.body == whole);
    assert_eq!(
        (back.header("content-type"), back.header("x-amz-meta-a"), back.header("etag").trim_matches('"')),
        ("video/x", "1", etag.as_str())
    );
    let second = client.get("/bucket/big?partNumber=2").send().await.expect(206);
    assert!(second.body == pieces[1] && second.header("x-amz-mp-parts-count") == "3");
    let edge = client
        .get("/bucket/big")
        .header("range", &format!("bytes={}-{}", MIN - 2, MIN + 1))
        .send()
        .await
        .expect(206);
    assert_eq!(edge.body, [1, 1, 2, 2]);

    // The same completion sent again gets the same answer; anything else is no upload any more.
    let again = client.post(&target, &list(&parts)).send().await.expect(200);
    assert_eq!(again.element("ETag"), done.element("ETag"));
    client.post(&target, &list(&parts[..1])).send().await.refused(404, "NoSuchUpload");
    let other_key = format!("/bucket/other?uploadId={upload}");
    client.post(&other_key, &list(&parts)).send().await.refused(404, "NoSuchUpload");
    let guessed = format!("/bucket/big?uploadId={}{}", &upload[..16], "0".repeat(32));
    client.post(&guessed, &list(&parts)).send().await.refused(404, "NoSuchUpload");
    world.stop().await;
}

#[tokio::test]
async fn wrong_lists_and_ids_are_refused() {
    let world = World::start().await;
    let client = world.client();
    let upload = begin(&client, "k").await;
    let small = put_part(&client, "k", &upload, 1, b"small").await;
    let last = put_part(&client, "k", &upload, 2, b"last").await;
    let target = format!("/bucket/k?uploadId={upload}");
    let complete = |parts: Vec<(u32, String)>| client.post(&target, &list(&parts)).send();
    complete(vec![small.clone(), last.clone()]).await.refused(400, "EntityTooSmall");
    complete(vec![last.clone(), small.clone()]).await.refused(400, "InvalidPartOrder");
    complete(vec![small.clone(), (7, last.1.clone())]).await.refused(400, "InvalidPart");
    complete(vec![(1, last.1.clone())]).await.refused(400, "InvalidPart");
    complete(vec![]).await.refused(400, "MalformedXML");
    client.post(&target, "not xml").send().await.refused(400, "MalformedXML");
    let size = client.post(&target, &list(std::slice::from_ref(&small))).header("x-amz-mp-object-size", "9");
    size.send().await.refused(400, "InvalidRequest");
    let exists = client.put("/bucket/k", b"there").send().await.expect(200);
    let only_new = client.post(&target, &list(std::slice::from_ref(&small))).header("if-none-match", "*");
    only_new.send().await.refused(412, "PreconditionFailed");
    drop(exists);

    let part = |target: &str| client.put(target, b"x").send();
    part(&format!("/bucket/k?partNumber=0&uploadId={upload}")).await.refused(400, "InvalidArgument");
    part(&format!("/bucket/k?partNumber=10001&uploadId={upload}")).await.refused(400, "InvalidArgument");
    part(&format!("/bucket/x?partNumber=1&uploadId={upload}")).await.refused(404, "NoSuchUpload");
    part("/bucket/k?partNumber=1&uploadId=nonsense").await.refused(404, "NoSuchUpload");
    complete(vec![small]).await.expect(200);
    assert_eq!(client.get("/bucket/k").send().await.expect(200).body, b"small");
    world.stop().await;
}

#[tokio::test]
async fn uploads_are_listed_and_given_up() {
    let world = World::start().await;
    let client = world.client();
    let mut ids = Vec::new();
    for key in ["a", "d/1", "d/2", "z"] {
        ids.push(begin(&client, key).await);
    }
    let all = client.get("/bucket?uploads").send().await.expect(200);
    assert_eq!(all.elements("UploadId"), ids);
    let folded = client.get("/bucket?uploads&delimiter=/").send().await.expect(200);
    assert_eq!(
        (folded.elements("Key"), folded.elements("CommonPrefixes").len()),
        (vec!["a".into(), "z".into()], 1)
    );
    let page = client.get("/bucket?uploads&max-uploads=2").send().await.expect(200);
    assert_eq!((page.element("IsTruncated"), page.element("NextKeyMarker")), ("true".into(), "d/1".into()));
    let rest =
        format!("/bucket?uploads&key-marker=d/1&upload-id-marker={}", page.element("NextUploadIdMarker"));
    assert_eq!(client.get(&rest).send().await.expect(200).elements("UploadId"), ids[2..]);
    client.delete("/bucket").send().await.refused(409, "BucketNotEmpty");
    for (key, id) in ["a", "d/1", "d/2", "z"].iter().zip(&ids) {
        client.delete(&format!("/bucket/{key}?uploadId={id}")).send().await.expect(204);
    }
    client.delete(&format!("/bucket/a?uploadId={}", ids[0])).send().await.refused(404, "NoSuchUpload");
    client
        .put(&format!("/bucket/a?partNumber=1&uploadId={}", ids[0]), b"x")
        .send()
        .await
        .refused(404, "NoSuchUpload");
    assert!(client.get("/bucket?uploads").send().await.expect(200).elements("UploadId").is_empty());
    world.stop().await;
}

#[tokio::test]
async fn parts_are_copied_by_reference() {
    let world = World::start().await;
    let client = world.client();
    let data: Vec<u8> = (0..MIN * 2).map(|i| (i / 1000 % 251) as u8).collect();
    client.put("/bucket/src", &data).send().await.expect(200);
    client.put("/bucket/tiny", b"0123456789").send().await.expect(200);
    let created = client
        .post("/bucket/dst?uploads", "")
        .header("x-amz-checksum-algorithm", "CRC32C")
        .header("x-amz-checksum-type", "FULL_OBJECT");
    let upload = created.send().await.expect(200).element("UploadId");
    let copy = |n: u32, source: &str, range: &str| {
        let call = client
            .put(&format!("/bucket/dst?partNumber={n}&uploadId={upload}"), b"")
            .header("x-amz-copy-source", source);
        if range.is_empty() { call } else { call.header("x-amz-copy-source-range", range) }
    };
    let first = copy(1, "bucket/src", &format!("bytes=1000-{}", MIN + 1999)).send().await.expect(200);
    let second = copy(2, "bucket/tiny", "bytes=2-4").send().await.expect(200);
    assert_eq!(first.element("ETag").replace('"', ""), hex::encode(Md5::digest(&data[1000..MIN + 2000])));
    copy(3, "bucket/tiny", "bytes=2-10").send().await.refused(416, "InvalidRange");
    copy(3, "bucket/absent", "").send().await.refused(404, "NoSuchKey");
    copy(3, "bucket/tiny", "")
        .header("x-amz-copy-source-if-match", "\"x\"")
        .send()
        .await
        .refused(412, "PreconditionFailed");
    let etag = |a: &super::client::Answer| a.element("ETag");
    let parts = list(&[(1, etag(&first)), (2, etag(&second))]);
    let done = client.post(&format!("/bucket/dst?uploadId={upload}"), &parts).send().await.expect(200);
    let whole = [&data[1000..MIN + 2000], b"234"].concat();
    assert_eq!(done.element("ChecksumCRC32C"), base64(&Algorithm::Crc32c.of(&whole)));
    assert!(client.get("/bucket/dst").send().await.expect(200).body == whole);
    world.stop().await;
}

#[tokio::test]
async fn composite_checksums_are_those_of_the_parts() {
    let world = World::start().await;
    let client = world.client();
    let created = client
        .post("/bucket/k?uploads", "")
        .header("x-amz-checksum-algorithm", "SHA256")
        .send()
        .await
        .expect(200);
    assert_eq!(created.header("x-amz-checksum-type"), "COMPOSITE");
    let upload = created.element("UploadId");
    let pieces = [vec![1; MIN], vec![2; 7]];
    let mut parts = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        parts.push(put_part(&client, "k", &upload, i as u32 + 1, piece).await);
    }
    let other = client.put(&format!("/bucket/k?partNumber=3&uploadId={upload}"), b"x");
    other
        .header("x-amz-checksum-crc32", &base64(&Algorithm::Crc32.of(b"x")))
        .send()
        .await
        .refused(400, "InvalidRequest");
    let target = format!("/bucket/k?uploadId={upload}");
    let wrong = client.post(&target, &list(&parts)).header("x-amz-checksum-sha256", &base64(&[0; 32]));
    wrong.send().await.refused(400, "BadDigest");
    client.post(&target, &list(&parts)).send().await.expect(200);
    let both: Vec<u8> = pieces.iter().flat_map(|p| Algorithm::Sha256.of(p)).collect();
    let expected = format!("{}-2", base64(&Algorithm::Sha256.of(&both)));
    let head = client
        .call(Method::HEAD, "/bucket/k")
        .header("x-amz-checksum-mode", "ENABLED")
        .send()
        .await
        .expect(200);
    assert_eq!(
        (head.header("x-amz-checksum-sha256"), head.header("x-amz-checksum-type")),
        (expected.as_str(), "COMPOSITE")
    );
    world.stop().await;
}
