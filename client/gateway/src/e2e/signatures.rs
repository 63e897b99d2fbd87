//! What must not get in: one thing wrong at a time, the right refusal, and nothing stored.

use http::Method;

use super::World;
use crate::body::checksum::{Algorithm, base64};

async fn nothing_stored(world: &World) {
    let answer = world.client().get("/bucket?list-type=2").send().await.expect(200);
    assert_eq!(answer.element("KeyCount"), "0", "{}", answer.text());
}

#[tokio::test]
async fn anonymous_requests_are_refused_whatever_they_want() {
    let world = World::start().await;
    let client = world.client();
    for (method, target) in [
        (Method::GET, "/"),
        (Method::GET, "/bucket"),
        (Method::PUT, "/newbucket"),
        (Method::DELETE, "/bucket"),
        (Method::GET, "/bucket/k"),
        (Method::PUT, "/bucket/k"),
        (Method::DELETE, "/bucket/k"),
        (Method::POST, "/bucket/k?uploads"),
        (Method::POST, "/bucket?delete"),
        (Method::PUT, "/bucket/k?partNumber=1&uploadId=x"),
        (Method::GET, "/bucket?acl"),
        (Method::PUT, "/bucket?policy"),
    ] {
        let answer = client.call(method.clone(), target).send_as_is().await;
        answer.refused(403, "AccessDenied");
    }
    nothing_stored(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn one_wrong_thing_is_enough() {
    let world = World::start().await;
    let client = world.client();
    let put = || client.put("/bucket/k?x=1", b"hello").header("x-amz-meta-a", "b").signed();

    let mut other_path = put();
    other_path.target = "/bucket/other?x=1".into();
    other_path.send_as_is().await.refused(403, "SignatureDoesNotMatch");
    let mut other_query = put();
    other_query.target = "/bucket/k?x=2".into();
    other_query.send_as_is().await.refused(403, "SignatureDoesNotMatch");
    put().header("x-amz-meta-a", "c").send_as_is().await.refused(403, "SignatureDoesNotMatch");
    put().header("x-amz-meta-z", "added").send_as_is().await.refused(403, "AccessDenied");
    put().body(b"hallo").send_as_is().await.refused(400, "XAmzContentSHA256Mismatch");

    let mut late = client.clone();
    late.clock_off_s = -16 * 60;
    late.put("/bucket/k", b"x").send().await.refused(403, "RequestTimeTooSkewed");
    late.clock_off_s = 16 * 60;
    late.put("/bucket/k", b"x").send().await.refused(403, "RequestTimeTooSkewed");
    let mut elsewhere = client.clone();
    elsewhere.region = "eu-west-1".into();
    elsewhere.put("/bucket/k", b"x").send().await.refused(400, "AuthorizationHeaderMalformed");
    let mut other_service = client.clone();
    other_service.service = "sts".into();
    other_service.put("/bucket/k", b"x").send().await.refused(400, "AuthorizationHeaderMalformed");
    world
        .client_of("ROOT", "wrong")
        .put("/bucket/k", b"x")
        .send()
        .await
        .refused(403, "SignatureDoesNotMatch");
    world.client_of("NOBODY", "x").put("/bucket/k", b"x").send().await.refused(403, "InvalidAccessKeyId");

    let v2 =
        client.put("/bucket/k", b"x").header("authorization", "AWS ROOT:c2lnbmF0dXJl").header("date", "x");
    v2.send_as_is().await.refused(400, "InvalidRequest");
    client
        .put("/bucket/k?AWSAccessKeyId=ROOT&Signature=x&Expires=9999999999", b"x")
        .send_as_is()
        .await
        .refused(400, "InvalidRequest");
    nothing_stored(&world).await;
    world.stop().await;
}

#[tokio::test]
async fn presigned_urls_work_until_they_expire() {
    let world = World::start().await;
    let client = world.client();
    client.put("/bucket/k%20x", b"signed away").presigned(60).send_as_is().await.expect(200);
    let answer = client
        .get("/bucket/k%20x?response-content-type=text%2Fplain")
        .presigned(60)
        .send_as_is()
        .await
        .expect(200);
    assert_eq!((answer.body.as_slice(), answer.header("content-type")), (&b"signed away"[..], "text/plain"));

    let mut past = client.clone();
    past.clock_off_s = -120;
    past.get("/bucket/k%20x").presigned(60).send_as_is().await.refused(403, "AccessDenied");
    let too_long = client.get("/bucket/k%20x").presigned(700_000).send_as_is().await;
    too_long.refused(400, "AuthorizationQueryParametersError");
    let mut tampered = client.get("/bucket/k%20x").presigned(60);
    tampered.target = tampered.target.replace("k%20x", "k%20y");
    tampered.send_as_is().await.refused(403, "SignatureDoesNotMatch");
    let mut longer = client.get("/bucket/k%20x").presigned(60);
    longer.target = longer.target.replace("X-Amz-Expires=60", "X-Amz-Expires=61");
    longer.send_as_is().await.refused(403, "SignatureDoesNotMatch");
    let method = client.get("/bucket/k%20x").presigned(60);
    client.delete(&method.target).send_as_is().await.refused(403, "SignatureDoesNotMatch");
    let both = client.get("/bucket/k%20x").presigned(60).signed();
    both.send_as_is().await.refused(400, "InvalidRequest");
    world.stop().await;
}

#[tokio::test]
async fn signed_streams_are_checked_to_the_last_byte() {
    let world = World::start().await;
    let client = world.client();
    let data: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    let crc = base64(&Algorithm::Crc32.of(&data));
    let name = "x-amz-checksum-crc32";
    let put = |tamper: fn(&mut Vec<u8>)| client.put("/bucket/k", &data).chunked(65_536, None, tamper);
    let with_trailer = |value: &str, tamper: fn(&mut Vec<u8>)| {
        client.put("/bucket/k", &data).chunked(65_536, Some((name, value)), tamper)
    };

    put(|w| w[200] ^= 1).send_as_is().await.refused(403, "SignatureDoesNotMatch");
    put(|w| {
        let at = w.len() - 200;
        w[at] ^= 1
    })
    .send_as_is()
    .await
    .refused(403, "SignatureDoesNotMatch");
    put(|w| {
        let at = w.len() - 10;
        w[at] = if w[at] == b'0' { b'1' } else { b'0' }
    })
    .send_as_is()
    .await
    .refused(403, "SignatureDoesNotMatch");
    // The closing chunk is cut off.
    put(|w| w.truncate(w.len() - 89)).send_as_is().await.refused(400, "IncompleteBody");
    // The last chunk with data is cut off, the closing one stays.
    let cut = put(|w| {
        let tail = w.split_off(w.len() - 89);
        w.truncate(131_072 + 2 * 90 + 4);
        w.extend(tail);
    });
    assert!([400, 403].contains(&cut.send_as_is().await.status));
    with_trailer(&crc, |w| {
        let at = w.len() - 20;
        w[at] = if w[at] == b'0' { b'1' } else { b'0' }
    })
    .send_as_is()
    .await
    .refused(403, "SignatureDoesNotMatch");
    // The whole trailer is cut off.
    let no_trailer = with_trailer(&crc, |w| {
        let at = w.windows(5).rposition(|x| x == b"x-amz").unwrap();
        let first = w[..at].windows(14).rposition(|x| x == b"x-amz-checksum").unwrap();
        w.truncate(first);
        w.extend_from_slice(b"\r\n");
    });
    no_trailer.send_as_is().await.refused(403, "SignatureDoesNotMatch");
    // A rightly signed trailer that does not fit the body.
    with_trailer("AAAAAA==", |_| {}).send_as_is().await.refused(400, "BadDigest");
    nothing_stored(&world).await;

    put(|_| {}).send_as_is().await.expect(200);
    let answer = with_trailer(&crc, |_| {}).send_as_is().await.expect(200);
    assert_eq!(answer.header(name), crc);
    let back = client.get("/bucket/k").header("x-amz-checksum-mode", "ENABLED").send().await.expect(200);
    assert!(back.body == data && back.header(name) == crc && back.headers.get("content-encoding").is_none());
    world.stop().await;
}

#[tokio::test]
async fn unsigned_streams_keep_length_and_checksum() {
    let world = World::start().await;
    let client = world.client();
    let put = |length: &str, trailer: &str, wire: &str| {
        client
            .put("/bucket/k", wire.as_bytes())
            .header("x-amz-decoded-content-length", length)
            .header("x-amz-trailer", trailer)
            .payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    };
    let good = "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n";
    let crc = "x-amz-checksum-crc32";
    put("6", crc, good).send().await.refused(400, "IncompleteBody");
    put("4", crc, good).send().await.refused(400, "IncompleteBody");
    put("5", "x-amz-checksum-sha1", good).send().await.refused(400, "MalformedTrailerError");
    put("5", crc, "5\r\nhallo\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n")
        .send()
        .await
        .refused(400, "BadDigest");
    put("5", crc, "5\r\nhello\r\n0\r\n\r\n").send().await.refused(400, "MalformedTrailerError");
    put("5", crc, "5\r\nhello\r\n").send().await.refused(400, "IncompleteBody");
    put("5", crc, "zz\r\nhello\r\n").send().await.refused(400, "IncompleteBody");
    nothing_stored(&world).await;
    // The signature of the request is checked although that of the body is not.
    let mut forged = put("5", crc, good).signed();
    forged.target = "/bucket/other".into();
    forged.send_as_is().await.refused(403, "SignatureDoesNotMatch");
    put("5", crc, good).send().await.expect(200);
    world.stop().await;
}

#[tokio::test]
async fn keys_do_what_their_rules_say_and_no_more() {
    let world = World::start().await;
    let root = world.client();
    root.put("/secret1", b"").send().await.expect(200);
    root.put("/secret1/k", b"x").send().await.expect(200);
    root.put("/bucket/k", b"x").send().await.expect(200);
    let reader = world.client_of("READER", "reader-secret");
    let writer = world.client_of("WRITER", "writer-secret");
    let nothing = world.client_of("NOTHING", "nothing-secret");

    reader.get("/bucket/k").send().await.expect(200);
    reader.get("/bucket").send().await.expect(200);
    reader.put("/bucket/k", b"x").send().await.refused(403, "AccessDenied");
    reader.delete("/bucket/k").send().await.refused(403, "AccessDenied");
    reader.delete("/bucket").send().await.refused(403, "AccessDenied");
    reader.get("/secret1/k").send().await.refused(403, "AccessDenied");
    writer.put("/bucket/w", b"x").send().await.expect(200);
    writer.get("/bucket/k").send().await.refused(403, "AccessDenied");
    writer.put("/newbucket", b"").send().await.refused(403, "AccessDenied");
    nothing.get("/bucket/k").send().await.refused(403, "AccessDenied");

    // Copies read their source with the same rights.
    let steal = writer.put("/bucket/stolen", b"").header("x-amz-copy-source", "/secret1/k");
    steal.send().await.refused(403, "AccessDenied");
    let own = writer.put("/bucket/copy", b"").header("x-amz-copy-source", "/bucket/k");
    own.send().await.refused(403, "AccessDenied");
    let upload = writer.post("/bucket/m?uploads", "").send().await.expect(200).element("UploadId");
    let part = writer.put(&format!("/bucket/m?partNumber=1&uploadId={upload}"), b"");
    part.header("x-amz-copy-source", "secret1/k").send().await.refused(403, "AccessDenied");

    // Each sees its own buckets.
    assert_eq!(root.get("/").send().await.expect(200).elements("Name"), ["bucket", "secret1"]);
    assert_eq!(reader.get("/").send().await.expect(200).elements("Name"), ["bucket"]);
    assert!(nothing.get("/").send().await.expect(200).elements("Name").is_empty());
    // What is not in the table is not offered to anybody.
    root.put("/bucket?policy", b"{}").send().await.refused(501, "NotImplemented");
    root.post("/bucket/k?select&select-type=2", "<x/>").send().await.refused(501, "NotImplemented");
    let form = root.post("/bucket", "x").header("content-type", "multipart/form-data; boundary=x");
    form.send().await.refused(501, "NotImplemented");
    world.stop().await;
}

#[tokio::test]
async fn a_new_key_works_at_once_and_a_deleted_one_stops() {
    let world = World::start().await;
    world.client().get("/").send().await.expect(200);
    // Guesses must not become questions: within a moment of the last fetch, unknown is unknown.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    world.store.add_key("FRESH", "fresh-secret", vec![super::rule("*", true, true, true)]);
    world.client_of("FRESH", "fresh-secret").get("/bucket").send().await.expect(200);
    world.stop().await;
}
