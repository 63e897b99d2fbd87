//! Listings: pages, prefixes, delimiters, both forms.

use super::World;

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
