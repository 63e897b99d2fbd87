//! The admin API does what its description says: schemathesis makes requests from it, good ones and bad ones, sends them
//! to a real cluster, and finds nothing in the answers that is not described. It is installed once, into the build cache.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use futures::future::join_all;
use holdfast_tests::admin::Api;
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::{skip, source};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

/// What is drawn from chance is drawn from this. `HOLDFAST_CONTRACT_SEED` names another one.
const SEED: &str = "20261123";
/// Requests of chance for each operation, beside those at every bound. `HOLDFAST_CONTRACT_EXAMPLES` names another number.
const EXAMPLES: &str = "6";
/// Runs at once. Threads of one run would do as well, but that the interpreter stumbles over them.
const AT_ONCE: usize = 3;
/// One run.
const MOST: Duration = Duration::from_secs(400);

/// Operations that would take from the test what it stands on.
const NOT_AT_ALL: &[(&str, &str)] = &[
    ("change_meta", "a group of one has nobody to hand over to, and may not lose its only member"),
    ("new_join_token", "changes a secret that the cluster's other nodes would join with"),
    ("delete_join_token", "the same"),
];

/// Operations that may take away the token in use, which ids in lists lead them to: they come last.
const LAST: &[&str] = &["logout", "end_session", "delete_token", "change_account", "delete_account"];

/// schemathesis in the build cache; `None`, said loudly, when it cannot be had here.
fn schemathesis(test: &str) -> Result<Option<PathBuf>> {
    if !skip::has("python3") {
        skip::announce_missing(test, "python3", "python3");
        return Ok(None);
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the build cache has no path")?;
    let cache = target.join("contract");
    std::fs::create_dir_all(&cache)?;
    let one_at_a_time = File::create(cache.join("lock"))?;
    one_at_a_time.lock().context("wait for another test that installs")?;
    let wanted = here().join("requirements.txt");
    let pinned = std::fs::read(&wanted).context("read what is to be installed")?;
    let (venv, stamp) = (cache.join("venv"), cache.join("venv/stamp"));
    let program = venv.join("bin/schemathesis");
    if program.is_file() && std::fs::read(&stamp).is_ok_and(|there| there == pinned) {
        return Ok(Some(program));
    }
    let run = |command: &mut std::process::Command| -> Result<Option<String>> {
        let output = command.stdin(Stdio::null()).output().context("run python")?;
        let told = [output.stdout, output.stderr].concat();
        Ok((!output.status.success()).then(|| String::from_utf8_lossy(&told).into_owned()))
    };
    let made = run(std::process::Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))?;
    if let Some(why) = made {
        eprintln!("SKIPPED {test}: python3 -m venv fails; on Debian: apt-get install python3-venv\n{why}");
        return Ok(None);
    }
    let install =
        ["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check", "--requirement"];
    let pip = run(std::process::Command::new(venv.join("bin/python")).args(install).arg(&wanted))?;
    if let Some(why) = pip {
        eprintln!(
            "SKIPPED {test}: schemathesis cannot be installed, which takes pip and a package index\n{why}"
        );
        return Ok(None);
    }
    std::fs::write(&stamp, &pinned)?;
    Ok(Some(program))
}

fn here() -> PathBuf {
    source::file("tests/contract")
}

fn chosen(variable: &str, usual: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| usual.to_owned())
}

async fn start(name: &str) -> Result<(Cluster, Api)> {
    let mut cluster = Builder::new(name).nodes(1).disks(2).trash().start().await?;
    let root = Api::new(cluster.node(1).spec().admin).administrator(&cluster.administrator()?).await?;
    Ok((cluster, root))
}

/// One run with some arguments; what it told, if it found anything.
async fn run(program: &Path, cluster: &Cluster, token: &str, more: &[&str]) -> Result<Option<String>> {
    let address = cluster.spec(1).admin;
    let scratch = cluster.scratch()?;
    let (seed, examples) =
        (chosen("HOLDFAST_CONTRACT_SEED", SEED), chosen("HOLDFAST_CONTRACT_EXAMPLES", EXAMPLES));
    let mut command = Command::new(program);
    command.arg("--config-file").arg(here().join("schemathesis.toml"));
    command.arg("run").arg(format!("http://{address}/api/v1/openapi.json"));
    command.args([
        "--phases",
        "coverage,fuzzing",
        "--mode",
        "all",
        "--checks",
        "all",
        "--continue-on-failure",
    ]);
    command.args(["--suppress-health-check", "all", "--no-color", "--output-truncate", "false"]);
    command.args(["--seed", &seed, "--max-examples", &examples]).args(more);
    command.arg("--header").arg(format!("Authorization: Bearer {token}"));
    command.current_dir(&scratch).env_clear().env("HOME", &scratch).env("LANG", "C.UTF-8");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = tokio::time::timeout(MOST, command.output())
        .await
        .with_context(|| format!("schemathesis did not end within {MOST:?}"))??;
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let summary = told.rsplit_once("= SUMMARY =").map_or(told.as_str(), |(_, summary)| summary);
    eprintln!("{summary}");
    Ok((!output.status.success()).then_some(told))
}

async fn token(root: &Api) -> Result<String> {
    let made = root.post("/tokens", &json!({ "description": "contract", "role": "admin" })).await?;
    Ok(made["token"].as_str().context("no token")?.to_owned())
}

#[tokio::test]
async fn the_api_is_as_described() -> Result<()> {
    let test = "api_contract::the_api_is_as_described";
    let Some(program) = tokio::task::spawn_blocking(move || schemathesis(test)).await?? else {
        return Ok(());
    };
    let (mut cluster, root) = start("contract").await?;
    // Something to come upon.
    root.post("/buckets", &json!({ "name": "bucket" })).await?;
    let path = "/api/v1/files/content?path=/bucket/file.txt";
    root.raw(Method::PUT, path, Some("text/plain"), Bytes::from_static(b"content")).await?.ok()?;

    let began = Instant::now();
    let (mut apart, mut last) = (Vec::new(), Vec::new());
    for (operation, _) in NOT_AT_ALL {
        apart.extend(["--exclude-operation-id", operation]);
    }
    for operation in LAST {
        apart.extend(["--exclude-operation-id", operation]);
        last.extend(["--include-operation-id", operation]);
    }
    let document = root.get("/openapi.json").await?;
    let operations = document["paths"].as_object().context("no paths")?.values();
    let tags = operations.filter_map(Value::as_object).flat_map(|methods| methods.values());
    let tags: BTreeSet<&str> = tags.filter_map(|operation| operation["tags"][0].as_str()).collect();
    ensure!(tags.len() > 8, "{tags:?}");
    // Several at once, each with some of the tags; then what may end them.
    let mut shares = vec![apart; AT_ONCE];
    for (tag, share) in tags.iter().zip((0..AT_ONCE).cycle()) {
        shares[share].extend(["--include-tag", tag]);
    }
    let first = token(&root).await?;
    let told = join_all(shares.iter().map(|share| run(&program, &cluster, &first, share))).await;
    let told = told.into_iter().chain([run(&program, &cluster, &first, &last).await]);
    if let Some(told) = told.collect::<Result<Vec<_>>>()?.into_iter().flatten().next() {
        cluster.abandon();
        anyhow::bail!("schemathesis found something:\n{told}");
    }
    eprintln!("as described, after {:?}", began.elapsed());
    // What chance ordered to be given up is given up: that is no damage.
    cluster.finish_without_fsck().await
}

#[tokio::test]
async fn nobody_in_particular_gets_nowhere() -> Result<()> {
    let (cluster, root) = start("contract-nobody").await?;
    let document = root.get("/openapi.json").await?;
    let nobody = root.without("cookie").without("x-holdfast-csrf");
    let forged = nobody.token("hft_admin.0123456789abcdefghijklmnopqrstuvwxyzABCD");
    let open = ["/api/v1/auth/login"];
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in methods.as_object().context("no methods")? {
            if open.contains(&path.as_str()) {
                ensure!(operation["security"] == json!([{}]), "{path}: {}", operation["security"]);
                continue;
            }
            ensure!(operation["security"].is_null(), "{method} {path} says that it is open");
            let method: Method = method.to_ascii_uppercase().parse()?;
            let filled = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part });
            let filled = filled.collect::<Vec<_>>().join("/");
            for who in [&nobody, &forged] {
                let answer = who.send(method.clone(), &filled, body(&method).as_ref()).await?;
                ensure!(
                    answer.status == StatusCode::UNAUTHORIZED && answer.code() == "unauthenticated",
                    "{method} {path}: {answer:?}"
                );
                count += 1;
            }
        }
    }
    ensure!(count > 150, "only {count} requests");
    cluster.finish().await
}

fn body(method: &Method) -> Option<Value> {
    (*method != Method::GET).then(|| json!({}))
}
