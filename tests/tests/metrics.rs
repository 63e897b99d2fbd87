//! What is in `deploy/` for those who watch a cluster: the Grafana board and the Prometheus rules load, and every metric
//! that they name is one that a real cluster shows, with a help text.
//!
//! Families that exist only once something happened (a refused request, a node that is down) are provoked. The list of all
//! metrics, `METRICS.md`, is compared both ways ([`reference`]).

#[path = "metrics/reference.rs"]
mod reference;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::Mount;
use holdfast_tests::raw::{self, Then};
use holdfast_tests::tool::Tool;
use holdfast_tests::{addresses, s3, skip, skip_unless_mounts, source, wait};
use serde_json::Value;

/// Longest time until everything has happened that families wait for: a killed node counts as down after 10 s.
const SOON: Duration = Duration::from_secs(90);

/// Large enough to become a chunk.
const CHUNK: usize = 200_000;

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// All files of a directory that end like this, in order.
fn files(dir: &str, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(source::file(dir)).with_context(|| format!("list {dir}"))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "nothing in {dir} ends with {ending}");
    Ok(found)
}

/// Everything that may be the name of a metric or of a recorded rule.
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.split(move |c: char| !is_part(c)).filter(|word| !word.is_empty())
}

/// The metrics of ours that this text names.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let ours = |word: &&str| word.starts_with("holdfast_") || word.starts_with("process_");
    identifiers(text).filter(ours).map(str::to_owned).collect()
}

/// Rules without their comments.
fn rules_text() -> Result<String> {
    let mut all = String::new();
    for path in files("deploy/prometheus/rules", ".yml")? {
        for line in read(&path)?.lines().filter(|line| !line.trim_start().starts_with('#')) {
            all.push_str(line);
            all.push('\n');
        }
    }
    Ok(all)
}

fn board() -> Result<Value> {
    Ok(serde_json::from_str(&read(&source::file("deploy/grafana/holdfast.json"))?)?)
}

/// The texts of the board that are asked of Prometheus: of panels, annotations and variables.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" || name == "definition" => found.push(text.clone()),
                    other => queries(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

/// Everything that the board and the rules name.
fn named() -> Result<BTreeSet<String>> {
    let mut texts = vec![rules_text()?];
    queries(&board()?, &mut texts);
    let names: BTreeSet<String> = texts.iter().flat_map(|text| metrics_in(text)).collect();
    ensure!(names.len() > 50, "hardly anything is looked at: {names:?}");
    Ok(names)
}

/// Panels at all depths; rows hold others.
fn panels<'b>(at: &'b Value, found: &mut Vec<&'b Value>) {
    for panel in at["panels"].as_array().into_iter().flatten() {
        found.push(panel);
        panels(panel, found);
    }
}

/// A family of metrics as it was scraped.
#[derive(Clone, Debug, Default)]
struct Family {
    kind: String,
    help: String,
}

/// The families in a text of `/metrics`.
fn families(text: &str) -> BTreeMap<String, Family> {
    let mut found: BTreeMap<String, Family> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            found.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            found.entry(name.to_owned()).or_default().kind = kind.to_owned();
        }
    }
    found
}

/// The family that a name in a query belongs to.
fn family<'f>(families: &'f BTreeMap<String, Family>, name: &str) -> Option<&'f Family> {
    let of_histogram = || {
        let bare = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(*suffix))?;
        families.get(bare).filter(|family| family.kind == "histogram")
    };
    families.get(name).or_else(of_histogram)
}

/// Those of these names that are not there, or have no help text.
fn absent<'n>(
    names: impl IntoIterator<Item = &'n String>,
    families: &BTreeMap<String, Family>,
) -> Vec<&'n String> {
    let shown = |name: &str| family(families, name).is_some_and(|family| !family.help.trim().is_empty());
    names.into_iter().filter(|name| !shown(name)).collect()
}

async fn scraped(http: &s3::Client, url: &str) -> Result<String> {
    let answer = http.plain(url).await.with_context(|| format!("scrape {url}"))?;
    Ok(String::from_utf8(answer.body.to_vec())?)
}

/// What the nodes that run show, one text for each.
async fn scrape_all(cluster: &mut Cluster) -> Result<Vec<String>> {
    let http = cluster.s3();
    let mut texts = Vec::new();
    for number in 1..=cluster.len() {
        let node = cluster.node(number);
        if node.is_running() {
            let url = format!("http://{}/metrics", node.spec().admin);
            texts.push(scraped(&http, &url).await?);
        }
    }
    Ok(texts)
}

/// `promtool`, where it is installed.
async fn promtool(home: &Path) -> Result<Option<Tool>> {
    let found = Tool::find(&[&["promtool", "--version"]], home).await?;
    if found.is_none() {
        skip::announce_missing("what Prometheus says of rules and metrics", "promtool", "prometheus");
    }
    Ok(found)
}

#[test]
fn names_are_found_in_expressions() {
    let text =
        r#"sum by (le) (rate(holdfast_a_seconds_bucket{x="y"}[5m])) / process_b > cluster:holdfast_c:ratio"#;
    let want = ["holdfast_a_seconds_bucket", "process_b"].map(str::to_owned);
    assert_eq!(metrics_in(text), BTreeSet::from(want));
    let shown = families(
        "# HELP holdfast_a_seconds Help\n# TYPE holdfast_a_seconds histogram\n# TYPE process_b gauge",
    );
    assert!(family(&shown, "holdfast_a_seconds_bucket").is_some());
    assert!(family(&shown, "holdfast_a_seconds_total").is_none());
    assert!(family(&shown, "process_b_count").is_none(), "it is no histogram");
    let names = ["holdfast_a_seconds_sum", "process_b", "holdfast_d"].map(str::to_owned);
    let missing: Vec<&str> = absent(&names, &shown).into_iter().map(String::as_str).collect();
    assert_eq!(missing, ["process_b", "holdfast_d"], "one has no help text, one is not there");
}

#[test]
fn every_alert_says_what_to_do_and_counts_on_what_is_recorded() -> Result<()> {
    let rules = rules_text()?;
    let after = |mark: &str| -> Vec<String> {
        let lines = rules.lines().filter_map(|line| line.trim_start().strip_prefix(mark));
        lines.map(|rest| rest.trim().to_owned()).collect()
    };
    let alerts = after("- alert:");
    let runbook = read(&source::file("deploy/prometheus/runbook.md"))?;
    ensure!(alerts.len() > 30, "only these alerts: {alerts:?}");
    for mark in ["severity:", "summary:", "description:", "action:", "runbook:"] {
        ensure!(after(mark).len() == alerts.len(), "not every alert has '{mark}'");
    }
    let severities: BTreeSet<String> = after("severity:").into_iter().collect();
    ensure!(
        severities.iter().all(|severity| ["critical", "warning", "info"].contains(&severity.as_str())),
        "{severities:?}"
    );
    let anchors = after("runbook:");
    for (alert, anchor) in alerts.iter().zip(&anchors) {
        let want = format!("deploy/prometheus/runbook.md#{}", alert.to_lowercase());
        ensure!(*anchor == want, "{alert} points at {anchor}");
        ensure!(
            runbook.lines().any(|line| line.strip_prefix("### ") == Some(alert.as_str())),
            "the runbook does not know {alert}"
        );
    }
    let recorded: BTreeSet<String> = after("- record:").into_iter().collect();
    for word in identifiers(&rules).filter(|word| word.contains(":holdfast_")) {
        ensure!(recorded.contains(word), "{word} is recorded nowhere");
    }
    Ok(())
}

#[test]
fn the_board_is_whole() -> Result<()> {
    let board = board()?;
    ensure!(board["schemaVersion"].as_u64() >= Some(41), "an old board");
    let variables: Vec<&str> = (board["templating"]["list"].as_array().into_iter().flatten())
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    ensure!(variables == ["datasource", "cluster", "instance"], "{variables:?}");
    let mut all = Vec::new();
    panels(&board, &mut all);
    let mut ids = BTreeSet::new();
    for panel in all {
        let title = panel["title"].as_str().unwrap_or_default();
        ensure!(
            !title.is_empty() && ids.insert(panel["id"].as_u64()),
            "a panel is unnamed or there twice: {title}"
        );
        if panel["type"] == "row" {
            continue;
        }
        ensure!(
            panel["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{title} explains nothing"
        );
        ensure!(panel["datasource"]["uid"] == "${datasource}", "{title} is tied to one data source");
        ensure!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        let targets = panel["targets"].as_array().context("a panel without queries")?;
        ensure!(!targets.is_empty(), "{title} asks nothing");
        for target in targets {
            let query = target["expr"].as_str().unwrap_or_default();
            ensure!(query.contains("$cluster"), "{title} mixes clusters: {query}");
        }
    }
    // The board works without the recorded rules.
    let mut texts = Vec::new();
    queries(&board, &mut texts);
    let recorded = texts.iter().find(|text| text.contains(":holdfast_"));
    ensure!(recorded.is_none(), "the board counts on a recorded rule: {recorded:?}");
    Ok(())
}

#[tokio::test]
async fn prometheus_takes_the_rules() -> Result<()> {
    let home = tempfile::tempdir()?;
    let Some(promtool) = promtool(home.path()).await? else { return Ok(()) };
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path in UTF-8");
    for rules in files("deploy/prometheus/rules", ".yml")? {
        promtool.run(&["check", "rules", "--lint-fatal", &text(&rules)?]).await?;
    }
    promtool.run(&["check", "config", &text(&source::file("deploy/prometheus/prometheus.yml"))?]).await?;
    // One after the other: each has its own time.
    for tests in files("deploy/prometheus/tests", ".yml")? {
        promtool.run(&["test", "rules", &text(&tests)?]).await?;
    }
    Ok(())
}

/// A signature that is wrong, nonsense at the RPC port: families that count such things show up.
async fn provoke(cluster: &mut Cluster) -> Result<()> {
    let spec = cluster.node(1).spec().clone();
    let credentials =
        s3::Credentials { secret_key: "not the secret".to_owned(), ..cluster.credentials().clone() };
    let stranger = s3::Client::new(vec![spec.s3.to_string()], credentials, Duration::from_secs(10));
    ensure!(stranger.get("bkt", "1").await.is_err(), "a wrong signature is taken");
    let me = format!("http://{}/api/v1/auth/me", spec.admin);
    ensure!(cluster.s3().plain(&me).await.is_err(), "nobody is logged in");
    raw::say(spec.rpc, &[b'x'; 200], Then::Ends).await?;
    Ok(())
}

/// A little work through the doors of these nodes.
async fn work(s3: &s3::Client, round: usize) -> Result<()> {
    for (key, size) in [("small", 100), ("chunk", CHUNK)] {
        let (key, body) = (format!("{key}-{round}"), Bytes::from(vec![round as u8; size]));
        s3.put("bkt", &key, body.clone()).await?;
        ensure!(s3.get("bkt", &key).await? == body, "{key} differs");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_board_and_the_rules_name_is_there() -> Result<()> {
    let mut names = named()?;
    let list = reference::rows(&read(&source::file("deploy/prometheus/METRICS.md"))?)?;
    // What is there only while there is something to tell (quotas, tokens that end) is named by rules, too.
    names.retain(|name| !list.get(name).is_some_and(reference::Row::may_be_absent));
    // Of mounts: the next test.
    names.retain(|name| !name.starts_with("holdfast_mount_"));

    let mut cluster = Builder::new("metrics").nodes(3).start().await?;
    cluster.s3().create_bucket("bkt").await?;
    work(&cluster.s3(), 0).await?;
    provoke(&mut cluster).await?;
    let whole = scrape_all(&mut cluster).await?;

    // What tells of a node that is down is there only while one is.
    let leader = cluster.leader().await?;
    let victim = if leader == 3 { 2 } else { 3 };
    let left: Vec<u8> = (1..=3).filter(|number| *number != victim).collect();
    cluster.node(victim).kill()?;
    let doors = cluster.s3_through(&left);
    let addresses: Vec<SocketAddr> = left.iter().map(|number| cluster.node(*number).spec().admin).collect();
    let round = AtomicUsize::new(1);
    let scrapes = wait::until("every metric to be shown", SOON, || async {
        let round = round.fetch_add(1, Ordering::Relaxed);
        let look = async {
            // A write that meets the dead node takes its time and comes to its end elsewhere; one that fails is no
            // matter here.
            let _ = work(&doors, round).await;
            let mut texts = Vec::new();
            for address in &addresses {
                texts.push(scraped(&doors, &format!("http://{address}/metrics")).await?);
            }
            anyhow::Ok(texts)
        };
        let texts = look.await.map_err(|error| format!("{error:#}"))?;
        let shown: BTreeMap<String, Family> =
            texts.iter().chain(&whole).flat_map(|text| families(text)).collect();
        let missing = absent(&names, &shown);
        let scraped: Result<Vec<_>> = texts.iter().chain(&whole).map(|text| reference::shown(text)).collect();
        let scraped = scraped.map_err(|error| format!("{error:#}"))?;
        let promised = reference::missing(&list, false, &scraped);
        if missing.is_empty() && promised.is_empty() {
            Ok(texts)
        } else {
            Err(format!(
                "{missing:?} are not shown, or without help; {promised:?} are promised and not there"
            ))
        }
    })
    .await?;
    for text in whole.iter().chain(&scrapes) {
        let shown = reference::shown(text)?;
        let wrong = reference::undocumented(&list, &shown);
        ensure!(wrong.is_empty(), "{wrong:#?}");
        let stale = reference::of_the_leader(&list, &shown);
        ensure!(reference::leads(text) != stale.is_empty(), "who does not lead shows {stale:?}");
    }

    cluster.restart(victim).await?;
    let home = cluster.scratch()?.join("home");
    if let Some(promtool) = promtool(&home).await? {
        for text in whole.iter().chain(&scrapes) {
            promtool.feed(&["check", "metrics"], text.as_bytes()).await?;
        }
    }
    cluster.wait_redundant(SOON).await?;
    what_the_leader_knows_goes_with_it(&mut cluster, &list).await?;
    cluster.finish().await
}

/// Leadership moves: who led before shows nothing any more of what only a leader knows.
async fn what_the_leader_knows_goes_with_it(
    cluster: &mut Cluster,
    list: &BTreeMap<String, reference::Row>,
) -> Result<()> {
    let before = cluster.leader().await?;
    cluster.expect(&["admin", "meta", "transfer"]).await?;
    let http = cluster.s3();
    let url = format!("http://{}/metrics", cluster.node(before).spec().admin);
    wait::until("the old leader to forget", Duration::from_secs(10), || async {
        let text = scraped(&http, &url).await.map_err(|error| format!("{error:#}"))?;
        let shown = reference::shown(&text).map_err(|error| format!("{error:#}"))?;
        let stale = reference::of_the_leader(list, &shown);
        match stale.is_empty() && !reference::leads(&text) {
            true => Ok(()),
            false => Err(format!("it still shows {stale:?}")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_board_names_of_mounts_is_there() -> Result<()> {
    skip_unless_mounts!();
    let names: BTreeSet<String> =
        named()?.into_iter().filter(|name| name.starts_with("holdfast_mount_")).collect();
    ensure!(!names.is_empty(), "the board shows nothing of mounts");
    let cluster = Builder::new("metrics-mount").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let listen = addresses::ports([127, 0, 0, 1].into(), 1)?[0].to_string();
    let mount = Mount::new(&cluster, "m", "/bkt", &["--metrics-listen", &listen]).await?;
    std::fs::write(mount.path("file"), vec![7u8; CHUNK])?;
    ensure!(std::fs::read(mount.path("file"))?.len() == CHUNK, "what was written is not there");
    ensure!(!mount.path("missing").exists(), "a file that nobody made");
    let text = scraped(&cluster.s3(), &format!("http://{listen}/metrics")).await?;
    let shown = families(&text);
    let missing = absent(&names, &shown);
    ensure!(missing.is_empty(), "{missing:?} are not shown, or without help");
    let list = reference::rows(&read(&source::file("deploy/prometheus/METRICS.md"))?)?;
    let seen = reference::shown(&text)?;
    let wrong = reference::undocumented(&list, &seen);
    ensure!(wrong.is_empty(), "{wrong:#?}");
    let missing = reference::missing(&list, true, &[seen]);
    ensure!(missing.is_empty(), "{missing:?} are promised and not there");
    if let Some(promtool) = promtool(&cluster.scratch()?.join("home")).await? {
        promtool.feed(&["check", "metrics"], text.as_bytes()).await?;
    }
    mount.finish(&cluster).await?;
    cluster.finish().await
}
