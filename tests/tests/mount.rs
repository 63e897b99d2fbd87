//! The mount: what client/mount/SEMANTICS.md promises, through the kernel, on real clusters.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::mount::Mount;
use holdfast_tests::oracle::Content;
use holdfast_tests::{skip_unless_mounts, wait};

/// Lengths around every border: empty, inline limit, block, request, chunk.
const SIZES: [u64; 10] =
    [0, 1, 4095, 4096, 4097, 100_000, 1 << 20, (8 << 20) - 1, (8 << 20) + 1, (20 << 20) + 17];

#[tokio::test(flavor = "multi_thread")]
async fn files_go_in_through_the_mount_and_come_out_of_every_door() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("mount-doors").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let s3 = cluster.s3();
    let mount = Mount::new(&cluster, "m", "/", &[]).await?;
    fs::create_dir(mount.path("bkt/dir"))?;
    for (seed, size) in SIZES.into_iter().enumerate() {
        let content = Content { seed: seed as u64, size };
        fs::write(mount.path(&format!("bkt/dir/{size}")), content.bytes())?;
        ensure!(s3.get("bkt", &format!("dir/{size}")).await? == content.bytes(), "{size} bytes through S3");
        s3.put("bkt", &format!("s3/{size}"), content.bytes()).await?;
        ensure!(fs::read(mount.path(&format!("bkt/s3/{size}")))? == content.bytes(), "{size} bytes from S3");
        ensure!(fs::metadata(mount.path(&format!("bkt/s3/{size}")))?.len() == size, "its length");
    }
    // What S3 replaces is seen by the next open, and what it deletes is gone.
    let path = mount.path("bkt/s3/4096");
    ensure!(fs::read(&path)?.len() == 4096);
    s3.put("bkt", "s3/4096", Content { seed: 77, size: 5000 }.bytes()).await?;
    wait::until("the new object to be seen", Duration::from_secs(10), || async {
        let bytes = fs::read(&path).map_err(|error| error.to_string())?;
        if bytes == (Content { seed: 77, size: 5000 }).bytes() {
            Ok(())
        } else {
            Err("still the old one".to_owned())
        }
    })
    .await?;
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_behaves_like_a_local_disk() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("mount-local").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    let at = mount.at().to_owned();
    tokio::task::spawn_blocking(move || -> Result<()> {
        writes_at_any_offset(&at)?;
        lengths_change(&at)?;
        names(&at)?;
        attributes(&at)?;
        directories(&at)?;
        space(&at)
    })
    .await??;
    mount.finish(&cluster).await?;
    cluster.finish().await
}

fn writes_at_any_offset(at: &Path) -> Result<()> {
    // A short file, and a hole that was made here and nowhere else yet.
    fs::write(at.join("short"), "hi")?;
    let short = OpenOptions::new().read(true).write(true).open(at.join("short"))?;
    short.write_all_at(b"x", 8 << 20)?;
    let mut hole = [1; 10];
    short.read_exact_at(&mut hole, 8192)?;
    ensure!(hole == [0; 10], "{hole:?}");
    let path = at.join("offsets");
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
    ensure!(
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .is_err_and(|e| e.raw_os_error() == Some(libc::EEXIST)),
        "O_EXCL finds what is there"
    );
    let mut image = vec![0u8; 300_000];
    for (number, (offset, length)) in
        [(0, 10), (100_000, 5000), (99_000, 2000), (250_000, 50_000), (5, 3), (104_999, 2)]
            .into_iter()
            .enumerate()
    {
        let data = vec![number as u8 + 1; length];
        file.write_all_at(&data, offset as u64)?;
        image[offset..offset + length].copy_from_slice(&data);
        let mut back = vec![0; image.len()];
        file.read_exact_at(&mut back, 0).or_else(|error| match number < 3 {
            // Not yet that long.
            true => Ok(()),
            false => Err(error),
        })?;
        if number >= 3 {
            ensure!(back == image, "after write {number}");
        }
        if number % 2 == 0 {
            file.sync_all()?;
        }
    }
    drop(file);
    ensure!(fs::read(&path)? == image, "read back after close");
    // Appends, buffered and synced, go to the end whatever the offset.
    let mut log = OpenOptions::new().append(true).create(true).open(at.join("log"))?;
    let mut expected = Vec::new();
    for number in 0..300u32 {
        let line = format!("line {number}\n");
        log.write_all(line.as_bytes())?;
        expected.extend_from_slice(line.as_bytes());
        if number % 7 == 0 {
            log.sync_data()?;
        }
        if number % 50 == 0 {
            ensure!(fs::read(at.join("log"))? == expected, "after line {number}");
        }
    }
    drop(log);
    ensure!(fs::read(at.join("log"))? == expected);
    Ok(())
}

fn lengths_change(at: &Path) -> Result<()> {
    let path = at.join("length");
    let content = Content { seed: 3, size: 1_000_000 }.bytes();
    fs::write(&path, &content)?;
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    for size in [500_000u64, 800_000, 4_000, 100, 5_000, 0, 12] {
        file.set_len(size)?;
        ensure!(file.metadata()?.len() == size, "truncated to {size}");
        let bytes = fs::read(&path)?;
        ensure!(bytes.len() as u64 == size, "read {} of {size}", bytes.len());
    }
    drop(file);
    ensure!(fs::read(&path)? == [0; 12], "what was cut off does not come back");
    fs::write(&path, &content)?;
    fs::write(&path, b"short")?;
    ensure!(fs::read(&path)? == b"short", "O_TRUNC");
    Ok(())
}

fn names(at: &Path) -> Result<()> {
    let dir = at.join("names");
    fs::create_dir(&dir)?;
    let long = "ü".repeat(127);
    for name in ["a", &long, "with space", "-dash", "line\nbreak", "100%"] {
        fs::write(dir.join(name), name)?;
        ensure!(fs::read_to_string(dir.join(name))? == name);
    }
    let too_long = fs::write(dir.join("x".repeat(256)), "");
    ensure!(too_long.is_err_and(|error| error.raw_os_error() == Some(libc::ENAMETOOLONG)));
    fs::hard_link(dir.join("a"), dir.join("b"))?;
    ensure!(
        fs::metadata(dir.join("a"))?.nlink() == 2
            && fs::metadata(dir.join("b"))?.ino() == fs::metadata(dir.join("a"))?.ino()
    );
    std::os::unix::fs::symlink("a", dir.join("link"))?;
    ensure!(
        fs::read_to_string(dir.join("link"))? == "a" && fs::read_link(dir.join("link"))? == Path::new("a")
    );
    fs::rename(dir.join("b"), dir.join("c"))?;
    fs::write(dir.join("d"), "d")?;
    fs::rename(dir.join("c"), dir.join("d"))?;
    ensure!(fs::read_to_string(dir.join("d"))? == "a" && !dir.join("c").exists());
    exchange(&dir.join("d"), &dir.join("with space"))?;
    ensure!(fs::read_to_string(dir.join("d"))? == "with space");
    let busy = fs::remove_dir(&dir);
    ensure!(busy.is_err_and(|error| error.raw_os_error() == Some(libc::ENOTEMPTY)));
    fs::remove_dir_all(&dir)?;
    ensure!(!dir.exists());
    Ok(())
}

fn exchange(one: &Path, other: &Path) -> Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?;
    Ok(())
}

fn attributes(at: &Path) -> Result<()> {
    let path = at.join("attributes");
    fs::write(&path, "x")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4750))?;
    std::os::unix::fs::chown(&path, Some(1234), Some(4321))?;
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    File::options().write(true).open(&path)?.set_modified(time)?;
    let found = fs::metadata(&path)?;
    ensure!(found.mode() & 0o7777 == 0o750, "chown drops set-user-id: {:o}", found.mode());
    ensure!((found.uid(), found.gid()) == (1234, 4321));
    ensure!(found.modified()? == time, "nanoseconds survive");
    use rustix::fs::{XattrFlags, getxattr, listxattr, removexattr, setxattr};
    setxattr(&path, "user.colour", b"blue", XattrFlags::CREATE)?;
    setxattr(&path, "user.big", &vec![7; 60_000], XattrFlags::empty())?;
    let mut value = vec![0u8; 65536];
    let length = getxattr(&path, "user.colour", &mut value[..])?;
    ensure!(&value[..length] == b"blue");
    let length = getxattr(&path, "user.big", &mut value[..])?;
    ensure!(length == 60_000 && value[..length].iter().all(|byte| *byte == 7));
    let mut names = vec![0u8; 1000];
    let length = listxattr(&path, &mut names[..])?;
    ensure!(names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()).count() == 2);
    ensure!(setxattr(&path, "user.colour", b"red", XattrFlags::CREATE).is_err());
    removexattr(&path, "user.colour")?;
    ensure!(getxattr(&path, "user.colour", &mut value[..]).is_err());
    Ok(())
}

fn directories(at: &Path) -> Result<()> {
    let dir = at.join("many");
    fs::create_dir(&dir)?;
    for number in 0..3000 {
        File::create(dir.join(format!("file-{number:05}")))?;
    }
    let mut seen: Vec<_> =
        fs::read_dir(&dir)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    seen.sort();
    ensure!(seen.len() == 3000, "{} names", seen.len());
    seen.dedup();
    ensure!(seen.len() == 3000, "a name came twice");
    // Removing what one has just read, as rm does, reaches every entry.
    for entry in fs::read_dir(&dir)? {
        fs::remove_file(entry?.path())?;
    }
    fs::remove_dir(&dir).context("every entry was reached")?;
    Ok(())
}

fn space(at: &Path) -> Result<()> {
    use rustix::fs::{FallocateFlags, SeekFrom as Where, copy_file_range, fallocate, seek};
    let path = at.join("space");
    let content = Content { seed: 5, size: 3 << 20 }.bytes();
    fs::write(&path, &content)?;
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 1 << 20, 1 << 20)?;
    let mut expected = content.to_vec();
    expected[1 << 20..2 << 20].fill(0);
    ensure!(fs::read(&path)? == expected, "a punched hole reads as zeros, the rest stays");
    ensure!(seek(&file, Where::Hole(0))? == 1 << 20 && seek(&file, Where::Data(1 << 20))? == 2 << 20);
    ensure!(fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, 4096).is_err());
    fallocate(&file, FallocateFlags::empty(), 0, 4 << 20)?;
    ensure!(file.metadata()?.len() == 4 << 20, "allocating behind the end lengthens");
    let copy = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(at.join("copy"))?;
    let (mut from, mut to, mut left) = (0, 100, 3 << 20);
    while left > 0 {
        let count = copy_file_range(&file, Some(&mut from), &copy, Some(&mut to), left)?;
        ensure!(count > 0);
        left -= count;
    }
    let mut back = Vec::new();
    let mut copy = copy;
    copy.seek(SeekFrom::Start(100))?;
    copy.read_to_end(&mut back)?;
    ensure!(back == expected, "copied by reference");
    let direct = OpenOptions::new().read(true).custom_flags(libc::O_DIRECT).open(&path);
    ensure!(direct.is_ok(), "O_DIRECT opens");
    let statfs = rustix::fs::statvfs(at)?;
    ensure!(statfs.f_blocks > 0 && statfs.f_bavail > 0 && statfs.f_namemax == 255);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_mounts_see_what_the_other_closed_and_append_without_loss() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("mount-two").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let one = Mount::new(&cluster, "one", "/bkt", &[]).await?;
    let two = Mount::new(&cluster, "two", "/bkt", &[]).await?;
    for round in 0..20u64 {
        let content = Content { seed: round, size: 10_000 + 1000 * round }.bytes();
        fs::write(one.path("shared"), &content)?;
        ensure!(fs::read(two.path("shared"))? == content, "closed there, opened here: round {round}");
        let content = Content { seed: 100 + round, size: 9_000 + 1000 * round }.bytes();
        fs::write(two.path("shared"), &content)?;
        ensure!(fs::read(one.path("shared"))? == content, "and back: round {round}");
    }
    let writer = |path: std::path::PathBuf, who: &'static str| {
        tokio::task::spawn_blocking(move || -> Result<()> {
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            for number in 0..200 {
                file.write_all(format!("{who} {number}\n").as_bytes())?;
                if number % 5 == 0 {
                    file.sync_data()?;
                }
            }
            Ok(())
        })
    };
    File::create(one.path("log"))?;
    let (a, b) = (writer(one.path("log"), "one"), writer(two.path("log"), "two"));
    a.await??;
    b.await??;
    let text = fs::read_to_string(two.path("log"))?;
    for who in ["one", "two"] {
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with(who)).collect();
        let expected: Vec<String> = (0..200).map(|number| format!("{who} {number}")).collect();
        ensure!(lines == expected, "lines of {who} are all there, whole and in order");
    }
    ensure!(text.lines().count() == 400, "nothing else is there");
    one.finish(&cluster).await?;
    two.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_and_open_files_are_known_to_the_other_mount() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("mount-locks").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let one = Mount::new(&cluster, "one", "/bkt", &[]).await?;
    let mut two = Mount::new(&cluster, "two", "/bkt", &[]).await?;
    fs::write(one.path("file"), "counter 0")?;
    let (here, there) = (open_both(&one.path("file"))?, open_both(&two.path("file"))?);

    // flock: what was written under the lock is seen by the next holder.
    rustix::fs::flock(&here, rustix::fs::FlockOperation::LockExclusive)?;
    let busy = rustix::fs::flock(&there, rustix::fs::FlockOperation::NonBlockingLockExclusive);
    ensure!(busy.is_err_and(|error| error == rustix::io::Errno::AGAIN), "the other mount must not get it");
    let waiter = tokio::task::spawn_blocking({
        let there = there.try_clone()?;
        move || -> Result<String> {
            rustix::fs::flock(&there, rustix::fs::FlockOperation::LockExclusive)?;
            let mut text = [0; 9];
            there.read_exact_at(&mut text, 0)?;
            rustix::fs::flock(&there, rustix::fs::FlockOperation::Unlock)?;
            Ok(String::from_utf8(text.to_vec())?)
        }
    });
    here.write_all_at(b"counter 1", 0)?;
    ensure!(!waiter.is_finished(), "it waits");
    rustix::fs::flock(&here, rustix::fs::FlockOperation::Unlock)?;
    ensure!(waiter.await?? == "counter 1", "the waiter sees what was written under the lock");
    // Also what made the file longer, where its old end was read before.
    for (reader, writer) in [(&here, &there), (&there, &here)] {
        let old = reader.metadata()?.len();
        ensure!(reader.read_at(&mut [0; 100], 0)? as u64 == old);
        rustix::fs::flock(writer, rustix::fs::FlockOperation::LockExclusive)?;
        writer.write_all_at(b" and more", old)?;
        rustix::fs::flock(writer, rustix::fs::FlockOperation::Unlock)?;
        rustix::fs::flock(reader, rustix::fs::FlockOperation::LockExclusive)?;
        let mut bytes = [1; 100];
        let (length, read) = (reader.metadata()?.len(), reader.read_at(&mut bytes, 0)? as u64);
        ensure!([length, read] == [old + 9; 2], "{length} and {read}, not {}", old + 9);
        ensure!(bytes[..read as usize].ends_with(b" and more"), "the new end");
        rustix::fs::flock(reader, rustix::fs::FlockOperation::Unlock)?;
    }

    // A file without a name is usable until it is closed, also when another mount took the name.
    fs::remove_file(two.path("file"))?;
    here.write_all_at(b"counter 2", 0)?;
    here.sync_all()?;
    let mut text = [0; 9];
    there.read_exact_at(&mut text, 0)?;
    wait::until("the name to be gone here, too", Duration::from_secs(10), || async {
        match (here.metadata().map(|found| found.nlink()), one.path("file").exists()) {
            (Ok(0), false) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await?;
    let ino = here.metadata()?.ino();
    drop((here, there));

    // A mount that dies gives up its locks and leaves only whole files behind.
    fs::write(one.path("held"), "x")?;
    let held = open_both(&two.path("held"))?;
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive)?;
    fs::write(two.path("whole"), Content { seed: 1, size: 3 << 20 }.bytes())?;
    let mut half = File::create(two.path("half"))?;
    half.write_all(&Content { seed: 2, size: 3 << 20 }.bytes())?;
    two.process().kill()?;
    let mine = open_both(&one.path("held"))?;
    wait::until("the dead mount's lock to go", Duration::from_secs(90), || async {
        rustix::fs::flock(&mine, rustix::fs::FlockOperation::NonBlockingLockExclusive)
    })
    .await?;
    ensure!(fs::read(one.path("whole"))? == Content { seed: 1, size: 3 << 20 }.bytes());
    let left = fs::read(one.path("half"))?;
    let whole = Content { seed: 2, size: 3 << 20 }.bytes();
    ensure!(whole.starts_with(&left), "{} bytes that nobody wrote", left.len());
    drop((half, held, mine, two));
    let stat = cluster.run(&["stat", "/bkt/file"]).await?;
    ensure!(stat.status.code() == Some(3), "inode {ino} is gone by name");
    one.finish(&cluster).await?;
    cluster.finish().await
}

fn open_both(path: &Path) -> Result<File> {
    Ok(OpenOptions::new().read(true).write(true).open(path)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_refused_with_edquot() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("mount-quota").start().await?;
    cluster.expect(&["mkdir", "-p", "/bkt/dir"]).await?;
    let mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    fs::write(mount.path("dir/before"), vec![1; 300_000])?;
    cluster.expect(&["admin", "quota", "/bkt/dir", "--bytes", "1MiB", "--files", "4"]).await?;
    wait::until("what was there to be counted", Duration::from_secs(30), || async {
        let text =
            cluster.expect(&["--json", "admin", "quota", "/bkt/dir"]).await.map_err(|e| e.to_string())?;
        let quota: serde_json::Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
        match quota["counting"] == false && quota["used_bytes"] == 300_000 && quota["used_files"] == 2 {
            true => Ok(()),
            false => Err(quota.to_string()),
        }
    })
    .await?;
    let over =
        |result: std::io::Result<()>| result.is_err_and(|error| error.raw_os_error() == Some(libc::EDQUOT));
    let path = mount.path("dir/after");
    let mut file = File::create(&path)?;
    file.write_all(&vec![2; 2 << 20])?;
    ensure!(over(file.sync_all()), "the sync that would go over the limit says so");
    drop(file);
    ensure!(fs::metadata(&path)?.len() == 0, "nothing of it is there");
    fs::write(&path, vec![3; 500_000])?;
    File::create(mount.path("dir/third"))?;
    ensure!(over(File::create(mount.path("dir/fourth")).map(drop)), "and so does one file too many");
    let space = rustix::fs::statvfs(mount.path("dir").as_path())?;
    ensure!(space.f_blocks * space.f_frsize == 1 << 20, "df shows the quota");
    cluster.expect(&["admin", "quota", "/bkt/dir", "--remove"]).await?;
    File::create(mount.path("dir/fourth"))?;
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_die_under_the_mount_and_applications_notice_nothing() -> Result<()> {
    skip_unless_mounts!();
    let mut cluster = Builder::new("mount-faults").nodes(3).start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writers: Vec<_> = (0..4u64)
        .map(|writer| {
            let (dir, stop) = (mount.path(&format!("w{writer}")), stop.clone());
            tokio::task::spawn_blocking(move || -> Result<u64> {
                fs::create_dir(&dir)?;
                let mut number = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let content = Content { seed: writer << 32 | number, size: (number * 7919) % 200_000 };
                    let path = dir.join(number.to_string());
                    let mut file = File::create(&path)?;
                    file.write_all(&content.bytes())?;
                    if number % 3 == 0 {
                        file.sync_all()?;
                    }
                    drop(file);
                    ensure!(fs::read(&path)? == content.bytes(), "{} differs", path.display());
                    number += 1;
                }
                Ok(number)
            })
        })
        .collect();
    for round in 0..3 {
        let leader = cluster.leader().await?;
        let victim = if round == 1 { leader % 3 + 1 } else { leader };
        cluster.node(victim).kill()?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        cluster.restart(victim).await?;
        cluster.wait_redundant(Duration::from_secs(60)).await?;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut counts = Vec::new();
    for writer in writers {
        counts.push(writer.await??);
    }
    for (writer, count) in counts.iter().enumerate() {
        for number in 0..*count {
            let content = Content { seed: (writer as u64) << 32 | number, size: (number * 7919) % 200_000 };
            let bytes = fs::read(mount.path(&format!("w{writer}/{number}")))?;
            ensure!(bytes == content.bytes(), "file {number} of writer {writer} differs");
        }
    }
    ensure!(counts.iter().all(|count| *count > 3), "every writer got on: {counts:?}");
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cluster_fsync_fails_in_time_and_nothing_is_dropped() -> Result<()> {
    skip_unless_mounts!();
    let mut cluster = Builder::new("mount-alone").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let mount = Mount::new(&cluster, "m", "/bkt", &["--io-timeout", "2"]).await?;
    let path = mount.path("file");
    let one = File::create(&path)?;
    let two = OpenOptions::new().write(true).open(&path)?;
    cluster.kill_all()?;
    one.write_all_at(b"kept", 0)?;
    // One of them flushes, the other does not get its turn: both must be told.
    let sync = |file: &File| -> Result<_> {
        let file = file.try_clone()?;
        Ok(tokio::task::spawn_blocking(move || file.sync_all()))
    };
    for (who, synced) in [("one", sync(&one)?), ("two", sync(&two)?)] {
        let outcome = tokio::time::timeout(Duration::from_secs(60), synced).await??;
        let errno = outcome.err().and_then(|error| error.raw_os_error());
        ensure!(errno == Some(libc::EIO), "fsync of {who} came to {errno:?}: {}", mount.said());
    }
    cluster.start_all().await?;
    wait::until("the bytes to be committed", Duration::from_secs(60), || {
        let synced = one.sync_all().map_err(|error| error.to_string());
        async move { synced }
    })
    .await?;
    ensure!(cluster.s3().get("bkt", "file").await? == b"kept"[..], "what was written is there");
    drop((one, two));
    mount.finish(&cluster).await?;
    cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_moves_access_times_where_that_is_wanted() -> Result<()> {
    skip_unless_mounts!();
    let cluster = Builder::new("mount-atime").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let never = Mount::new(&cluster, "never", "/bkt", &[]).await?;
    let relative = Mount::new(&cluster, "relative", "/bkt", &["--atime", "relative"]).await?;
    fs::create_dir(never.path("d"))?;
    for name in ["d/read", "d/left", "d/unasked"] {
        fs::write(never.path(name), vec![7; 100_000])?;
    }
    let before = accessed(&never, "d/read")?;
    ensure!(fs::read(never.path("d/read"))?.len() == 100_000);
    // Times are sent in the order of the batches: what comes after the last of three says that the first were, or not.
    let quiet =
        OpenOptions::new().read(true).custom_flags(libc_noatime()).open(relative.path("d/unasked"))?;
    ensure!(quiet.read_at(&mut [0; 10], 0)? == 10);
    drop(quiet);
    ensure!(fs::read(relative.path("d/left"))?.len() == 100_000);
    moved(&never, "d/left", accessed(&never, "d/left")?).await?;
    ensure!(accessed(&never, "d/read")? == before, "read through the mount that leaves times alone");
    let unasked = accessed(&relative, "d/unasked")?;
    ensure!(unasked.0 <= unasked.1, "opened with O_NOATIME");
    let directory = accessed(&never, "d")?;
    ensure!(fs::read_dir(relative.path("d"))?.count() == 3);
    moved(&relative, "d", directory).await?;
    // It moves again only after a change, or a day.
    let first = accessed(&relative, "d/left")?;
    ensure!(first.0 > first.1, "{first:?}");
    ensure!(fs::read(relative.path("d/left"))?.len() == 100_000);
    fs::read(relative.path("d/read"))?;
    moved(&relative, "d/read", before).await?;
    ensure!(accessed(&relative, "d/left")? == first, "it moved without need");
    relative.finish(&cluster).await?;
    never.finish(&cluster).await?;
    cluster.finish().await
}

/// Times of access and of change, in nanoseconds.
fn accessed(mount: &Mount, name: &str) -> Result<(i64, i64)> {
    let found = fs::metadata(mount.path(name))?;
    let ns = |seconds: i64, rest: i64| seconds * 1_000_000_000 + rest;
    Ok((ns(found.atime(), found.atime_nsec()), ns(found.ctime(), found.ctime_nsec())))
}

/// `O_NOATIME` of open(2).
fn libc_noatime() -> i32 {
    rustix::fs::OFlags::NOATIME.bits() as i32
}

/// Waits until the access time is later, the time of change being what it was.
async fn moved(mount: &Mount, name: &str, before: (i64, i64)) -> Result<()> {
    wait::until("an access time to move", Duration::from_secs(10), || async {
        let now = accessed(mount, name).map_err(|error| error.to_string())?;
        if now.0 > before.0 && now.1 == before.1 {
            Ok(())
        } else {
            Err(format!("{now:?}, before {before:?}"))
        }
    })
    .await
}
