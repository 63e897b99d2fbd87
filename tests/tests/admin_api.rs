//! The admin API on real clusters: who may come in and what they may do, what lands in the audit log and stays true there,
//! the same on every metaserver, and what is refused.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use holdfast_tests::admin::Api;
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::wait;
use http::{Method, StatusCode};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const PASSWORD: &str = "correct horse battery";

async fn root(cluster: &mut Cluster, node: u8) -> Result<Api> {
    Api::new(cluster.node(node).spec().admin).administrator(&cluster.administrator()?).await
}

/// An account with a role, logged in.
async fn account(root: &Api, name: &str, role: &str) -> Result<Api> {
    let new = json!({ "name": name, "role": role, "password": PASSWORD, "keep_password": true });
    root.post("/accounts", &new).await?;
    let nobody = root.without("cookie").without("x-holdfast-csrf");
    nobody.login(name, PASSWORD).await
}

async fn audit(api: &Api, query: &str) -> Result<Vec<Value>> {
    Ok(api.get(&format!("/audit?limit=1000&{query}")).await?["items"].as_array().cloned().unwrap_or_default())
}

#[tokio::test]
async fn every_metaserver_serves_it_and_knows_the_same_people() -> Result<()> {
    let mut cluster = Builder::new("api_everywhere").nodes(3).start().await?;
    let first = root(&mut cluster, 1).await?;
    for node in 1..=3 {
        // A login at one is a login at all.
        let here = first.at(cluster.node(node).spec().admin);
        let overview = here.get("/overview").await?;
        ensure!(
            overview["complete"] == true && overview["meta"]["voters"].as_array().map(Vec::len) == Some(3)
        );
        ensure!(overview["meta"]["tolerates"] == 1, "{overview}");
        let topology = here.get("/topology").await?;
        ensure!(topology["nodes"].as_array().map(Vec::len) == Some(3), "{topology}");
    }
    let document = first.get("/openapi.json").await?;
    ensure!(
        document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        document["openapi"]
    );
    ensure!(document["paths"].as_object().is_some_and(|paths| paths.len() > 40));
    let page = first.send(Method::GET, "/", None).await?;
    ensure!(page.status == StatusCode::OK && page.header("content-type").starts_with("text/html"));
    ensure!(page.header("content-security-policy").contains("frame-ancestors 'none'"));

    // The leader dies: who is in stays in, at the others. They have to know each other by then.
    wait::until("the others to know where metaservers are", SOON, async || {
        for node in 1..=3 {
            let path = cluster.spec(node).data.join("identity.toml");
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let known = text.lines().find(|line| line.starts_with("metaservers")).unwrap_or_default();
            ensure!(known.matches("127.").count() >= 3, "node {node}: {text}");
        }
        Ok(())
    })
    .await?;
    let dead = cluster.leader().await?;
    cluster.node(dead).kill()?;
    let other = if dead == 1 { 2 } else { 1 };
    let there = first.at(cluster.node(other).spec().admin);
    wait::until("another leader to answer", SOON, async || {
        let overview = there.get("/overview").await?;
        ensure!(overview["complete"] == true, "{}", overview["health"]);
        Ok(())
    })
    .await?;
    wait::until("the dead node to be named", SOON, async || {
        let overview = there.get("/overview").await?;
        let issues = overview["issues"].as_array().cloned().unwrap_or_default();
        ensure!(issues.iter().any(|issue| issue["code"] == "node_down"), "{issues:?}");
        Ok(())
    })
    .await?;
    cluster.restart(dead).await?;
    cluster.finish().await
}

#[tokio::test]
async fn roles_hold_and_denials_are_noted() -> Result<()> {
    let mut cluster = Builder::new("api_roles").nodes(1).start().await?;
    let root = root(&mut cluster, 1).await?;
    let viewer = account(&root, "vera", "viewer").await?;
    let operator = account(&root, "olga", "operator").await?;
    let disk = root.get("/topology").await?["disks"][0]["id"].as_u64().context("no disk")?;

    let look = [
        "/overview",
        "/topology",
        "/groups",
        "/balance",
        "/repair",
        "/scrub",
        "/audit",
        "/settings",
        "/files?path=/",
    ];
    for path in look {
        viewer.get(path).await?;
    }
    let steer = [
        (Method::POST, format!("/disks/{disk}/drain"), json!({ "preview": true })),
        (Method::PATCH, format!("/disks/{disk}"), json!({ "weight": 2.0 })),
        (Method::POST, "/scrub".to_owned(), json!({})),
        (Method::POST, "/balance/pause".to_owned(), json!({})),
        (Method::POST, "/buckets".to_owned(), json!({ "name": "steered" })),
    ];
    let rule = [
        (Method::PUT, "/settings/grace_seconds".to_owned(), json!({ "value": "100" })),
        (
            Method::POST,
            "/accounts".to_owned(),
            json!({ "name": "eve", "role": "admin", "password": PASSWORD }),
        ),
        (Method::PATCH, "/accounts/vera".to_owned(), json!({ "role": "admin" })),
        (Method::POST, "/keys".to_owned(), json!({})),
        (Method::POST, "/join-token".to_owned(), json!({})),
        (Method::POST, "/meta/transfer".to_owned(), json!({ "node": 0 })),
    ];
    for (method, path, body) in steer.iter().chain(&rule) {
        let answer = viewer.change(method.clone(), path, body).await?;
        ensure!(answer.status == StatusCode::FORBIDDEN && answer.code() == "forbidden", "{path}: {answer:?}");
    }
    for (method, path, body) in &rule {
        let answer = operator.change(method.clone(), path, body).await?;
        ensure!(answer.status == StatusCode::FORBIDDEN, "{path}: {answer:?}");
    }
    for (method, path, body) in &steer {
        let answer = operator.change(method.clone(), path, body).await?;
        ensure!(answer.status != StatusCode::FORBIDDEN, "{path}: {answer:?}");
    }
    // A token does no more than it was made for, and nobody makes one that does more than they may.
    let answer =
        viewer.change(Method::POST, "/tokens", &json!({ "description": "x", "role": "admin" })).await?;
    ensure!(answer.status == StatusCode::FORBIDDEN, "{answer:?}");
    let made = root.post("/tokens", &json!({ "description": "watch", "role": "viewer" })).await?;
    let token = root.token(made["token"].as_str().context("no token")?);
    token.get("/overview").await?;
    ensure!(token.change(Method::POST, "/scrub", &json!({})).await?.status == StatusCode::FORBIDDEN);
    wait::until("denials to be noted", SOON, async || {
        let denied = audit(&root, "action=access.denied").await?;
        ensure!(denied.iter().any(|entry| entry["actor"]["name"] == "vera"), "{} entries", denied.len());
        Ok(())
    })
    .await?;
    cluster.finish().await
}

#[tokio::test]
async fn who_comes_in_and_who_does_not() -> Result<()> {
    let mut cluster = Builder::new("api_access").nodes(1).start().await?;
    let nobody = Api::new(cluster.node(1).spec().admin);
    let root = root(&mut cluster, 1).await?;
    let answer = nobody.send(Method::GET, "/api/v1/overview", None).await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED && answer.code() == "unauthenticated", "{answer:?}");

    // A cookie alone changes nothing (CSRF), nor does a page of another site log anybody in.
    let change = json!({ "value": "400" });
    let path = "/settings/grace_seconds";
    for forged in
        [root.without("x-holdfast-csrf"), root.with("x-holdfast-csrf", "0123456789abcdef0123456789abcdef")]
    {
        let answer = forged.change(Method::PUT, path, &change).await?;
        ensure!(answer.status == StatusCode::FORBIDDEN && answer.code() == "csrf", "{answer:?}");
    }
    let admin = cluster.administrator()?;
    let form = json!({ "account": admin.account, "password": admin.password });
    let answer =
        nobody.with("sec-fetch-site", "cross-site").change(Method::POST, "/auth/login", &form).await?;
    ensure!(answer.code() == "csrf", "{answer:?}");
    let answer = nobody.change(Method::POST, "/auth/login", &form).await?;
    let cookie = answer.header("set-cookie").to_owned();
    ensure!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");

    // Guessing: wrong, and after a while slow; who is there is not told.
    for (account, tries) in [("admin", 6), ("nosuch", 6)] {
        for _ in 0..tries {
            let guess = json!({ "account": account, "password": "wrong wrong" });
            let answer = nobody.change(Method::POST, "/auth/login", &guess).await?;
            ensure!(answer.code() == "wrong_password", "{account}: {answer:?}");
        }
        let guess = json!({ "account": account, "password": "wrong wrong" });
        let answer = nobody.change(Method::POST, "/auth/login", &guess).await?;
        ensure!(answer.status == StatusCode::TOO_MANY_REQUESTS && answer.code() == "throttled", "{answer:?}");
        ensure!(!answer.header("retry-after").is_empty());
    }

    // What is taken back ends at once: a session, a token, an account.
    let vera = account_from(&root, "vera").await?;
    let token = vera.post("/tokens", &json!({ "description": "", "role": "viewer" })).await?;
    let program = vera.token(token["token"].as_str().context("no token")?);
    program.get("/overview").await?;
    let id = token["id"].as_str().context("no id")?;
    ensure!(
        vera.change(Method::DELETE, &format!("/tokens/{id}"), &json!({})).await?.status
            == StatusCode::NO_CONTENT
    );
    let answer = program.send(Method::GET, "/api/v1/overview", None).await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "{answer:?}");
    ensure!(
        root.change(Method::PATCH, "/accounts/vera", &json!({ "disabled": true })).await?.status.is_success()
    );
    let answer = vera.send(Method::GET, "/api/v1/overview", None).await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "{answer:?}");
    ensure!(vera.change(Method::POST, "/auth/logout", &json!({})).await?.status == StatusCode::UNAUTHORIZED);

    // The last administrator stays.
    for (method, body) in [
        (Method::DELETE, json!({})),
        (Method::PATCH, json!({ "disabled": true })),
        (Method::PATCH, json!({ "role": "viewer" })),
    ] {
        let answer = root.change(method, "/accounts/admin", &body).await?;
        ensure!(answer.status == StatusCode::PRECONDITION_FAILED, "{answer:?}");
    }
    cluster.finish().await
}

async fn account_from(root: &Api, name: &str) -> Result<Api> {
    // Another address than the one that guessed: a login is not held up by it.
    let new = json!({ "name": name, "role": "viewer", "password": PASSWORD, "keep_password": true });
    root.post("/accounts", &new).await?;
    root.without("cookie").without("x-holdfast-csrf").login(name, PASSWORD).await
}

#[tokio::test]
async fn a_first_password_has_to_be_changed() -> Result<()> {
    let mut cluster = Builder::new("api_password").nodes(1).start().await?;
    let root = root(&mut cluster, 1).await?;
    root.post("/accounts", &json!({ "name": "olga", "role": "operator", "password": PASSWORD })).await?;
    let nobody = root.without("cookie").without("x-holdfast-csrf");
    let olga = nobody.login("olga", PASSWORD).await?;
    let me = olga.get("/auth/me").await?;
    ensure!(me["must_change_password"] == true, "{me}");
    let answer = olga.send(Method::GET, "/api/v1/overview", None).await?;
    ensure!(answer.code() == "must_change_password", "{answer:?}");
    for (old, new, code) in [
        ("wrong wrong", "another good one", "wrong_password"),
        (PASSWORD, "short", "invalid_argument"),
        (PASSWORD, PASSWORD, "invalid_argument"),
    ] {
        let change = json!({ "old_password": old, "new_password": new });
        let answer = olga.change(Method::POST, "/auth/password", &change).await?;
        ensure!(answer.code() == code, "{new}: {answer:?}");
    }
    let second = nobody.login("olga", PASSWORD).await?;
    let change = json!({ "old_password": PASSWORD, "new_password": "another good one" });
    ensure!(olga.change(Method::POST, "/auth/password", &change).await?.status == StatusCode::NO_CONTENT);
    olga.get("/overview").await?;
    let answer = second.send(Method::GET, "/api/v1/auth/me", None).await?;
    ensure!(answer.status == StatusCode::UNAUTHORIZED, "the other login is over");
    nobody.login("olga", "another good one").await?;
    cluster.finish().await
}

#[tokio::test]
async fn files_go_in_and_out_and_into_the_trash() -> Result<()> {
    let mut cluster = Builder::new("api_files").nodes(1).trash().start().await?;
    let root = root(&mut cluster, 1).await?;
    ensure!(root.get("/overview").await?["empty"] == true);
    // What existed for a moment only is kept as well.
    root.change(Method::PUT, "/settings/trash_min_age_seconds", &json!({ "value": "0" })).await?.ok()?;
    root.post("/buckets", &json!({ "name": "files" })).await?;
    let answer = root.change(Method::POST, "/buckets", &json!({ "name": "../x" })).await?;
    ensure!(answer.status == StatusCode::BAD_REQUEST, "{answer:?}");

    // Names that would hurt a page that believed them.
    let hostile = "<img src=x onerror=alert(1)>\u{202e}&%41.html";
    let encoded = "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%E2%80%AE%26%2541.html";
    let path = format!("/api/v1/files/content?path=/files/{encoded}");
    let body = Bytes::from_static(b"<script>alert(1)</script>");
    root.raw(Method::PUT, &path, Some("text/html"), body.clone()).await?.ok()?;
    let listed = root.get("/files?path=/files").await?;
    ensure!(listed["items"][0]["name"] == hostile, "{listed}");
    let answer = root.send(Method::GET, &format!("{path}&disposition=inline"), None).await?;
    ensure!(answer.body == body && answer.header("content-type").starts_with("text/plain"), "{answer:?}");
    ensure!(answer.header("content-security-policy").contains("sandbox"), "{answer:?}");
    ensure!(root.raw(Method::PUT, &path, None, body).await?.code() == "exists");

    // In parts, which arrive in any order, with a range of it read back.
    let data: Vec<u8> = (0..40_000_000u32).map(|i| (i / 7) as u8).collect();
    let begun = root.post("/uploads", &json!({ "path": "/files/dir/big", "size": data.len() })).await?;
    let (id, part_bytes) =
        (begun["id"].as_str().context("no id")?, begun["part_bytes"].as_u64().context("no length")?);
    let parts: Vec<&[u8]> = data.chunks(part_bytes as usize).collect();
    for (at, part) in parts.iter().enumerate().rev() {
        let path = format!("/api/v1/uploads/{id}/parts/{}", at + 1);
        let answer = root.raw(Method::PUT, &path, None, Bytes::copy_from_slice(part)).await?;
        ensure!(answer.status == StatusCode::NO_CONTENT, "{answer:?}");
        let short = root.raw(Method::PUT, &path, None, Bytes::from_static(b"short")).await?;
        ensure!(short.status == StatusCode::BAD_REQUEST, "{short:?}");
        let so_far = root.get(&format!("/uploads/{id}")).await?["parts"].as_array().map(Vec::len);
        ensure!(so_far == Some(parts.len() - at));
    }
    root.post(&format!("/uploads/{id}/complete"), &json!({})).await?;
    let path = "/api/v1/files/content?path=/files/dir/big";
    let answer = root.with("range", "bytes=20000000-20000099").send(Method::GET, path, None).await?;
    ensure!(answer.status == StatusCode::PARTIAL_CONTENT && answer.body == data[20_000_000..20_000_100]);
    let answer = root.send(Method::GET, path, None).await?;
    ensure!(answer.body == data, "the whole file");

    // A link for whoever has it, until it is taken back.
    let share = root.post("/shares", &json!({ "path": "/files/dir/big", "expires_in_seconds": 600 })).await?;
    let nobody = root.without("cookie").without("x-holdfast-csrf");
    let url = share["url"].as_str().context("no url")?;
    let answer = nobody.with("range", "bytes=0-9").send(Method::GET, url, None).await?;
    ensure!(answer.body == data[..10], "{answer:?}");
    let taken = format!("/shares/{}", share["id"].as_str().context("no id")?);
    ensure!(root.change(Method::DELETE, &taken, &json!({})).await?.status == StatusCode::NO_CONTENT);
    ensure!(nobody.send(Method::GET, url, None).await?.status == StatusCode::NOT_FOUND);
    ensure!(nobody.send(Method::GET, "/s/guessed", None).await?.status == StatusCode::NOT_FOUND);

    // Deleted, seen in the trash, brought back.
    let answer = root.send(Method::DELETE, "/api/v1/files?path=/files/dir/big", None).await?;
    ensure!(answer.status.is_success(), "{answer:?}");
    let item = wait::until("the deleted file to be in the trash", SOON, async || {
        let trash = root.get("/trash?path=/files").await?;
        let items = trash["items"].as_array().context("no list")?;
        items.iter().find(|item| item["path"] == "/files/dir/big").cloned().with_context(|| trash.to_string())
    })
    .await?;
    let restore = json!({ "items": [{ "ino": item["ino"], "index": item["index"] }] });
    root.post("/trash/restore", &restore).await?;
    ensure!(root.get("/files/stat?path=/files/dir/big").await?["size"] == data.len());
    ensure!(root.get("/files/stat?path=/files/none&maybe=true").await?.is_null(), "a free name");
    let answer = root.send(Method::GET, "/api/v1/files/stat?path=/files/none", None).await?;
    ensure!(answer.status == StatusCode::NOT_FOUND, "{answer:?}");

    // Groups in another order, page by page: all of them once, and in that order.
    let level = |group: &Value| {
        let levels = ["unavailable", "at_risk", "degraded", "whole"];
        levels.iter().position(|level| group["level"] == *level).map(|position| position as i64)
    };
    for sort in ["id", "bytes", "risk"] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = root.get(&format!("/groups?sort={sort}&limit=5&after={after}")).await?;
            seen.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = next.to_owned(),
                None => break,
            }
        }
        let mut ids: Vec<u64> = seen.iter().filter_map(|group| group["id"].as_u64()).collect();
        let key = |group: &Value| if sort == "risk" { level(group) } else { group[sort].as_i64() };
        let by: Vec<i64> = seen.iter().filter_map(key).collect();
        ensure!(ids.len() > 10 && by.len() == ids.len(), "{sort}: {} groups", ids.len());
        let fine = match sort {
            "bytes" => by.is_sorted_by(|a, b| a >= b),
            _ => by.is_sorted(),
        };
        ensure!(fine, "{sort}: {by:?}");
        ids.sort_unstable();
        ids.dedup();
        ensure!(ids.len() == seen.len(), "{sort}: {} of {} groups are others", ids.len(), seen.len());
    }
    cluster.finish().await
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_one_form() -> Result<()> {
    let mut cluster = Builder::new("api_refusals").nodes(1).start().await?;
    let root = root(&mut cluster, 1).await?;
    let get = [
        "/nodes/0",
        "/nodes/999",
        "/disks/x",
        "/groups?level=bad",
        "/groups?limit=0",
        "/audit?from=yesterday",
        "/audit?nonsense=1",
        "/history?range=2h",
        "/files?path=relative",
        "/files?path=/../x",
        "/nothing",
        "/events?topics=x",
        "/groups?after=x",
        "/groups?after=5&sort=bytes",
        "/groups?class=0",
        "/groups?disk=0",
        "/groups?state=",
        "/groups?limit=1&limit=2",
        "/files?path=/&nonsense=1",
        "/audit/0",
        "/audit/999999999",
        "/audit/x",
        "/trash?after=%FF",
        "/uploads/1",
    ];
    for path in get {
        let answer = root.send(Method::GET, &format!("/api/v1{path}"), None).await?;
        let fine = answer.status.is_client_error() && !answer.code().is_empty();
        ensure!(fine && !answer.json()["error"]["request_id"].is_null(), "{path}: {answer:?}");
    }
    let answer =
        root.raw(Method::POST, "/api/v1/buckets", Some("text/plain"), Bytes::from_static(b"{}")).await?;
    ensure!(answer.status == StatusCode::UNSUPPORTED_MEDIA_TYPE, "{answer:?}");
    let answer =
        root.raw(Method::POST, "/api/v1/buckets", Some("application/json"), Bytes::from_static(b"{")).await?;
    ensure!(answer.code() == "invalid_argument", "{answer:?}");
    let answer = root.send(Method::POST, "/api/v1/overview", None).await?;
    ensure!(answer.status == StatusCode::METHOD_NOT_ALLOWED, "{answer:?}");
    ensure!(answer.header("allow").contains("GET"), "{answer:?}");
    for body in ["[\"abc\"]", "null", "{\"name\":\"abc\",\"more\":1}", "{\"name\":\"A\"}", "{}"] {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answer = root.raw(Method::POST, "/api/v1/buckets", Some("application/json"), body).await?;
        ensure!(
            answer.status == StatusCode::BAD_REQUEST && answer.code() == "invalid_argument",
            "{answer:?}"
        );
    }
    let head = root.get("/audit/head").await?;
    let entry = root.get(&format!("/audit/{}", head["seq"])).await?;
    ensure!(entry["hash"] == head["hash"] && entry["seq"] == head["seq"], "{entry} is not {head}");
    let setting = root.change(Method::PUT, "/settings/grace_seconds", &json!({ "value": "1" })).await?;
    ensure!(setting.status == StatusCode::UNPROCESSABLE_ENTITY);
    ensure!(setting.code() == "invalid_argument", "{setting:?}");
    // Last: the connection ends with it, as nobody reads the rest.
    let huge = Bytes::from(vec![b' '; (1 << 20) + 1]);
    let answer = root.raw(Method::POST, "/api/v1/buckets", Some("application/json"), huge).await?;
    ensure!(answer.status == StatusCode::PAYLOAD_TOO_LARGE, "{answer:?}");
    cluster.finish().await
}
