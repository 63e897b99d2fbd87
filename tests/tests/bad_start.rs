//! What an operator can get wrong: configuration, directories, disks, addresses, paths. The real binary says in one
//! clear line what is wrong and what to do, ends with the right code where it should end, goes on where it should go
//! on, and nothing that was stored is lost.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use holdfast_tests::addresses::{Loopback, ports};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::node::tail;
use holdfast_tests::oracle::Content;
use holdfast_tests::process::Process;
use holdfast_tests::{binary, s3, skip, wait};

/// Time for a start that cannot succeed.
const SOON: Duration = Duration::from_secs(10);

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

/// A machine with nothing on it but the binary.
struct Bench {
    dir: tempfile::TempDir,
    runs: u32,
}

impl Bench {
    fn new() -> Result<Self> {
        Ok(Self { dir: tempfile::tempdir()?, runs: 0 })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Three free addresses as flags, and the first of them.
    fn flags(&self) -> Result<(Vec<String>, String)> {
        let free = ports(Loopback::pick().node(1), 3)?;
        let flags = ["--listen", "--s3-listen", "--admin-listen"];
        let all = flags.iter().zip(&free).flat_map(|(flag, a)| [(*flag).to_owned(), a.to_string()]);
        Ok((all.collect(), free[0].to_string()))
    }

    /// Runs the binary until it ends, which it must do soon; it must end with this code and say all of this.
    async fn refuses(&mut self, args: &[&str], code: i32, parts: &[&str]) -> Result<()> {
        self.runs += 1;
        let log = self.file(&format!("log{}", self.runs));
        let mut command = Command::new(binary::holdfast()?);
        command.args(args);
        let mut process = Process::start("holdfast", command, &log)?;
        let status = process.wait(SOON).await.with_context(|| format!("{args:?}: {}", tail(&log, 5)))?;
        let said = std::fs::read_to_string(&log)?;
        ensure!(status.code() == Some(code), "{args:?} ended with {status}, not {code}: {said}");
        for part in parts {
            ensure!(said.contains(part), "{args:?} does not say '{part}': {said}");
        }
        ensure!(!said.contains("panicked"), "{args:?}: {said}");
        Ok(())
    }

    /// The same for a server.
    async fn server_refuses(&mut self, args: &[&str], code: i32, parts: &[&str]) -> Result<()> {
        let (flags, _) = self.flags()?;
        let usual = flags.chunks(2).filter(|pair| !args.contains(&pair[0].as_str())).flatten();
        let all: Vec<&str> =
            ["server"].into_iter().chain(args.iter().copied()).chain(usual.map(String::as_str)).collect();
        self.refuses(&all, code, parts).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_makes_no_sense_is_refused_before_anything_is_made() -> Result<()> {
    let mut bench = Bench::new()?;
    let (config, data) = (bench.file("bad.toml"), bench.file("data"));
    for (text, parts) in [
        (&b"zone = \"x\nrack = 1\n"[..], ["bad.toml", "line 1", "invalid basic string"]),
        (b"zone = \"x\"\n\n[gateway]\nlisen = \"127.0.0.1:1\"\n", ["bad.toml", "line 4", "lisen"]),
        (b"[gatway]\nregion = \"x\"\n", ["bad.toml", "line 1", "gatway"]),
        (b"roles = \"meta\"\n", ["bad.toml", "line 1", "roles"]),
        (b"[gateway]\nmax_connections = -3\n", ["bad.toml", "line 2", "max_connections"]),
        (b"listen = \"127.0.0.1:99999\"\n", ["bad.toml", "line 1", "listen"]),
        (b"drain = \"3 parsecs\"\n", ["line 1", "3 parsecs", "write for example \"250ms\""]),
        (b"[chunk]\ncapacity = \"lots\"\n", ["line 2", "capacity", "lots"]),
        (b"[chunk]\ncapacity = \"1KiB\"\n", ["chunk.capacity is 1024 bytes", "at least 512 MiB", "0 means"]),
        (b"[gateway]\nmax_header_bytes = 12\n", ["gateway", "max_header_bytes", "between 8 KiB and 1 MiB"]),
        (b"\xff\xfe\x00", ["bad.toml", "cannot read configuration", "UTF-8"]),
    ] {
        std::fs::write(&config, text)?;
        bench.server_refuses(&["--config", path(&config)?, "--data", path(&data)?], 2, &parts).await?;
    }
    let absent = bench.file("absent.toml");
    let parts = ["cannot read configuration", "absent.toml", "No such file"];
    bench.server_refuses(&["--config", path(&absent)?], 2, &parts).await?;
    let nowhere = ["--data", path(&data)?, "--listen", "127.0.0.1:0"];
    bench.server_refuses(&nowhere, 2, &["listen has port 0", "name one"]).await?;
    ensure!(!data.exists(), "a configuration that was refused has left {}", data.display());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_or_port_that_cannot_be_used_is_named_with_what_to_do() -> Result<()> {
    let mut bench = Bench::new()?;
    let (file, data) = (bench.file("file"), bench.file("data"));
    std::fs::write(&file, "precious")?;
    for bad in [&file, &file.join("below")] {
        let parts = [path(&file)?, "a file is in the way", "--data"];
        bench.server_refuses(&["--data", path(bad)?], 1, &parts).await?;
        bench.refuses(&["init", "--data", path(bad)?], 1, &parts).await?;
    }
    ensure!(std::fs::read(&file)? == b"precious");

    let sealed = bench.file("sealed");
    std::fs::create_dir(&sealed)?;
    match Sealed::new(&sealed) {
        None => {
            eprintln!("SKIPPED {}: needs root and chattr for a directory nobody can write", module_path!())
        }
        Some(_sealed) => {
            for bad in [sealed.clone(), sealed.join("below")] {
                let parts = [path(&sealed)?, "choose another with --data"];
                bench.server_refuses(&["--data", path(&bad)?], 1, &parts).await?;
                bench.refuses(&["init", "--data", path(&bad)?], 1, &parts).await?;
            }
        }
    }

    let held = TcpListener::bind("127.0.0.1:0")?;
    let taken = held.local_addr()?.to_string();
    for (flag, setting) in
        [("--listen", "listen"), ("--s3-listen", "gateway.listen"), ("--admin-listen", "admin_listen")]
    {
        let parts = [taken.as_str(), setting, "another process uses it", "choose another port"];
        bench.server_refuses(&["--data", path(&data)?, flag, &taken], 1, &parts).await?;
    }
    ensure!(!data.join("identity.toml").exists(), "a port in use must not make a cluster");

    bench.refuses(&["init", "--data", path(&data)?], 0, &["join token"]).await?;
    let made = std::fs::read(data.join("identity.toml"))?;
    let parts = ["already", "start it with `holdfast server --data", "an empty directory"];
    bench.refuses(&["init", "--data", path(&data)?], 5, &parts).await?;
    ensure!(std::fs::read(data.join("identity.toml"))? == made, "a second init has changed the identity");
    Ok(())
}

/// A directory in which nobody can make anything, not even root.
struct Sealed(PathBuf);

impl Sealed {
    fn new(dir: &Path) -> Option<Self> {
        let sealed = skip::is_root() && chattr("+i", dir);
        sealed.then(|| Self(dir.to_owned()))
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        chattr("-i", &self.0);
    }
}

fn chattr(change: &str, dir: &Path) -> bool {
    let output = Command::new("chattr").arg(change).arg(dir).output();
    output.is_ok_and(|output| output.status.success())
}

/// Files large and many enough to lie on both disks.
const FILES: u64 = 24;

fn content(number: u64) -> Content {
    Content { seed: number, size: 100_000 + number }
}

async fn same_files(cluster: &Cluster) -> Result<()> {
    for number in 0..FILES {
        let got = cluster.s3().get("bkt", &number.to_string()).await?;
        ensure!(got == content(number).bytes(), "object {number} is another one");
    }
    Ok(())
}

/// Waits until node 1 says on its admin port why it is not ready, with all of this in it.
async fn not_ready(cluster: &mut Cluster, parts: &[&str]) -> Result<()> {
    let url = format!("http://{}/readyz", cluster.node(1).spec().admin);
    let http = cluster.s3();
    wait::until(&format!("/readyz to say {parts:?}"), Duration::from_secs(20), || async {
        match http.plain(&url).await {
            Err(s3::Error::Answered { status: 503, body, .. })
                if parts.iter().all(|part| body.contains(part)) =>
            {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    ensure!(cluster.node(1).is_running(), "the node ended because of one disk");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_missing_or_somebody_elses_is_left_alone() -> Result<()> {
    let mut cluster = Builder::new("bad-disk").disks(2).start().await?;
    cluster.s3().create_bucket("bkt").await?;
    for number in 0..FILES {
        cluster.s3().put("bkt", &number.to_string(), content(number).bytes()).await?;
    }
    let (disk, aside) = (cluster.node(1).spec().disks[1].clone(), cluster.scratch()?.join("aside"));
    cluster.node(1).process()?.terminate(Duration::from_secs(20)).await?;

    // Not mounted, for example.
    std::fs::rename(&disk, &aside)?;
    cluster.node(1).start()?;
    not_ready(&mut cluster, &[path(&disk)?, "is empty, but disk d", "was there: mount it", "REPLACE"])
        .await?;
    ensure!(!disk.join("superblock").exists(), "an empty mount point was made a disk");
    cluster.node(1).process()?.terminate(Duration::from_secs(20)).await?;

    // A disk of another cluster, with something on it.
    let bench = Bench::new()?;
    let (flags, address) = bench.flags()?;
    let theirs = bench.file("theirs");
    let mut command = Command::new(binary::holdfast()?);
    command.args(["server", "--data", path(&theirs)?]).args(&flags);
    let mut other = Process::start("the other cluster", command, &bench.file("log"))?;
    let cli = |args: &[&str]| -> Result<Vec<u8>> {
        let output =
            Command::new(binary::holdfast()?).args(["--timeout", "5", "-C", &address]).args(args).output()?;
        ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    };
    let file = bench.file("file");
    std::fs::write(&file, content(100).bytes())?;
    let file = path(&file)?;
    wait::until("the other cluster", Duration::from_secs(20), || async { cli(&["mkdir", "-p", "/bkt"]) })
        .await?;
    wait::until("the other cluster", Duration::from_secs(20), || async { cli(&["put", file, "hf:/bkt/x"]) })
        .await?;
    other.terminate(Duration::from_secs(20)).await?;
    std::fs::remove_dir_all(&disk)?;
    std::fs::rename(theirs.join("disk0"), &disk)?;
    let superblock = std::fs::read(disk.join("superblock"))?;
    cluster.node(1).start()?;
    not_ready(&mut cluster, &[path(&disk)?, "belongs to cluster", "it is left alone"]).await?;
    ensure!(std::fs::read(disk.join("superblock"))? == superblock, "somebody else's disk was written to");

    // The right disk comes back while the node runs, and nothing is lost on either side.
    std::fs::rename(&disk, theirs.join("disk0"))?;
    std::fs::rename(&aside, &disk)?;
    cluster.wait_ready(1, Duration::from_secs(20)).await?;
    same_files(&cluster).await?;
    let mut command = Command::new(binary::holdfast()?);
    command.args(["server", "--data", path(&theirs)?]).args(&flags);
    let _other = Process::start("the other cluster", command, &bench.file("log"))?;
    let got = wait::until("the other cluster", Duration::from_secs(20), || async { cli(&["cat", "/bkt/x"]) })
        .await?;
    ensure!(got == content(100).bytes(), "the other cluster's object is another one");
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_cannot_be_done_say_why_and_end() -> Result<()> {
    let mut cluster = Builder::new("bad-command").start().await?;
    let mut bench = Bench::new()?;
    let data = cluster.node(1).spec().data.clone();
    let in_use = ["in use by another process", "pid"];
    bench.server_refuses(&["--data", path(&data)?], 1, &in_use).await?;
    bench.refuses(&["init", "--data", path(&data)?], 1, &in_use).await?;

    cluster.expect(&["mkdir", "/bkt"]).await?;
    cluster.s3().put("bkt", "precious", content(1).bytes()).await?;
    let file = bench.file("file");
    std::fs::write(&file, "x")?;
    let file = path(&file)?.to_owned();
    for (args, code, parts) in [
        (&["ls", "/absent"][..], 3, ["/absent", "no such file or directory"]),
        (&["cat", "/bkt/absent"], 3, ["/bkt/absent", "no such file or directory"]),
        (&["get", "/absent/x", "/dev/null"], 3, ["/absent/x", "no such file or directory"]),
        (&["stat", "/bkt/precious/below"], 3, ["/bkt/precious/below", "no such file or directory"]),
        (&["mv", "/bkt/absent", "/bkt/there"], 3, ["/bkt/absent", "no such file or directory"]),
        (&["rm", "/bkt/absent"], 3, ["/bkt/absent", "no such file or directory"]),
        (&["put", &file, "hf:/absent/x"], 6, ["no such bucket", "\"absent\""]),
        (&["put", "/absent-file", "hf:/bkt/x"], 3, ["/absent-file", "No such file"]),
        (&["ls", "bkt"], 2, ["'bkt' is not a path in the cluster", "write hf:/bucket/name"]),
        (&["--timeout", "0", "ls"], 2, ["--timeout", "positive"]),
    ] {
        let output = cluster.run(args).await?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.code() == Some(code), "{args:?} ended with {}: {said}", output.status);
        ensure!(parts.iter().all(|part| said.contains(part)), "{args:?} does not say {parts:?}: {said}");
    }

    // Nobody there; somebody who never answers; somebody who speaks another language.
    let silent = TcpListener::bind((Loopback::pick().node(1), 0))?;
    let nobody = ports(Loopback::pick().node(1), 1)?[0].to_string();
    for address in [nobody, silent.local_addr()?.to_string(), cluster.node(1).spec().s3.to_string()] {
        let began = Instant::now();
        let parts = ["no metadata server of", &address, "--cluster or HOLDFAST_CLUSTER"];
        bench.refuses(&["--timeout", "1", "-C", &address, "ls"], 4, &parts).await?;
        if began.elapsed() > Duration::from_secs(5) {
            bail!("giving up {address} after a second took {:?}", began.elapsed());
        }
    }
    bench.refuses(&["-C", "nonsense", "ls"], 2, &["'nonsense' is not an address", "write host:port"]).await?;
    ensure!(cluster.s3().get("bkt", "precious").await? == content(1).bytes(), "the object is another one");
    cluster.finish().await
}
