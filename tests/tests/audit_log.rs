//! The audit log on a real cluster: who did what, also by the command line; an entry that somebody changes in one metaserver's
//! table is found, and so is a log that was rewritten everywhere, if its end was kept elsewhere.

#[path = "common/forge.rs"]
mod forge;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::admin::Api;
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::wait;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

async fn entries(api: &Api, query: &str) -> Result<Vec<Value>> {
    Ok(api.get(&format!("/audit?limit=1000&{query}")).await?["items"].as_array().cloned().unwrap_or_default())
}

async fn log_in(cluster: &mut Cluster, node: u8) -> Result<Api> {
    Api::new(cluster.node(node).spec().admin).administrator(&cluster.administrator()?).await
}

#[tokio::test]
async fn a_forged_entry_is_found_on_the_metaserver_that_has_it() -> Result<()> {
    let mut cluster = Builder::new("audit_forged").nodes(3).start().await?;
    let root = log_in(&mut cluster, 1).await?;

    // By the API, by the command line, and what the cluster sees by itself.
    let change = json!({ "value": "301" });
    root.change(http::Method::PUT, "/settings/grace_seconds", &change).await?.ok()?;
    cluster.expect(&["admin", "set", "grace_seconds", "302"]).await?;
    let changes = entries(&root, "action=setting.change&target=grace_seconds").await?;
    let who: Vec<_> =
        changes.iter().map(|entry| entry["actor"]["kind"].as_str().unwrap_or_default()).collect();
    ensure!(who == ["cli", "account"], "newest first: {changes:?}");
    ensure!(
        changes[1]["actor"]["name"] == "admin" && changes[0]["details"]["before"] == "301",
        "{changes:?}"
    );
    let logins = entries(&root, "kind=access").await?;
    ensure!(
        logins.iter().any(|entry| entry["action"] == "login" && entry["target"] == "admin"),
        "{logins:?}"
    );

    let victim = if cluster.leader().await? == 2 { 3 } else { 2 };
    cluster.node(victim).kill()?;
    let id = format!("n{victim}");
    wait::until("the dead node to be noted", SOON, async || {
        let events = entries(&root, "kind=event").await?;
        let noted = |entry: &&Value| entry["action"] == "node.down" || entry["action"] == "meta.silent";
        ensure!(events.iter().filter(noted).count() > 0, "{} events, none of {id}", events.len());
        Ok(())
    })
    .await?;
    cluster.restart(victim).await?;
    let verdict = root.post("/audit/verify", &json!({})).await?;
    ensure!(verdict["ok"] == true && verdict["members"].as_array().map(Vec::len) == Some(3), "{verdict}");
    let kept = cluster.expect(&["admin", "audit", "head"]).await?;
    cluster.expect(&["admin", "audit", "verify", "--head", kept.trim()]).await?;

    // Somebody rewrites history where they can: in the table of a stopped metaserver.
    let data = cluster.node(victim).spec().data.clone();
    cluster.node(victim).process()?.terminate(SOON).await?;
    let seq = forge::forge(&data, b"setting.change", b"setting.chance")?;
    cluster.restart(victim).await?;
    wait::until("the forged entry to be found", SOON, async || {
        let verdict = root.post("/audit/verify", &json!({})).await?;
        let members = verdict["members"].as_array().cloned().unwrap_or_default();
        let bad: Vec<&Value> = members.iter().filter(|member| member["ok"] == false).collect();
        ensure!(verdict["ok"] == false && bad.len() == 1 && members.len() == 3, "{verdict}");
        ensure!(
            bad[0]["problems"][0]["seq"] == seq && bad[0]["problems"][0]["code"] == "changed",
            "{verdict}"
        );
        Ok(())
    })
    .await?;
    let refused = cluster.run(&["admin", "audit", "verify"]).await?;
    let told = String::from_utf8_lossy(&refused.stdout).into_owned();
    ensure!(
        !refused.status.success() && told.contains("NOT WHOLE") && told.contains(&format!("entry {seq}")),
        "{told}"
    );

    // One that does not fit what was kept elsewhere.
    let (number, hash) = kept.trim().split_once(':').context("a number and a hash")?;
    let other: String = hash.chars().map(|c| if c == '0' { '1' } else { '0' }).collect();
    let refused = cluster.run(&["admin", "audit", "verify", "--head", &format!("{number}:{other}")]).await?;
    ensure!(String::from_utf8_lossy(&refused.stdout).contains("unlike_given"), "{refused:?}");
    cluster.finish_without_fsck().await
}

/// A cluster whose first node is lost before the others were ever restarted: they must know each other.
#[tokio::test]
async fn the_others_find_each_other_when_the_first_node_is_gone() -> Result<()> {
    let mut cluster = Builder::new("first_gone").nodes(3).start().await?;
    // They ask every ten seconds where metaservers are.
    wait::until("the others to know where metaservers are", SOON, async || {
        for node in [2, 3] {
            let path = cluster_path(&cluster, node);
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let known = text.lines().find(|line| line.starts_with("metaservers")).unwrap_or_default();
            ensure!(known.matches("127.").count() >= 3, "node {node}: {text}");
        }
        Ok(())
    })
    .await?;
    cluster.node(1).kill()?;
    wait::until("the others to be alive for whoever leads now", SOON, async || {
        let status = cluster.status().await?;
        ensure!(status.nodes_alive == 2, "{} alive", status.nodes_alive);
        Ok(())
    })
    .await?;
    // For longer than silence takes to count.
    let end = tokio::time::Instant::now() + Duration::from_secs(15);
    while tokio::time::Instant::now() < end {
        let status = cluster.status().await?;
        ensure!(status.nodes_alive >= 2 || status.leader == 0, "{} alive", status.nodes_alive);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    cluster.restart(1).await?;
    cluster.finish().await
}

fn cluster_path(cluster: &Cluster, node: u8) -> std::path::PathBuf {
    cluster.spec(node).data.join("identity.toml")
}
