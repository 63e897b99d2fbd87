//! Objects: put, get, conditions, ranges, copies, deletes, tags, buckets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use holdfast_proto::op::{Op, SetAttr};
use holdfast_proto::query::{GetObject, Query};
use holdfast_proto::status::{Code, Status};
use http::Method;

use super::World;
use crate::body::checksum::{Algorithm, base64};
use crate::store::Store as _;

#[tokio::test]
async fn an_object_comes_back_with_its_headers() {
    let world = World::start().await;
    let client = world.client();
    let put = client
        .put("/bucket/a/b.txt", b"hello world")
        .header("content-type", "text/plain; charset=utf-8")
        .header("cache-control", "no-store")
        .header("content-disposition", "attachment; filename=\"b.txt\"")
        .header("content-language", "de")
        .header("content-encoding", "identity")
        .header("expires", "Wed, 21 Oct 2015 07:28:00 GMT")
        .header("x-amz-meta-colour", "blue")
        .header("x-amz-tagging", "a=1&b=two");
    let answer = put.send().await.expect(200);
    assert_eq!(answer.header("etag"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
    assert_eq!(answer.header("x-amz-request-id").len(), 16);
    for call in [client.get("/bucket/a/b.txt"), client.call(Method::HEAD, "/bucket/a/b.txt")] {
        let back = call.send().await.expect(200);
        assert_eq!(back.header("etag"), "\"5eb63bbbe01eeed093cb22bb8f5acdc3\"");
        assert_eq!(back.header("content-length"), "11");
        assert_eq!(back.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(back.header("cache-control"), "no-store");
        assert_eq!(back.header("content-disposition"), "attachment; filename=\"b.txt\"");
        assert_eq!(back.header("content-language"), "de");
        assert_eq!(back.header("content-encoding"), "identity");
        assert_eq!(back.header("expires"), "Wed, 21 Oct 2015 07:28:00 GMT");
        assert_eq!(back.header("x-amz-meta-colour"), "blue");
        assert_eq!(back.header("accept-ranges"), "bytes");
        assert!(!back.header("last-modified").is_empty());
    }
    let tags = client.get("/bucket/a/b.txt?tagging").send().await.expect(200);
    assert_eq!(
        (tags.elements("Key"), tags.elements("Value")),
        (vec!["a".into(), "b".into()], vec!["1".into(), "two".into()])
    );
    world.stop().await;
}

#[tokio::test]
async fn small_requests_cost_one_round_trip() {
    let world = World::start().await;
    let client = world.client();
    client.put("/bucket/warm", b"x").send().await.expect(200);
    let (asked, changed) = world.store.calls();
    client.put("/bucket/k", &[7; 4096]).send().await.expect(200);
    assert_eq!(world.store.calls(), (asked, changed + 1));
    client.get("/bucket/k").send().await.expect(200);
    assert_eq!(world.store.calls(), (asked + 1, changed + 1));
    world.stop().await;
}

#[tokio::test]
async fn every_key_that_is_text_is_a_key() {
    let world = World::start().await;
    let client = world.client();
    let long = "k".repeat(1024);
    let keys = [
        "a",
        "a/b",
        "a/",
        "..",
        "../x",
        "a//b",
        "/lead",
        "a/../b",
        "a b+c%?#&=",
        "ünï/日本",
        "tab\tnl\n",
        &long,
    ];
    for key in keys {
        let target = format!("/bucket/{}", crate::auth::encode_percent(key.as_bytes(), true));
        client.put(&target, key.as_bytes()).send().await.expect(200);
    }
    for key in keys {
        let target = format!("/bucket/{}", crate::auth::encode_percent(key.as_bytes(), true));
        assert_eq!(client.get(&target).send().await.expect(200).body, key.as_bytes(), "{key}");
    }
    let listed = client.get("/bucket?list-type=2&encoding-type=url").send().await.expect(200).elements("Key");
    let mut expected: Vec<_> = keys.iter().map(|k| crate::auth::encode_percent(k.as_bytes(), true)).collect();
    let decoded = |k: &String| crate::auth::decode_percent(k, false).unwrap();
    expected.sort_by_key(decoded);
    assert_eq!(listed, expected);
    client.put(&format!("/bucket/{long}k"), b"").send().await.refused(400, "KeyTooLongError");
    client.put("/bucket/a%00b", b"").send().await.refused(400, "InvalidArgument");
    client.put("/bucket/%ff", b"").signed().send_as_is().await.refused(400, "InvalidURI");
    world.stop().await;
}

#[tokio::test]
async fn checksums_are_verified_kept_and_shown() {
    let world = World::start().await;
    let client = world.client();
    let data = b"some bytes to check";
    for algorithm in crate::body::checksum::ALL {
        let value = base64(&algorithm.of(data));
        let target = format!("/bucket/{}", algorithm.name());
        let put = client.put(&target, data).header(algorithm.header(), &value);
        assert_eq!(put.send().await.expect(200).header(algorithm.header()), value);
        let got = client.get(&target).header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
        assert_eq!(
            (got.header(algorithm.header()), got.header("x-amz-checksum-type")),
            (value.as_str(), "FULL_OBJECT")
        );
        let silent = client.get(&target).send().await.expect(200);
        assert_eq!(silent.header(algorithm.header()), "");
        let wrong = base64(&algorithm.of(b"other"));
        client
            .put("/bucket/bad", data)
            .header(algorithm.header(), &wrong)
            .send()
            .await
            .refused(400, "BadDigest");
        client
            .put("/bucket/bad", data)
            .header(algorithm.header(), "AA==")
            .send()
            .await
            .refused(400, "InvalidRequest");
    }
    let two =
        client.put("/bucket/bad", data).header("x-amz-checksum-crc32", &base64(&Algorithm::Crc32.of(data)));
    two.header("x-amz-checksum-sha1", &base64(&Algorithm::Sha1.of(data)))
        .send()
        .await
        .refused(400, "InvalidRequest");
    client
        .put("/bucket/bad", data)
        .header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")
        .send()
        .await
        .refused(400, "BadDigest");
    client
        .put("/bucket/bad", data)
        .header("content-md5", "nonsense")
        .send()
        .await
        .refused(400, "InvalidDigest");
    client
        .put("/bucket/bad", data)
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .send()
        .await
        .refused(400, "InvalidRequest");
    client.get("/bucket/bad").send().await.refused(404, "NoSuchKey");
    world.stop().await;
}

#[tokio::test]
async fn conditions_hold_on_reads_writes_and_deletes() {
    let world = World::start().await;
    let client = world.client();
    let etag = client.put("/bucket/k", b"one").send().await.expect(200).header("etag").to_owned();
    let fresh = client.get("/bucket/k").header("if-none-match", &etag).send().await.expect(304);
    assert_eq!((fresh.header("etag"), fresh.body.len()), (etag.as_str(), 0));
    client.get("/bucket/k").header("if-match", "\"x\"").send().await.refused(412, "PreconditionFailed");
    client.call(Method::HEAD, "/bucket/k").header("if-match", "\"x\"").send().await.expect(412);
    client
        .get("/bucket/k")
        .header("if-modified-since", "Wed, 21 Oct 2065 07:28:00 GMT")
        .send()
        .await
        .expect(304);

    client
        .put("/bucket/k", b"two")
        .header("if-none-match", "*")
        .send()
        .await
        .refused(412, "PreconditionFailed");
    client
        .put("/bucket/k", b"two")
        .header("if-match", "\"x\"")
        .send()
        .await
        .refused(412, "PreconditionFailed");
    client.put("/bucket/new", b"two").header("if-match", "\"x\"").send().await.refused(404, "NoSuchKey");
    client.put("/bucket/k", b"two").header("if-match", &etag).send().await.expect(200);
    client.put("/bucket/new", b"new").header("if-none-match", "*").send().await.expect(200);
    client.delete("/bucket/k").header("if-match", &etag).send().await.refused(412, "PreconditionFailed");
    assert_eq!(client.get("/bucket/k").send().await.expect(200).body, b"two");
    client.delete("/bucket/k").header("if-match", "*").send().await.expect(204);
    client.get("/bucket/k").send().await.refused(404, "NoSuchKey");
    client.delete("/bucket/k").send().await.expect(204);
    world.stop().await;
}

#[tokio::test]
async fn ranges_are_cut_from_small_and_large_objects() {
    let world = World::start().await;
    let client = world.client();
    for size in [100usize, 10_000_000] {
        let data: Vec<u8> = (0..size).map(|i| (i % 253) as u8).collect();
        client.put("/bucket/k", &data).send().await.expect(200);
        let get = |range: &str| client.get("/bucket/k").header("range", range).send();
        for (range, from, to) in [
            ("bytes=0-0", 0, 1),
            ("bytes=10-19", 10, 20),
            ("bytes=-5", size - 5, size),
            ("bytes=50-", 50, size),
        ] {
            let answer = get(range).await.expect(206);
            assert!(answer.body == data[from..to], "{range}");
            assert_eq!(answer.header("content-range"), format!("bytes {from}-{}/{size}", to - 1));
        }
        let beyond = get(&format!("bytes={size}-")).await.refused(416, "InvalidRange");
        assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
        assert!(get("bytes=0-1,5-6").await.expect(200).body == data);
        let stale =
            client.get("/bucket/k").header("range", "bytes=0-0").header("if-range", "\"x\"").send().await;
        assert_eq!(stale.expect(200).body.len(), size);
    }
    let head = client.call(Method::HEAD, "/bucket/k").header("range", "bytes=1-4").send().await.expect(206);
    assert_eq!(head.header("content-length"), "4");
    let part = client.get("/bucket/k?partNumber=1").send().await.expect(206);
    assert_eq!(part.body.len(), 10_000_000);
    client.get("/bucket/k?partNumber=2").send().await.refused(416, "InvalidPartNumber");
    client.put("/bucket/empty", b"").send().await.expect(200);
    assert_eq!(client.get("/bucket/empty").send().await.expect(200).body.len(), 0);
    client.get("/bucket/empty").header("range", "bytes=0-").send().await.refused(416, "InvalidRange");
    world.stop().await;
}

#[tokio::test]
async fn copies_carry_bytes_and_headers() {
    let world = World::start().await;
    let client = world.client();
    let data = vec![3; 9_000_000];
    let put = client
        .put("/bucket/src%20x", &data)
        .header("x-amz-meta-a", "1")
        .header("content-type", "text/x")
        .header("x-amz-tagging", "t=1");
    let etag = put.send().await.expect(200).header("etag").to_owned();
    let copy = |target: &str| client.put(target, b"").header("x-amz-copy-source", "/bucket/src%20x");
    let answer = copy("/bucket/dst").send().await.expect(200);
    assert_eq!(answer.element("ETag"), etag);
    let back = client.get("/bucket/dst").send().await.expect(200);
    assert!(back.body == data);
    assert_eq!(
        (back.header("x-amz-meta-a"), back.header("content-type"), back.header("x-amz-tagging-count")),
        ("1", "text/x", "1")
    );

    let replace =
        copy("/bucket/dst2").header("x-amz-metadata-directive", "REPLACE").header("x-amz-meta-b", "2");
    replace
        .header("x-amz-tagging-directive", "REPLACE")
        .header("x-amz-tagging", "u=2&v=3")
        .send()
        .await
        .expect(200);
    let back = client.get("/bucket/dst2").send().await.expect(200);
    assert_eq!(
        (back.header("x-amz-meta-a"), back.header("x-amz-meta-b"), back.header("x-amz-tagging-count")),
        ("", "2", "2")
    );
    assert_eq!(back.header("etag"), etag);

    copy("/bucket/src%20x").send().await.refused(400, "InvalidRequest");
    copy("/bucket/src%20x").header("x-amz-metadata-directive", "REPLACE").send().await.expect(200);
    copy("/bucket/d")
        .header("x-amz-copy-source-if-match", "\"x\"")
        .send()
        .await
        .refused(412, "PreconditionFailed");
    copy("/bucket/d")
        .header("x-amz-copy-source-if-none-match", &etag)
        .send()
        .await
        .refused(412, "PreconditionFailed");
    copy("/bucket/d").header("x-amz-copy-source-if-match", &etag).send().await.expect(200);
    for bad in ["/bucket/absent", "/bucket/"] {
        let status = client.put("/bucket/d", b"").header("x-amz-copy-source", bad).send().await.status;
        assert!([400, 404].contains(&status), "{bad}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_thousand_keys_go_at_once() {
    let world = World::start().await;
    let client = world.client();
    for i in 0..20 {
        client.put(&format!("/bucket/d/{i}"), b"x").send().await.expect(200);
    }
    let object = |key: String| format!("<Object><Key>{key}</Key></Object>");
    let list = |n: usize| (0..n).map(|i| object(format!("d/{i}"))).collect::<String>();
    let changed = world.store.calls().1;
    let answer =
        client.post("/bucket?delete", &format!("<Delete>{}</Delete>", list(1000))).send().await.expect(200);
    assert_eq!(answer.elements("Deleted").len(), 1000);
    assert_eq!(world.store.calls().1, changed + 4);
    client.get("/bucket/d/3").send().await.refused(404, "NoSuchKey");
    client
        .post("/bucket?delete", &format!("<Delete>{}</Delete>", list(1001)))
        .send()
        .await
        .refused(400, "MalformedXML");
    client.post("/bucket?delete", "<Delete>").send().await.refused(400, "MalformedXML");

    client.put("/bucket/e", b"x").send().await.expect(200);
    let body = "<Delete><Quiet>true</Quiet><Object><Key>e</Key><ETag>\"no\"</ETag></Object><Object><Key>f</Key><VersionId>v</VersionId></Object></Delete>";
    let answer = client.post("/bucket?delete", body).send().await.expect(200);
    assert_eq!(answer.elements("Code"), ["NoSuchVersion", "PreconditionFailed"]);
    assert!(answer.elements("Deleted").is_empty());
    let md5 = client.post("/bucket?delete", body).header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
    md5.send().await.refused(400, "BadDigest");
    world.stop().await;
}

#[tokio::test]
async fn buckets_come_and_go() {
    let world = World::start().await;
    let client = world.client();
    client.put("/fresh", b"").send().await.expect(200);
    client.put("/fresh", b"").send().await.refused(409, "BucketAlreadyOwnedByYou");
    client.put("/bucket", b"").send().await.refused(409, "BucketAlreadyExists");
    for bad in ["/UPPER", "/ab", "/a_b", "/127.0.0.1", "/xn--a"] {
        client.put(bad, b"").send().await.refused(400, "InvalidBucketName");
    }
    let place = "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";
    client.put("/placed", place.as_bytes()).send().await.refused(400, "InvalidLocationConstraint");
    let head = client.call(Method::HEAD, "/fresh").send().await.expect(200);
    assert_eq!(head.header("x-amz-bucket-region"), "us-east-1");
    client.call(Method::HEAD, "/absent").send().await.expect(404);
    client.get("/fresh?location").send().await.expect(200);
    client.get("/fresh?versioning").send().await.expect(200);
    client.get("/fresh?policy").send().await.refused(404, "NoSuchBucketPolicy");
    assert_eq!(client.get("/fresh?acl").send().await.expect(200).element("Permission"), "FULL_CONTROL");
    client.put("/fresh/k", b"x").send().await.expect(200);
    client.delete("/fresh").send().await.refused(409, "BucketNotEmpty");
    client.delete("/fresh/k").send().await.expect(204);
    client.delete("/fresh").send().await.expect(204);
    client.delete("/fresh").send().await.refused(404, "NoSuchBucket");
    client.put("/fresh/k", b"x").send().await.refused(404, "NoSuchBucket");
    world.stop().await;
}

#[tokio::test]
async fn tags_and_attributes_can_be_asked_for() {
    let world = World::start().await;
    let client = world.client();
    client
        .put("/bucket/k", b"x")
        .header("x-amz-checksum-crc32", &base64(&Algorithm::Crc32.of(b"x")))
        .send()
        .await
        .expect(200);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    client.put("/bucket/k?tagging", tags.as_bytes()).send().await.expect(200);
    assert_eq!(client.get("/bucket/k?tagging").send().await.expect(200).element("Value"), "1");
    client.delete("/bucket/k?tagging").send().await.expect(204);
    assert_eq!(client.get("/bucket/k?tagging").send().await.expect(200).elements("Tag").len(), 0);
    client.put("/bucket/absent?tagging", tags.as_bytes()).send().await.refused(404, "NoSuchKey");
    let ask =
        client.get("/bucket/k?attributes").header("x-amz-object-attributes", "ETag,ObjectSize,Checksum");
    let answer = ask.send().await.expect(200);
    assert_eq!(
        (answer.element("ObjectSize"), answer.element("ETag").replace('"', "")),
        ("1".into(), "9dd4e461268c8034f5c8564e155c67a6".into())
    );
    assert!(!answer.element("ChecksumCRC32").is_empty());
    world.stop().await;
}

#[tokio::test]
async fn failures_behind_the_door_are_told_as_s3_tells_them() {
    let world = World::start().await;
    let client = world.client();
    client.get("/").send().await.expect(200);
    world.store.fail_with(Some(Status::busy(std::time::Duration::from_millis(5), "full")));
    let answer = client.put("/bucket/k", b"x").send().await.refused(503, "SlowDown");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!answer.element("RequestId").is_empty());
    world.store.fail_with(Some(Status::new(Code::NoSpace, "no disk")));
    client.put("/bucket/k", b"x").send().await.refused(507, "InsufficientStorage");
    world.store.fail_with(Some(Status::new(Code::Unavailable, "n3 at 10.1.2.3 is gone")));
    let answer = client.put("/bucket/k", b"x").send().await.refused(503, "ServiceUnavailable");
    assert!(!answer.text().contains("10.1.2.3"));
    world.store.fail_with(None);
    client.put("/bucket/k", b"x").send().await.expect(200);
    world.stop().await;
}

#[tokio::test]
async fn an_object_that_changes_all_the_time_is_read_and_copied() {
    let world = World::start().await;
    let client = world.client();
    let data = vec![7; 100_000];
    client.put("/bucket/k", &data).send().await.expect(200);
    client.put("/bucket/small", b"small").send().await.expect(200);
    for (target, whole) in [("/bucket/k", &data[..]), ("/bucket/small", b"small")] {
        world.store.outrun(3);
        assert_eq!(client.get(target).send().await.expect(200).body, whole);
    }
    let ask = GetObject { bucket: "bucket".into(), key: Bytes::from_static(b"k"), ..GetObject::default() };
    let ino = world.store.ask(Query::GetObject(ask)).await.unwrap().inode.unwrap().ino;
    let copies = Arc::new(AtomicUsize::new(0));
    let count = copies.clone();
    world.store.beside(move |op| {
        if !matches!(op, Op::CopyObject(_) | Op::CopyPart(_)) {
            return None;
        }
        let number = count.fetch_add(1, Ordering::SeqCst) as u64;
        let touched = SetAttr { ino, size: Some(99_999 - number), ..SetAttr::default() };
        // The fourth try finds it as it was judged.
        (number % 4 != 3).then_some(Op::SetAttr(touched))
    });
    let copy = |target: &str| client.put(target, b"").header("x-amz-copy-source", "/bucket/k");
    copy("/bucket/copy").send().await.expect(200);
    assert_eq!(copies.load(Ordering::SeqCst), 1, "no condition, nothing to try again");
    let replaced =
        copy("/bucket/copy").header("x-amz-metadata-directive", "REPLACE").send().await.expect(200);
    assert_eq!(replaced.element("ETag"), copied_etag(&client).await);
    copies.store(0, Ordering::SeqCst);
    copy("/bucket/copy").header("x-amz-copy-source-if-none-match", "\"x\"").send().await.expect(200);
    assert_eq!(copies.load(Ordering::SeqCst), 4);
    let upload = client.post("/bucket/parts?uploads", "").send().await.expect(200).element("UploadId");
    world.store.outrun(2);
    copy(&format!("/bucket/parts?partNumber=1&uploadId={upload}")).send().await.expect(200);
    assert_eq!(copies.load(Ordering::SeqCst), 8);
    world.stop().await;
}

async fn copied_etag(client: &super::Client) -> String {
    client.call(Method::HEAD, "/bucket/copy").send().await.expect(200).header("etag").to_owned()
}
