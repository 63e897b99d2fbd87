//! One node on an empty directory: a working store for the command line and S3, and a clear line for every mistake.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::{addresses, binary, wait};

/// Lengths around every border: empty, inline limit, block, chunk.
const SIZES: [u64; 9] = [0, 1, 4095, 4096, 4097, 100_000, (8 << 20) - 1, 8 << 20, (20 << 20) + 17];

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_in_through_one_door_comes_out_of_the_other() -> Result<()> {
    let mut cluster = Builder::new("doors").start().await?;
    let s3 = cluster.s3();
    let scratch = cluster.scratch()?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    for (seed, size) in SIZES.into_iter().enumerate() {
        let content = Content { seed: seed as u64, size };
        let (by_cli, by_s3) = (format!("dir/cli-{size}"), format!("dir/s3-{size}"));
        let file = scratch.join(format!("{size}"));
        std::fs::write(&file, content.bytes())?;
        cluster.expect(&["put", path(&file)?, &format!("hf:/bkt/{by_cli}")]).await?;
        ensure!(s3.get("bkt", &by_cli).await? == content.bytes(), "{by_cli} differs through S3");
        s3.put("bkt", &by_s3, content.bytes()).await?;
        let back = scratch.join("back");
        cluster.expect(&["get", &format!("/bkt/{by_s3}"), path(&back)?]).await?;
        ensure!(std::fs::read(&back)? == content.bytes(), "{by_s3} differs through the command line");
        if size > 5000 {
            let range = s3.get_range("bkt", &by_cli, size - 4500, 4000).await?;
            ensure!(range == content.range(size - 4500, 4000), "a range of {by_cli} differs");
        }
    }
    // A restart changes nothing.
    let status = cluster.node(1).process()?.terminate(Duration::from_secs(20)).await?;
    ensure!(status.success(), "SIGTERM ended with {status}");
    cluster.restart(1).await?;
    for (seed, size) in SIZES.into_iter().enumerate() {
        let want = Content { seed: seed as u64, size }.bytes();
        ensure!(
            s3.get("bkt", &format!("dir/cli-{size}")).await? == want,
            "{size} bytes differ after a restart"
        );
    }
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_copies_lists_moves_and_removes_trees() -> Result<()> {
    let cluster = Builder::new("cli").start().await?;
    let scratch = cluster.scratch()?;
    let tree = scratch.join("tree");
    std::fs::create_dir_all(tree.join("a/b/empty"))?;
    for number in 0..60 {
        let name = tree.join(if number % 2 == 0 { "a" } else { "a/b" }).join(format!("file {number} ü"));
        std::fs::write(name, Content { seed: number, size: number * 397 }.bytes())?;
    }
    std::os::unix::fs::symlink("b/file 1 ü", tree.join("a/link"))?;
    let old = std::time::SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    std::fs::File::open(tree.join("a/file 2 ü"))?.set_modified(old)?;

    cluster.expect(&["mkdir", "-p", "/bkt/x"]).await?;
    cluster.expect(&["put", "-r", path(&tree)?, "hf:/bkt/x"]).await?;
    let listing = cluster.expect(&["ls", "/bkt/x/tree/a"]).await?;
    ensure!(listing.lines().count() == 32, "30 files, a link and a directory were expected:\n{listing}");
    ensure!(cluster.expect(&["ls"]).await? == "bkt/\n");
    let stat: serde_json::Value = json(&cluster, &["stat", "/bkt/x/tree/a/file 2 ü"]).await?;
    ensure!(stat[0]["mtime_ns"] == 1_000_000_000_123_456_789_i64, "the modification time is kept: {stat}");
    let du: serde_json::Value = json(&cluster, &["du", "-s", "/bkt/x/tree"]).await?;
    ensure!(du["files"] == 61 && du["directories"] == 4, "{du}");

    cluster.expect(&["cp", "-r", "hf:/bkt/x/tree", "hf:/bkt/copy"]).await?;
    cluster.expect(&["mv", "/bkt/copy", "/bkt/moved"]).await?;
    let back = scratch.join("back");
    cluster.expect(&["get", "-r", "/bkt/moved", path(&back)?]).await?;
    same_trees(&tree, &back)?;
    ensure!(cluster.expect(&["tree", "/bkt/moved"]).await?.contains("link -> b/file 1 ü"));

    let refused = cluster.run(&["rm", "/bkt/x"]).await?;
    ensure!(refused.status.code() == Some(5), "a directory needs -r");
    cluster.expect(&["rm", "-r", "/bkt/x", "/bkt/moved"]).await?;
    ensure!(cluster.expect(&["ls", "/bkt"]).await?.is_empty());
    let gone = cluster.run(&["stat", "/bkt/x"]).await?;
    ensure!(gone.status.code() == Some(3), "what is not there has exit code 3");
    cluster.expect(&["rm", "-r", "/bkt"]).await?;
    ensure!(cluster.expect(&["ls"]).await?.is_empty());
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn administration_says_what_is_and_changes_it() -> Result<()> {
    let cluster = Builder::new("admin").start().await?;
    for what in ["status", "nodes", "disks", "pgs", "map", "meta", "keys", "set", "classes"] {
        let text = cluster.expect(&["admin", what]).await?;
        ensure!(!text.is_empty(), "admin {what} says nothing");
        json(&cluster, &["admin", what]).await.with_context(|| format!("admin {what} --json"))?;
    }
    let key = json(&cluster, &["admin", "keys", "add", "--description", "test", "--allow", "bkt:r"]).await?;
    let access_key = key["access_key"].as_str().context("no access key")?.to_owned();
    ensure!(cluster.expect(&["admin", "keys"]).await?.contains("bkt:r"));
    cluster.expect(&["admin", "keys", "rm", &access_key]).await?;
    ensure!(!cluster.expect(&["admin", "keys"]).await?.contains(&access_key));
    ensure!(cluster.run(&["admin", "set", "no_such_setting", "1"]).await?.status.code() != Some(0));
    let df = json(&cluster, &["df"]).await?;
    ensure!(df["raw_capacity_bytes"].as_u64() > Some(0), "{df}");
    let bench =
        cluster.expect(&["--json", "bench", "put", "get", "stat", "--seconds", "1", "-c", "4"]).await?;
    for line in bench.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        ensure!(line["operations"].as_u64() > Some(0) && line["errors"] == 0, "{line}");
    }
    cluster.finish().await
}

#[test]
fn mistakes_end_with_one_clear_line() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let data = dir.path().join("data");
    let free = addresses::ports(addresses::Loopback::pick().node(1), 1)?[0].to_string();
    let server = |args: &[&str]| -> Result<(Option<i32>, String)> {
        let mut command = Command::new(binary::holdfast()?);
        command.arg("server").args(args);
        let usual =
            [("--listen", free.as_str()), ("--admin-listen", "127.0.0.1:0"), ("--s3-listen", "127.0.0.1:0")];
        for (flag, value) in usual.into_iter().chain([("--data", path(&data)?)]) {
            if !args.contains(&flag) {
                command.args([flag, value]);
            }
        }
        let output = command.stdin(Stdio::null()).output()?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    };
    let expect = |args: &[&str], code: i32, parts: &[&str]| -> Result<()> {
        let (got, text) = server(args)?;
        ensure!(got == Some(code), "{args:?} ended with {got:?}: {text}");
        let last = text.lines().last().unwrap_or_default();
        for part in parts {
            ensure!(text.contains(part), "{args:?} does not say '{part}': {last}");
        }
        Ok(())
    };

    let config = dir.path().join("bad.toml");
    std::fs::write(&config, "roles = [\"meta\"]\nlissen = \"127.0.0.1:1\"\n")?;
    expect(&["--config", path(&config)?], 2, &["bad.toml", "line 2", "lissen"])?;
    expect(&["--set", "gateway.region=Mars Base"], 2, &["region"])?;
    expect(&["--roles", "king"], 2, &["--roles"])?;
    let held = std::net::TcpListener::bind("127.0.0.1:0")?;
    let taken = held.local_addr()?.to_string();
    expect(&["--listen", &taken], 1, &[&taken, "another process uses it"])?;
    ensure!(!data.join("identity.toml").exists(), "a port in use must not make a cluster");
    expect(&["--listen", "192.0.2.1:1"], 1, &["no such address"])?;
    expect(&["--join", "127.0.0.1:1"], 2, &["token"])?;
    std::fs::create_dir_all(&data)?;
    std::fs::write(data.join("thesis.doc"), "precious")?;
    expect(&[], 1, &["thesis.doc", "not an empty directory"])?;
    let file = dir.path().join("file");
    std::fs::write(&file, "")?;
    expect(&["--data", path(&file.join("below"))?], 1, &["cannot make directory"])?;

    let ip = addresses::Loopback::pick().node(1);
    let nobody = addresses::ports(ip, 1)?[0].to_string();
    let output = Command::new(binary::holdfast()?).args(["--timeout", "1", "-C", &nobody, "ls"]).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(4) && text.contains(&nobody), "{:?}: {text}", output.status);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_has_one_process_and_secrets_stay_secret() -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut cluster = Builder::new("secrets").start().await?;
    let spec = cluster.node(1).spec().clone();
    let mut second = Command::new(binary::holdfast()?);
    second.args([
        "server",
        "--data",
        path(&spec.data)?,
        "--listen",
        "127.0.0.1:1",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    let output = second.output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1) && text.contains("in use by another process"), "{text}");

    let secret = cluster.credentials().secret_key.clone();
    let token = std::fs::read_to_string(spec.data.join("join-token"))?;
    for name in ["s3-credentials.toml", "join-token"] {
        let mode = std::fs::metadata(spec.data.join(name))?.permissions().mode();
        ensure!(mode & 0o077 == 0, "{name} can be read by others");
    }
    cluster.s3().create_bucket("bkt").await?;
    cluster.s3().put("bkt", "k", "x".into()).await?;
    let http = cluster.s3();
    let metrics = http.plain(&format!("http://{}/metrics", spec.admin)).await?;
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    ensure!(metrics.contains("# TYPE"), "no metrics: {metrics}");
    let log = std::fs::read_to_string(cluster.node(1).log_path())?;
    for hidden in [secret.as_str(), token.trim()] {
        ensure!(!log.contains(hidden) && !metrics.contains(hidden), "a secret is in the log or in metrics");
    }
    // Frozen, it is not there for anybody; the process is well all the same.
    cluster.node(1).process()?.stop()?;
    let alone = cluster.run(&["--timeout", "1", "ls"]).await?;
    ensure!(alone.status.code() == Some(4), "a frozen server must be reported as unreachable");
    cluster.node(1).process()?.resume()?;
    wait::until("the server to answer again", Duration::from_secs(10), || cluster.expect(&["ls"])).await?;
    cluster.finish().await
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

async fn json(cluster: &Cluster, args: &[&str]) -> Result<serde_json::Value> {
    let args: Vec<&str> = std::iter::once("--json").chain(args.iter().copied()).collect();
    Ok(serde_json::from_str(&cluster.expect(&args).await?)?)
}

/// Names, contents, links and modification times are the same.
fn same_trees(one: &Path, other: &Path) -> Result<()> {
    let mut names: Vec<_> = std::fs::read_dir(one)?.map(|e| Ok(e?.file_name())).collect::<Result<_>>()?;
    names.sort();
    let mut others: Vec<_> = std::fs::read_dir(other)?.map(|e| Ok(e?.file_name())).collect::<Result<_>>()?;
    others.sort();
    ensure!(names == others, "{} holds {names:?}, {} holds {others:?}", one.display(), other.display());
    for name in names {
        let (a, b) = (one.join(&name), other.join(&name));
        let (x, y) = (a.symlink_metadata()?, b.symlink_metadata()?);
        ensure!(x.file_type() == y.file_type(), "{} is of another kind", b.display());
        if x.is_dir() {
            same_trees(&a, &b)?;
        } else if x.is_symlink() {
            ensure!(std::fs::read_link(&a)? == std::fs::read_link(&b)?, "{} points elsewhere", b.display());
        } else {
            ensure!(std::fs::read(&a)? == std::fs::read(&b)?, "{} differs", b.display());
            ensure!(x.modified()? == y.modified()?, "{} has another time", b.display());
        }
    }
    Ok(())
}
