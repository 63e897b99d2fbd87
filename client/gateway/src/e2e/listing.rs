//! Listings: pages, prefixes, delimiters, both forms.

use bytes::Bytes;
use holdfast_proto::op::{CopyObject, Op};

use super::World;
use crate::store::Store as _;

async fn filled(keys: &[&str]) -> World {
    let world = World::start().await;
    for key in keys {
        world.client().put(&format!("/bucket/{key}"), b"x").send().await.expect(200);
    }
    world
}

#[tokio::test]
async fn pages_follow_each_other_without_gap() {
    let keys: Vec<String> = (0..25).map(|i| format!("k{i:02}")).collect();
    let world = filled(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let client = world.client();
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let next = if token.is_empty() { String::new() } else { format!("&continuation-token={token}") };
        let page = client.get(&format!("/bucket?list-type=2&max-keys=10{next}")).send().await.expect(200);
        seen.extend(page.elements("Key"));
        token = page.element("NextContinuationToken");
        assert_eq!(page.element("IsTruncated"), (!token.is_empty()).to_string());
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, keys);
    let (mut seen, mut marker) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/bucket?max-keys=7&marker={marker}")).send().await.expect(200);
        seen.extend(page.elements("Key"));
        marker = page.element("NextMarker");
        if page.element("IsTruncated") == "false" {
            break;
        }
    }
    assert_eq!(seen, keys);
    let after = client.get("/bucket?list-type=2&start-after=k22").send().await.expect(200);
    assert_eq!(after.elements("Key"), ["k23", "k24"]);
    client.get("/bucket?list-type=2&continuation-token=junk").send().await.refused(400, "InvalidArgument");
    client.get("/bucket?list-type=2&max-keys=-1").send().await.refused(400, "InvalidArgument");
    client.get("/bucket?list-type=2&max-keys=x").send().await.refused(400, "InvalidArgument");
    let none = client.get("/bucket?list-type=2&max-keys=0").send().await.expect(200);
    assert_eq!((none.element("KeyCount"), none.element("IsTruncated")), ("0".into(), "false".into()));
    client.get("/absent?list-type=2&max-keys=0").send().await.refused(404, "NoSuchBucket");
    world.stop().await;
}

#[tokio::test]
async fn delimiters_fold_what_lies_below() {
    let world = filled(&["a", "a/1", "a/2", "b--1", "b--2", "c/d/e", "z"]).await;
    let client = world.client();
    let page = client.get("/bucket?list-type=2&delimiter=/").send().await.expect(200);
    assert_eq!(page.elements("Key"), ["a", "b--1", "b--2", "z"]);
    assert_eq!(page.elements("CommonPrefixes"), ["<Prefix>a/</Prefix>", "<Prefix>c/</Prefix>"]);
    let below = client.get("/bucket?delimiter=/&prefix=c/").send().await.expect(200);
    assert_eq!(below.elements("CommonPrefixes"), ["<Prefix>c/d/</Prefix>"]);
    let other = client.get("/bucket?list-type=2&delimiter=--").send().await.expect(200);
    assert_eq!(other.elements("CommonPrefixes"), ["<Prefix>b--</Prefix>"]);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let next = if token.is_empty() { String::new() } else { format!("&continuation-token={token}") };
        let page =
            client.get(&format!("/bucket?list-type=2&delimiter=/&max-keys=1{next}")).send().await.expect(200);
        seen.extend(page.elements("Key"));
        seen.extend(page.elements("CommonPrefixes"));
        token = page.element("NextContinuationToken");
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["a", "<Prefix>a/</Prefix>", "b--1", "b--2", "<Prefix>c/</Prefix>", "z"]);
    let owned = client.get("/bucket?list-type=2&fetch-owner=true&max-keys=1").send().await.expect(200);
    assert_eq!(owned.element("ID"), "holdfast");
    let versions = client.get("/bucket?versions").send().await.expect(200);
    assert_eq!(versions.elements("VersionId"), vec!["null"; 7]);
    world.stop().await;
}

/// Keys that a mount may make: not all of them are text.
async fn with_odd_keys(keys: &[&'static [u8]]) -> World {
    let world = World::start().await;
    world.client().put("/bucket/text", b"x").send().await.expect(200);
    for key in keys {
        let copy = CopyObject {
            source_bucket: "bucket".into(),
            source_key: Bytes::from_static(b"text"),
            bucket: "bucket".into(),
            key: Bytes::from_static(key),
            ..CopyObject::default()
        };
        world.store.change(Op::CopyObject(copy)).await.unwrap();
    }
    world
}

#[tokio::test]
async fn keys_that_are_no_text_are_listed_once() {
    let world =
        with_odd_keys(&[b"\xc3", b"\xffx", b"\xffy", b"\xffz/1", b"\xffz/2", "\u{fffd}z".as_bytes()]).await;
    let client = world.client();
    // As clients do: the marker is text, and goes back as such.
    let decode = |text: &str| crate::auth::decode_percent(text, false).expect("markers are text");
    let expected = ["text", "%C3", "%EF%BF%BDz", "%FFx", "%FFy", "%FFz/1", "%FFz/2"];
    for (page, next, items) in [
        ("max-keys=1", "NextMarker", &expected[..]),
        ("versions&max-keys=2", "NextKeyMarker", &expected[..]),
        ("max-keys=1&delimiter=/", "NextMarker", &expected[..5]),
    ] {
        let name = if next == "NextMarker" { "marker" } else { "key-marker" };
        let (mut seen, mut prefixes, mut marker) = (Vec::new(), 0, String::new());
        for _ in 0..20 {
            let target = format!(
                "/bucket?{page}&encoding-type=url&{name}={}",
                crate::auth::encode_percent(marker.as_bytes(), false)
            );
            let page = client.get(&target).send().await.expect(200);
            seen.extend(page.elements("Key"));
            prefixes += page.elements("CommonPrefixes").len();
            marker = decode(&page.element(next));
            if page.element("IsTruncated") == "false" {
                break;
            }
        }
        assert_eq!(
            (seen, prefixes),
            (items.iter().map(ToString::to_string).collect(), usize::from(items.len() == 5))
        );
    }
    // Without an encoding, XML shows replacement characters, and the marker is exact all the same.
    let page = client.get("/bucket?max-keys=4").send().await.expect(200);
    let target = format!("/bucket?marker={}", page.element("NextMarker"));
    assert_eq!(client.get(&target).send().await.expect(200).elements("Key").len(), 3);
    world.stop().await;
}
