//! Signatures against the examples of the S3 documentation, made by somebody else.

use http::Request;

use super::*;
use crate::store::memory::MemoryStore;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: i64 = 1_369_353_600;
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn ring() -> KeyRing {
    let store = MemoryStore::new();
    store.add_key(KEY, SECRET, vec![]);
    KeyRing::new(Arc::new(store))
}

async fn check(request: http::request::Builder, path: &str, now: i64) -> Result<Authenticated, AuthError> {
    let (parts, ()) = request.body(()).unwrap().into_parts();
    authenticate(&parts, path, &ring(), "us-east-1", now).await
}

fn documented_get(signature: &str) -> http::request::Builder {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature={signature}"
    );
    Request::get("/test.txt")
        .header("host", "examplebucket.s3.amazonaws.com")
        .header("range", "bytes=0-9")
        .header("x-amz-content-sha256", EMPTY)
        .header("x-amz-date", "20130524T000000Z")
        .header("authorization", authorization)
}

const GET: &str = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";

#[tokio::test]
async fn the_documented_get_is_let_in() {
    let authenticated = check(documented_get(GET), "/test.txt", NOW).await.unwrap();
    assert_eq!(authenticated.key.id, KEY);
    assert!(matches!(authenticated.payload, Payload::Hash(_)));
}

#[tokio::test]
async fn the_documented_put_with_a_reserved_character_is_let_in() {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,\
         Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    );
    let request = Request::put("/test$file.text")
        .header("host", "examplebucket.s3.amazonaws.com")
        .header("date", "Fri, 24 May 2013 00:00:00 GMT")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
        .header("authorization", authorization);
    check(request, "/test$file.text", NOW).await.unwrap();
}

#[tokio::test]
async fn the_documented_list_is_let_in() {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,\
         SignedHeaders=host;x-amz-content-sha256;x-amz-date,\
         Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
    );
    let request = Request::get("/?max-keys=2&prefix=J")
        .header("host", "examplebucket.s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-content-sha256", EMPTY)
        .header("authorization", authorization);
    check(request, "/", NOW).await.unwrap();
}

fn presigned(extra: &str) -> http::request::Builder {
    Request::get(format!(
        "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
         &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
         &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404{extra}"
    ))
    .header("host", "examplebucket.s3.amazonaws.com")
}

#[tokio::test]
async fn the_documented_presigned_url_is_let_in_until_it_expires() {
    check(presigned(""), "/test.txt", NOW).await.unwrap();
    check(presigned(""), "/test.txt", NOW + 86_400).await.unwrap();
    check(presigned(""), "/test.txt", NOW - 900).await.unwrap();
    assert_eq!(check(presigned(""), "/test.txt", NOW + 86_401).await.unwrap_err(), AuthError::Expired);
    assert_eq!(check(presigned(""), "/test.txt", NOW - 901).await.unwrap_err(), AuthError::Skewed);
    assert_eq!(check(presigned("&x=1"), "/test.txt", NOW).await.unwrap_err(), AuthError::Mismatch);
    let added = presigned("").header("x-amz-acl", "private");
    assert!(matches!(check(added, "/test.txt", NOW).await.unwrap_err(), AuthError::HeadersNotSigned(_)));
}

#[tokio::test]
async fn clocks_may_differ_by_fifteen_minutes() {
    for good in [NOW - 900, NOW + 900] {
        check(documented_get(GET), "/test.txt", good).await.unwrap();
    }
    for bad in [NOW - 901, NOW + 901] {
        assert_eq!(check(documented_get(GET), "/test.txt", bad).await.unwrap_err(), AuthError::Skewed);
    }
}

#[tokio::test]
async fn every_changed_signature_is_refused() {
    for at in 0..64 {
        let mut signature = GET.to_owned().into_bytes();
        signature[at] = if signature[at] == b'0' { b'1' } else { b'0' };
        let signature = String::from_utf8(signature).unwrap();
        assert_eq!(
            check(documented_get(&signature), "/test.txt", NOW).await.unwrap_err(),
            AuthError::Mismatch
        );
    }
}

#[tokio::test]
async fn steering_headers_must_be_signed() {
    let request = documented_get(GET).header("x-amz-copy-source", "a/b");
    let error = check(request, "/test.txt", NOW).await.unwrap_err();
    assert_eq!(error, AuthError::HeadersNotSigned("x-amz-copy-source".into()));
    let twice = documented_get(GET).header("x-amz-date", "20130524T000000Z");
    assert_eq!(check(twice, "/test.txt", NOW).await.unwrap_err(), AuthError::DuplicateHeader("x-amz-date"));
}

#[tokio::test]
async fn requests_without_a_known_key_are_refused() {
    let anonymous = Request::get("/").header("host", "h");
    assert_eq!(check(anonymous, "/", NOW).await.unwrap_err(), AuthError::Anonymous);
    let unknown = format!(
        "AWS4-HMAC-SHA256 Credential=NOBODY/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={GET}"
    );
    let request = Request::get("/")
        .header("host", "h")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-content-sha256", EMPTY)
        .header("authorization", unknown);
    assert_eq!(check(request, "/", NOW).await.unwrap_err(), AuthError::UnknownKey);
}
