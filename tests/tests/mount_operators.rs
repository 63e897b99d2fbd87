//! What an operator sees of a mount: the counters and the metrics are those of what was really done, and the log of every
//! request comes and goes on demand, costs a line for each and holds up nobody. How mounts are made and ended:
//! `mount_fstab.rs`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::{Mount, is_mounted};
use holdfast_tests::outcome::{refused, said, text};
use holdfast_tests::process::Process;
use holdfast_tests::{addresses, skip_unless_mounts, wait};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};

/// Longest time for what should take milliseconds.
const SOON: Duration = Duration::from_secs(30);

/// Anybody but root.
const NOBODY: u32 = 65_534;

type Counts = BTreeMap<String, u64>;

/// What `holdfast mount --stats` shows: requests by kind, errors by kind and error, bytes by direction, what is open.
async fn counted(cluster: &Cluster, at: &Path) -> Result<Counts> {
    let shown = cluster.expect(&["mount", "--stats", text(at)?]).await?;
    let mut found = Counts::new();
    for line in shown.lines() {
        let words: Vec<&str> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        match words[..] {
            ["open", "files", files, "open", "directories", ..] => {
                found.insert("files".into(), files.parse()?);
            }
            ["bytes", "read", read, "bytes", "written", written, ..] => {
                found.insert("bytes read".into(), read.parse()?);
                found.insert("bytes written".into(), written.parse()?);
            }
            ["errors", error, request, count] => {
                found.insert(format!("{request} {error}"), count.parse()?);
            }
            ["request", ..] => {}
            [request, count, _mean, _half, _most] => {
                found.insert(request.into(), count.parse().context("a count")?);
            }
            _ => anyhow::bail!("a line nobody knows: {line}"),
        }
    }
    Ok(found)
}

/// Samples of `/metrics` by name and labels. Each must have a type and a number.
async fn scraped(cluster: &Cluster, url: &str) -> Result<BTreeMap<String, f64>> {
    let answer = cluster.s3().plain(url).await?;
    let kind = answer.headers.get("content-type").context("no content type")?.to_str()?;
    ensure!(kind.starts_with("text/plain; version=0.0.4"), "Prometheus does not read {kind}");
    let (mut found, mut types) = (BTreeMap::new(), Vec::new());
    for line in std::str::from_utf8(&answer.body)?.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            types.push(family.split(' ').next().unwrap_or_default().to_owned());
        } else if !line.starts_with('#') {
            let (name, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
            let bare = name.split('{').next().unwrap_or_default();
            let family = types.last().with_context(|| format!("{name} has no type"))?;
            ensure!(bare.starts_with(family.as_str()), "{name} is listed under {family}");
            let before = found.insert(name.to_owned(), value.parse()?);
            ensure!(before.is_none(), "{name} is listed twice");
        }
    }
    Ok(found)
}

fn of<V: Copy + Default>(counts: &BTreeMap<String, V>, name: &str) -> V {
    counts.get(name).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_and_metrics_are_those_of_what_was_done() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("operators-counters").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let listen = addresses::ports([127, 0, 0, 1].into(), 1)?[0].to_string();
    let url = format!("http://{listen}/metrics");
    let mount = Mount::new(&cluster, "m", "/bkt", &["--metrics-listen", &listen]).await?;
    let (before, scrape) = (counted(&cluster, mount.at()).await?, scraped(&cluster, &url).await?);

    fs::create_dir(mount.path("d"))?;
    for number in 0..7 {
        let file = File::create(mount.path(&format!("d/{number}")))?;
        file.write_all_at(&[number; 10_000], 0)?;
        file.sync_all()?;
    }
    for number in 0..5 {
        ensure!(!mount.path(&format!("d/missing-{number}")).exists());
    }
    ensure!(fs::remove_dir(mount.path("d")).is_err(), "it is not empty");
    for number in 0..2 {
        fs::rename(mount.path(&format!("d/{number}")), mount.path(&format!("d/renamed-{number}")))?;
    }
    for number in 2..6 {
        fs::remove_file(mount.path(&format!("d/{number}")))?;
    }
    let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(mount.path("d/6"))?;
    direct.read_exact_at(&mut [0; 10_000], 0)?;
    let held = [direct, File::open(mount.path("d/6"))?];

    let open = || async {
        let counts = counted(&cluster, mount.at()).await.map_err(|error| format!("{error:#}"))?;
        if of(&counts, "files") == held.len() as u64 { Ok(counts) } else { Err(format!("{counts:?}")) }
    };
    // The kernel tells of a close late.
    let counts = wait::until("only two files to be open", SOON, open).await?;
    let done = |name: &str| of(&counts, name) - of(&before, name);
    for (name, count) in [
        ("mkdir", 1),
        ("create", 7),
        ("fsync", 7),
        ("rename", 2),
        ("unlink", 4),
        ("rmdir", 1),
        ("rmdir ENOTEMPTY", 1),
        ("bytes written", 70_000),
        ("bytes read", 10_000),
        ("link", 0),
    ] {
        ensure!(done(name) == count, "{name}: {} were counted, {count} done", done(name));
    }
    ensure!(done("lookup ENOENT") >= 5, "what is not there: {}", done("lookup ENOENT"));
    let now = scraped(&cluster, &url).await?;
    for name in ["mkdir", "create", "fsync", "rename", "unlink", "rmdir"] {
        let sample = format!("holdfast_mount_request_seconds_count{{request=\"{name}\"}}");
        ensure!(of(&now, &sample) == of(&counts, name) as f64, "{sample} is {}", of(&now, &sample));
        let last = format!("holdfast_mount_request_seconds_bucket{{request=\"{name}\",le=\"+Inf\"}}");
        ensure!(of(&now, &last) == of(&now, &sample), "{last} is {}", of(&now, &last));
    }
    let errors = "holdfast_mount_errors_total{error=\"ENOTEMPTY\",request=\"rmdir\"}";
    ensure!(of(&now, errors) == 1.0 && of(&now, "holdfast_mount_held{what=\"files\"}") == 2.0, "{now:?}");
    for (name, value) in scrape.iter().filter(|(name, _)| name.contains("_total") || name.contains("_count"))
    {
        ensure!(of(&now, name) >= *value, "{name} went down from {value} to {}", of(&now, name));
    }
    drop(held);

    let local = cluster.scratch()?;
    let output = cluster.run(&["mount", "--stats", text(&local)?]).await?;
    refused(&output, 2, &["is no mount of holdfast", text(&local)?])?;
    let other = local.join("other");
    fs::create_dir(&other)?;
    let log = local.join("other.log");
    let flags = ["mount", "--metrics-listen", &listen, "--log-file", text(&log)?, "/bkt", text(&other)?];
    let output = cluster.run(&flags).await?;
    refused(&output, 2, &[&listen, "--metrics-listen"])?;
    ensure!(!is_mounted(&other), "it was mounted without its metrics");
    mount.finish(&cluster).await?;
    cluster.finish().await
}

/// Switches the log of every request.
fn access_log(at: &Path, value: &str) -> rustix::io::Result<()> {
    setxattr(at, "holdfast.access_log", value.as_bytes(), XattrFlags::empty())
}

/// Lines of the log of every request.
fn requests(log: &Path) -> Result<Vec<String>> {
    let all = fs::read_to_string(log)?;
    Ok(all.lines().filter(|line| line.contains("holdfast_mount::access")).map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_logged_while_that_is_wanted() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("operators-log").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mut mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    let log = mount.process().log().to_owned();
    let work = |name: &str| -> Result<()> {
        fs::create_dir(mount.path(name))?;
        fs::write(mount.path(&format!("{name}/f")), "content")?;
        ensure!(!mount.path(&format!("{name}/missing")).exists());
        ensure!(fs::remove_dir(mount.path(name)).is_err(), "it is not empty");
        Ok(fs::remove_file(mount.path(&format!("{name}/f")))?)
    };
    work("before")?;
    ensure!(requests(&log)?.is_empty(), "nobody asked for it");

    // Whoever may write here may still not turn it on, and what makes no sense is refused.
    fs::set_permissions(mount.at(), fs::Permissions::from_mode(0o777))?;
    let script = format!(
        "import errno, os, sys\nos.setgid({NOBODY}); os.setuid({NOBODY})\n\
         try: os.setxattr(sys.argv[1], 'holdfast.access_log', b'1')\n\
         except OSError as e: sys.exit(e.errno)\n"
    );
    let output = Command::new("python3").args(["-c", &script, text(mount.at())?]).output()?;
    ensure!(output.status.code() == Some(libc::EPERM), "{}: {}", output.status, said(&output));
    ensure!(access_log(mount.at(), "2") == Err(rustix::io::Errno::INVAL), "2 is neither on nor off");
    work("refused")?;
    ensure!(requests(&log)?.is_empty(), "it was turned on all the same");

    access_log(mount.at(), "1")?;
    // Closes of before, of which the kernel tells late, are not to come between the one and the other.
    let (before, first) = wait::until("nothing to happen", SOON, || async {
        let lines = || requests(&log).map(|lines| lines.len()).map_err(|error| error.to_string());
        let first = lines()?;
        let counts = counted(&cluster, mount.at()).await.map_err(|error| format!("{error:#}"))?;
        let quiet = lines()? == first && of(&counts, "files") == 0;
        if quiet { Ok((counts, first)) } else { Err(format!("{counts:?}")) }
    })
    .await?;
    for number in 0..50 {
        work(&format!("wanted-{number}"))?;
    }
    // The last line is written when its request was answered already.
    let lines = wait::until("a line for each request", SOON, || async {
        let lines = requests(&log).map_err(|error| error.to_string())?.split_off(first);
        for (request, result) in
            [("mkdir", "None"), ("create", "None"), ("unlink", "None"), ("rmdir", "Some(ENOTEMPTY)")]
        {
            let words = [format!("request=\"{request}\""), format!("error={result}")];
            let found = lines.iter().filter(|line| words.iter().all(|word| line.contains(word))).count();
            if found != 50 {
                return Err(format!("{found} lines of {request} with {result}: {lines:#?}"));
            }
        }
        Ok(lines)
    })
    .await?;
    let missing =
        lines.iter().filter(|line| line.contains("lookup") && line.contains("Some(ENOENT)")).count();
    ensure!(missing >= 50, "{missing} lines of what is not there");
    let odd = lines.iter().find(|line| line.len() > 300 || !line.contains(" ino=") || !line.contains(" ms="));
    ensure!(odd.is_none(), "{odd:?}");
    // A line for each request that is counted, and no other: that is all it costs.
    wait::until("as many lines as requests", SOON, || async {
        let now = counted(&cluster, mount.at()).await.map_err(|error| format!("{error:#}"))?;
        let sum = |counts: &Counts| -> u64 {
            let kinds = counts.iter().filter(|(name, _)| !name.contains(' ') && *name != "files");
            kinds.map(|(_, count)| count).sum()
        };
        let lines = requests(&log).map_err(|error| error.to_string())?.len() - first;
        let counted = sum(&now) - sum(&before);
        if lines as u64 == counted { Ok(()) } else { Err(format!("{lines} lines, {counted} requests")) }
    })
    .await?;

    access_log(mount.at(), "0")?;
    // Closes of before, of which the kernel tells late, are logged or not.
    let last = requests(&log)?.len();
    for number in 0..50 {
        work(&format!("unwanted-{number}"))?;
    }
    let more = requests(&log)?.split_off(last);
    ensure!(more.is_empty(), "lines after it was turned off: {more:?}");
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_up_nobody() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("operators-unread").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    // The log goes into a pipe that is held open and never read, as that of a supervisor that hangs.
    let log = cluster.scratch()?.join("m.log");
    mknodat(CWD, &log, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    let unread = OpenOptions::new().read(true).write(true).open(&log)?;
    let mut mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    access_log(mount.at(), "1")?;
    // In another process, that can be ended if the mount hangs: a pipe has room for some hundred lines.
    let script = "i=0; while [ $i -lt 400 ]; do echo $i >f$i && rm f$i || exit 1; i=$((i + 1)); done";
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(mount.at());
    let mut worker = Process::start("worker", command, &cluster.scratch()?.join("worker.log"))?;
    let ended = worker.wait(Duration::from_secs(60)).await;
    if ended.is_err() {
        // What waits in the kernel comes back with an error.
        mount.process().kill()?;
    }
    let status = ended.context("the mount waits for somebody to read its log")?;
    ensure!(status.success(), "{status}");
    cluster.expect(&["umount", text(mount.at())?]).await.context("umount")?;
    let status = mount.process().wait(SOON).await?;
    ensure!(status.success(), "{status}");
    drop(unread);
    cluster.finish().await
}
