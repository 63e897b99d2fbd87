//! How mounts are made and ended on machines that run for long: by lines of fstab(5) through mount(8), by the unit for
//! systemd, and by `holdfast umount`. What is refused is refused in words that help, and leaves nothing mounted.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::mount::is_mounted;
use holdfast_tests::outcome::{refused, said, text};
use holdfast_tests::process::Process;
use holdfast_tests::{
    addresses, binary, logs, node, skip_unless_mounts, skip_unless_root_with, source, wait,
};
use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};

/// Longest time for what should take a second.
const SOON: Duration = Duration::from_secs(30);

/// A world with mounts of its own, in which `/sbin/mount.holdfast` is a link to the binary.
struct Machine {
    holder: Process,
    scratch: PathBuf,
    /// Logs of mounts that were made in it.
    logs: Vec<PathBuf>,
}

impl Machine {
    async fn new(cluster: &Cluster) -> Result<Self> {
        let scratch = cluster.scratch()?;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sleep", "infinity"]);
        let holder = Process::start("machine", command, &scratch.join("machine.log"))?;
        let machine = Self { holder, scratch, logs: Vec::new() };
        wait::until("a namespace", SOON, || async {
            let name = fs::read_to_string(machine.proc("comm")).map_err(|error| error.to_string())?;
            if name.trim() == "sleep" { Ok(()) } else { Err(name) }
        })
        .await?;
        // Everything of /sbin, and our name beside it; nothing of it is seen outside.
        let script = "set -e; mkdir $1/sbin; mount --bind /sbin $1/sbin; mount -t tmpfs none /sbin\n\
                      ln -s $1/sbin/* /sbin/; ln -s $2 /sbin/mount.holdfast";
        let program = binary::holdfast()?;
        let args = ["sh", "-c", script, "sh", text(&machine.scratch)?, text(&program)?];
        let output = machine.run(&args).await?;
        ensure!(output.status.success(), "{}", said(&output));
        Ok(machine)
    }

    fn proc(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(self.holder.pid().to_string()).join(file)
    }

    /// A path as it is seen in there.
    fn path(&self, path: &Path) -> PathBuf {
        self.proc("root").join(path.strip_prefix("/").unwrap_or(path))
    }

    /// How many mounts there are at a place.
    fn mounts(&self, at: &Path) -> Result<usize> {
        let all = fs::read_to_string(self.proc("mountinfo"))?;
        Ok(all.lines().filter(|line| line.split(' ').nth(4) == at.to_str()).count())
    }

    async fn run(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.holder.pid().to_string(), "--mount"]).args(args);
        // Where the cluster is, is in the line of fstab.
        command.current_dir("/").env_remove("HOLDFAST_CLUSTER");
        tokio::task::spawn_blocking(move || command.output()).await?.context("run a command")
    }

    async fn expect(&self, args: &[&str]) -> Result<()> {
        let output = self.run(args).await?;
        ensure!(output.status.success(), "{args:?}: {}: {}", output.status, said(&output));
        Ok(())
    }

    /// A place to mount at, and the log of who serves it.
    fn place(&mut self, name: &str) -> Result<(PathBuf, PathBuf)> {
        let at = self.scratch.join(name);
        fs::create_dir(&at)?;
        self.logs.push(at.with_extension("log"));
        Ok((at.clone(), at.with_extension("log")))
    }
}

/// Who serves a mount in the background, while it runs.
fn servant(log: &Path) -> Option<u32> {
    let said = fs::read_to_string(log).unwrap_or_default();
    let pid: u32 = said.lines().rev().find_map(|line| line.split_once("pid=")?.1.trim().parse().ok())?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // One whose end nobody asked for has ended all the same.
    let ended = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    let ours = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?.contains(log.to_str()?);
    (ours && !ended).then_some(pid)
}

async fn ended(log: &Path) -> Result<()> {
    wait::until("the mount's process to end", SOON, || async {
        servant(log).map_or(Ok(()), |pid| Err(format!("{pid} runs: {}", node::tail(log, 9))))
    })
    .await?;
    let log = fs::read_to_string(log)?;
    let alarms = logs::alarms(&log, &logs::Announced::nothing());
    ensure!(log.contains("the mount has ended") && alarms.is_empty(), "{alarms:?}: {log}");
    Ok(())
}

impl Drop for Machine {
    fn drop(&mut self) {
        for pid in self.logs.iter().filter_map(|log| servant(log)) {
            // One that is gone by now is what we want.
            let _ = Pid::from_raw(pid as i32).map(|pid| kill_process(pid, Signal::KILL));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_fstab_is_a_mount() -> Result<()> {
    skip_unless_root_with!("mount", "unshare", "nsenter");
    skip_unless_mounts!();
    let cluster = Builder::new("operators-fstab").start().await?;
    cluster.expect(&["mkdir", "-p", "/bkt/dir"]).await?;
    let mut machine = Machine::new(&cluster).await?;
    let ((at, log), (ro, ro_log), (late, late_log)) =
        (machine.place("at")?, machine.place("ro")?, machine.place("late")?);
    let from = cluster.addresses();
    let lines = format!(
        "# a comment\n{from}:/bkt {} holdfast _netdev,nofail,x-systemd.after=x,io_timeout=20,log_file={} 0 0\n\
         {from}:/bkt/dir {} holdfast ro,relatime,log_file={} 0 0\n\
         {from}:/ {} holdfast noauto,nosuid,log_file={} 0 0\n",
        at.display(),
        log.display(),
        ro.display(),
        ro_log.display(),
        late.display(),
        late_log.display()
    );
    let table = machine.scratch.join("fstab");
    fs::write(&table, lines)?;
    let table = text(&table)?.to_owned();
    machine.expect(&["mount", "--all", "--fstab", &table]).await?;
    ensure!([machine.mounts(&at)?, machine.mounts(&ro)?, machine.mounts(&late)?] == [1, 1, 0], "noauto");
    fs::write(machine.path(&at).join("dir/file"), "through a line of fstab")?;
    ensure!(cluster.s3().get("bkt", "dir/file").await? == b"through a line of fstab"[..]);
    ensure!(fs::read(machine.path(&ro).join("file"))? == b"through a line of fstab");
    let refusal = fs::write(machine.path(&ro).join("file"), "").map_err(|error| error.raw_os_error());
    ensure!(refusal == Err(Some(libc::EROFS)), "{refusal:?}");
    machine.expect(&["mount", "--fstab", &table, text(&late)?]).await?;
    ensure!(fs::read(machine.path(&late).join("bkt/dir/file"))?.len() == 23);
    let all = fs::read_to_string(machine.proc("mountinfo"))?;
    let line = all.lines().find(|line| line.split(' ').nth(4) == late.to_str()).context("the third")?;
    ensure!(line.contains("nosuid") && line.contains("noatime"), "{line}");

    let umount = |at: &Path, flag: &'static str| {
        let mut args = vec![binary::holdfast()?, "umount".into(), at.to_owned()];
        args.extend((!flag.is_empty()).then(|| flag.into()));
        anyhow::Ok(args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>())
    };
    let run = async |at: &Path, flag| -> Result<Output> {
        let args = umount(at, flag)?;
        machine.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await
    };
    // What is in use stays until it is not, or goes from its place only.
    let held = File::options().write(true).open(machine.path(&at).join("dir/file"))?;
    refused(&run(&at, "").await?, 1, &["is in use", "--lazy", text(&at)?])?;
    fs::write(machine.path(&at).join("still"), "here")?;
    ensure!(run(&at, "--lazy").await?.status.success() && machine.mounts(&at)? == 0);
    held.write_all_at(b"THROUGH", 0)?;
    ensure!(servant(&log).is_some(), "somebody still uses it");
    drop(held);
    ended(&log).await?;
    ensure!(cluster.s3().get("bkt", "dir/file").await? == b"THROUGH a line of fstab"[..], "the last bytes");
    refused(&run(&at, "").await?, 2, &["nothing is mounted", text(&at)?])?;
    ensure!(run(&ro, "").await?.status.success());
    ended(&ro_log).await?;
    // And as for any other file system.
    machine.expect(&["umount", text(&late)?]).await?;
    ended(&late_log).await?;
    drop(machine);
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn mounting_all_twice_mounts_once() -> Result<()> {
    skip_unless_root_with!("mount", "unshare", "nsenter");
    skip_unless_mounts!();
    let cluster = Builder::new("operators-twice").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mut machine = Machine::new(&cluster).await?;
    let (at, log) = machine.place("at")?;
    let table = machine.scratch.join("fstab");
    let (from, to) = (cluster.addresses(), text(&at)?.to_owned());
    fs::write(&table, format!("{from}:/bkt {to} holdfast _netdev,log_file={} 0 0\n", log.display()))?;
    for round in 0..3 {
        machine.expect(&["mount", "--all", "--fstab", text(&table)?]).await?;
        let found = machine.mounts(&at)?;
        ensure!(found == 1, "{found} mounts lie on each other after round {round}");
    }
    machine.expect(&["umount", &to]).await?;
    ended(&log).await?;
    drop(machine);
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_mount_adds_by_itself_is_understood() -> Result<()> {
    skip_unless_root_with!("mount", "unshare", "nsenter");
    skip_unless_mounts!();
    let cluster = Builder::new("operators-added").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mut machine = Machine::new(&cluster).await?;
    let (at, log) = machine.place("at")?;
    let table = machine.scratch.join("fstab");
    let (from, to) = (cluster.addresses(), text(&at)?.to_owned());
    let line = |options: &str| {
        fs::write(&table, format!("{from}:/bkt {to} holdfast {options},log_file={} 0 0\n", log.display()))
    };
    let table = text(&table)?;
    let mut wrong = Vec::new();
    // From `owner` it makes nosuid and nodev, from `users` noexec as well: who may mount is not trusted.
    for (options, wanted) in [
        ("nosuid", &["nosuid"][..]),
        ("nosuid,nodev", &["nosuid", "nodev"]),
        ("owner", &["nosuid", "nodev"]),
        ("users", &["nosuid", "nodev", "noexec"]),
    ] {
        line(options)?;
        let output = machine.run(&["mount", "--all", "--fstab", table]).await?;
        if !output.status.success() {
            wrong.push(format!("{options}: {}", said(&output)));
            continue;
        }
        let all = fs::read_to_string(machine.proc("mountinfo"))?;
        let line = all.lines().find(|line| line.split(' ').nth(4) == at.to_str()).context("not mounted")?;
        // findmnt(8), df(1) and others choose by the type.
        if !wanted.iter().all(|option| line.contains(option)) || !line.contains(" fuse.holdfast ") {
            wrong.push(format!("{options}: {line}"));
        }
        machine.expect(&["umount", &to]).await?;
        ended(&log).await?;
    }
    // A trial, as after a change of the table, mounts nothing.
    line("rw")?;
    let output = machine.run(&["mount", "--fake", "--all", "--fstab", table]).await?;
    if !output.status.success() || machine.mounts(&at)? > 0 {
        wrong.push(format!("--fake: {} mounts, {}", machine.mounts(&at)?, said(&output)));
    }
    ensure!(wrong.is_empty(), "{wrong:#?}");
    drop(machine);
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fstab_should_not_say_is_refused_in_words() -> Result<()> {
    skip_unless_root_with!("mount", "unshare", "nsenter");
    skip_unless_mounts!();
    let cluster = Builder::new("operators-refused").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    cluster.s3().put("bkt", "file", "no directory".into()).await?;
    let mut machine = Machine::new(&cluster).await?;
    let (at, log) = machine.place("at")?;
    let (cluster_only, log) = (cluster.addresses(), format!("log_file={}", log.display()));
    let good = format!("{cluster_only}:/bkt");
    let nobody = addresses::ports([127, 0, 0, 1].into(), 1)?[0];
    let cases: [(&str, &str, &[&str]); 10] = [
        (&good, "bogus", &["'bogus'", "not known"]),
        (&good, "rw,io_timeuot=5", &["'io_timeuot=5'", "not known"]),
        (&good, "io_timeout=soon", &["soon", "--io-timeout"]),
        (&good, "io_timeout=0", &["--io-timeout", "at least 1"]),
        (&good, "dirty_mib=1", &["--dirty-mib", "16"]),
        (&good, "cache_dir=/nowhere", &["--cache-mib"]),
        (&cluster_only, "rw", &["HOST:PORT", ":/PATH"]),
        (&format!("{good}/absent"), "rw", &["/bkt/absent", "does not exist"]),
        (&format!("{good}/file"), "rw", &["/bkt/file", "not a directory"]),
        (&format!("{nobody}:/bkt"), "io_timeout=2", &["127.0.0.1"]),
    ];
    for (from, options, words) in cases {
        let options = format!("{log},{options}");
        let output = machine.run(&["mount", "-t", "holdfast", from, text(&at)?, "-o", &options]).await?;
        let why = said(&output);
        ensure!(!output.status.success() && machine.mounts(&at)? == 0, "{from} with {options} was mounted");
        for word in words {
            ensure!(why.contains(word), "{from} with {options}: no word of {word}: {why}");
        }
        ensure!(!why.contains("panicked") && why.lines().count() < 8, "{why}");
    }
    drop(machine);
    cluster.finish().await
}

/// Where the unit mounts. Nothing is left there when its owner goes.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        if is_mounted(&self.0) {
            // Nothing can be done about a failure here.
            let _ = unmount(&self.0, UnmountFlags::DETACH);
        }
    }
}

/// The commands of a kind in the unit for mounts, as systemd would run them.
fn unit(kind: &str, at: &Path) -> Result<Vec<Vec<String>>> {
    let path = source::file("deploy/systemd/holdfast-mount@.service");
    let lines = fs::read_to_string(path)?;
    let commands = lines.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix('='));
    let (program, at) = (binary::holdfast()?, text(at)?);
    let filled = commands.map(|line| {
        let line =
            line.trim_start_matches('-').replace("/usr/local/bin/holdfast", &program.to_string_lossy());
        line.replace("${SOURCE}", "/bkt").replace("${TARGET}", at).split(' ').map(str::to_owned).collect()
    });
    Ok(filled.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_unit_for_systemd_mounts_and_comes_back_after_a_kill() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("operators-unit").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let (at, socket) = (Place(cluster.scratch()?.join("at")), cluster.scratch()?.join("notify"));
    let notified = UnixDatagram::bind(&socket)?;
    notified.set_read_timeout(Some(SOON))?;
    let command = |words: &[String]| {
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("HOLDFAST_CLUSTER", cluster.addresses()).env("NOTIFY_SOCKET", &socket);
        command
    };
    let start = || -> Result<Process> {
        for words in unit("ExecStartPre", &at.0)? {
            // What clears up after a kill may find nothing to do: the unit says so by a minus.
            command(&words).output()?;
        }
        let serving = unit("ExecStart", &at.0)?;
        ensure!(serving.len() == 1, "{serving:?}");
        let process = Process::start("unit", command(&serving[0]), &at.0.with_extension("log"))?;
        let mut heard = [0; 100];
        let length = notified.recv(&mut heard).context("nobody said that it is ready")?;
        ensure!(heard[..length].starts_with(b"READY=1"), "{}", String::from_utf8_lossy(&heard[..length]));
        ensure!(is_mounted(&at.0), "it says that it is ready before it is");
        Ok(process)
    };
    let mut process = start()?;
    fs::write(at.0.join("file"), "first")?;
    process.kill()?;
    ensure!(fs::read(at.0.join("file")).is_err(), "nobody serves it");
    let mut process = start()?;
    ensure!(fs::read(at.0.join("file"))? == b"first");
    for words in unit("ExecStop", &at.0)? {
        ensure!(command(&words).output()?.status.success(), "{words:?}");
    }
    let status = process.wait(SOON).await?;
    ensure!(status.success() && !is_mounted(&at.0), "{status}");
    // A mistake in the settings is not tried again and again: the unit knows this exit code.
    let known = fs::read_to_string(source::file("deploy/systemd/holdfast-mount@.service"))?;
    ensure!(known.contains("RestartPreventExitStatus=2"));
    let wrong = cluster.run(&["mount", "--foreground", "--io-timeout", "0", "/bkt", text(&at.0)?]).await?;
    refused(&wrong, 2, &["--io-timeout"])?;
    cluster.finish().await
}
