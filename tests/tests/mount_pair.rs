//! Two mounts that have the same file open: what one of them does not know of the other must not lose anything, and locks
//! and descriptors behave as on one machine.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::mount::{Mount, missing};
use rustix::fs::{FallocateFlags, OFlags, fallocate, fcntl_getfl, fcntl_setfl};

/// The same file through both mounts.
struct Pair<'m> {
    here: &'m Mount,
    there: &'m Mount,
}

impl Pair<'_> {
    /// Made here and opened here, then opened there.
    fn open(&self, name: &str) -> Result<(File, File)> {
        let here = both_ways().create_new(true).open(self.here.path(name)).context("here")?;
        let there = both_ways().open(self.there.path(name)).context("there")?;
        Ok((here, there))
    }

    /// What is in the file, as who opens it anew sees it.
    fn content(&self, name: &str) -> Result<Vec<u8>> {
        let here = fs::read(self.here.path(name))?;
        ensure!(fs::read(self.there.path(name))? == here, "{name} differs between the mounts");
        Ok(here)
    }
}

fn both_ways() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

fn written(file: &File, at: u64, bytes: &[u8]) -> Result<()> {
    file.write_all_at(bytes, at)?;
    Ok(file.sync_all()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_other_mount_did_meanwhile_is_not_undone() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let cluster = Builder::new("pair").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let here = Mount::new(&cluster, "here", "/bkt", &[]).await?;
    let there = Mount::new(&cluster, "there", "/bkt", &[]).await?;
    let pair = Pair { here: &here, there: &there };
    allocating_cuts_nothing(&pair).context("fallocate")?;
    punching_reaches_what_the_other_wrote(&pair).context("punch")?;
    small_writes_find_room(&pair).context("small writes")?;
    appending_follows_the_descriptor(&pair).context("O_APPEND by fcntl")?;
    ofd_locks_end_with_their_descriptor(&pair).context("OFD locks")?;
    flocks_end_with_their_descriptor(&pair).context("flock")?;
    set_ids(&pair).context("set-user-id")?;
    system_attributes(&pair).context("attributes")?;
    small_buffers_list_everything(&pair).context("directories")?;
    here.finish(&cluster).await?;
    there.finish(&cluster).await?;
    cluster.finish().await
}

fn allocating_cuts_nothing(pair: &Pair<'_>) -> Result<()> {
    let (here, there) = pair.open("allocated")?;
    written(&there, 0, &[7; 200_000])?;
    fallocate(&here, FallocateFlags::empty(), 0, 4096)?;
    ensure!(pair.content("allocated")? == [7; 200_000], "it was cut");
    fallocate(&here, FallocateFlags::empty(), 0, 300_000)?;
    ensure!(pair.content("allocated")?.len() == 300_000, "it did not grow");
    Ok(())
}

fn punching_reaches_what_the_other_wrote(pair: &Pair<'_>) -> Result<()> {
    let (here, there) = pair.open("punched")?;
    written(&there, 0, &[7; 200_000])?;
    fallocate(&here, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 100_000, 50_000)?;
    let mut expected = vec![7; 200_000];
    expected[100_000..150_000].fill(0);
    ensure!(pair.content("punched")? == expected, "the hole is not where it was punched");
    fallocate(&here, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 1 << 30, 4096)?;
    ensure!(pair.content("punched")?.len() == 200_000, "a hole behind the end is nothing");
    Ok(())
}

/// Many small changes elsewhere leave no room for more of their kind: it must be found otherwise.
fn small_writes_find_room(pair: &Pair<'_>) -> Result<()> {
    let (here, there) = pair.open("crowded")?;
    let mut expected = vec![0; (8 << 20) + 1];
    there.write_all_at(b"x", 8 << 20)?;
    expected[8 << 20] = b'x';
    for number in 0..46 {
        let at = 1_000_000 + number * 10_000;
        written(&there, at as u64, &[number as u8 + 1; 100])?;
        expected[at..at + 100].fill(number as u8 + 1);
    }
    for number in 0..30 {
        here.write_all_at(&[number as u8 + 1], number as u64 * 100)?;
        expected[number * 100] = number as u8 + 1;
    }
    here.sync_all()?;
    // And into the middle of what was written small.
    for number in 0..46 {
        let at = 1_000_010 + number * 10_000;
        here.write_all_at(b"amid", at as u64)?;
        expected[at..at + 4].copy_from_slice(b"amid");
    }
    here.sync_all()?;
    ensure!(pair.content("crowded")? == expected, "bytes are missing");
    Ok(())
}

fn appending_follows_the_descriptor(pair: &Pair<'_>) -> Result<()> {
    fs::write(pair.here.path("cleared"), "0123456789")?;
    let file = OpenOptions::new().read(true).append(true).open(pair.here.path("cleared"))?;
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::APPEND)?;
    file.write_all_at(b"X", 0)?;
    file.sync_all()?;
    ensure!(pair.content("cleared")? == b"X123456789", "it was appended though the flag was cleared");

    let (mut here, mut there) = pair.open("set")?;
    for file in [&here, &there] {
        fcntl_setfl(file, fcntl_getfl(file)? | OFlags::APPEND)?;
    }
    for number in 0..50 {
        for (file, name) in [(&mut here, "here"), (&mut there, "there")] {
            writeln!(file, "{name} {number}")?;
            file.sync_all()?;
        }
    }
    let text = String::from_utf8(pair.content("set")?)?;
    for name in ["here", "there"] {
        let numbers: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{name} ")))
            .map(str::to_owned)
            .collect();
        ensure!(
            numbers == (0..50).map(|n| n.to_string()).collect::<Vec<_>>(),
            "lines of {name}: {numbers:?}"
        );
    }
    Ok(())
}

/// Whether a write lock on the whole file is to be had right now.
fn lock(file: &File, command: libc::c_int) -> Result<bool> {
    // SAFETY: all zeros is a valid `flock`: plain numbers.
    let mut what: libc::flock = unsafe { std::mem::zeroed() };
    what.l_type = libc::F_WRLCK as libc::c_short;
    what.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open, and `what` lives until the call returns.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const what) } {
        0 => Ok(true),
        _ => match std::io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            error => Err(error.into()),
        },
    }
}

/// The kernel tells of a close late: what it ends is free after a moment.
fn free_soon(what: &str, mut free: impl FnMut() -> Result<bool>) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(5);
    while !free()? {
        ensure!(Instant::now() < until, "{what} is still locked");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn ofd_locks_end_with_their_descriptor(pair: &Pair<'_>) -> Result<()> {
    let (here, there) = pair.open("ofd")?;
    ensure!(lock(&here, libc::F_OFD_SETLK)?, "nobody had it");
    ensure!(!lock(&there, libc::F_OFD_SETLK)?, "the other mount got it, too");
    let same = here.try_clone()?;
    drop(here);
    ensure!(!lock(&there, libc::F_OFD_SETLK)?, "it ended with one of two descriptors");
    drop(same);
    free_soon("a closed file", || lock(&there, libc::F_OFD_SETLK))
}

/// Locked, closed and opened again so fast that the kernel's word of the close comes late.
fn flocks_end_with_their_descriptor(pair: &Pair<'_>) -> Result<()> {
    use rustix::fs::{FlockOperation, flock};
    let (_, there) = pair.open("flock")?;
    let path = pair.here.path("flock");
    for round in 0..100 {
        let first = File::open(&path)?;
        free_soon("the file", || Ok(flock(&first, FlockOperation::NonBlockingLockExclusive).is_ok()))?;
        drop(first);
        let again = File::open(&path)?;
        free_soon("a closed file", || Ok(flock(&again, FlockOperation::NonBlockingLockExclusive).is_ok()))?;
        ensure!(
            flock(&there, FlockOperation::NonBlockingLockExclusive).is_err(),
            "round {round}: two mounts have it"
        );
    }
    free_soon("the file in the end", || Ok(flock(&there, FlockOperation::NonBlockingLockExclusive).is_ok()))
}

fn set_ids(pair: &Pair<'_>) -> Result<()> {
    const NOBODY: u32 = 65_534;
    let dir = pair.here.path("ids");
    fs::create_dir(&dir)?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777))?;
    // chmod behind a write that is not committed yet, by who is not privileged.
    let script = format!(
        "import os\nos.setgid({NOBODY}); os.setuid({NOBODY})\n\
         f = os.open('own', os.O_CREAT | os.O_WRONLY, 0o644)\nos.write(f, b'bytes')\nos.fchmod(f, 0o6755)\nos.close(f)\n"
    );
    python(&dir, &script)?;
    let mode = |name: &str| -> Result<u32> {
        Ok(fs::metadata(pair.there.path(&format!("ids/{name}")))?.permissions().mode() & 0o7777)
    };
    ensure!(mode("own")? == 0o6755, "the bits went with the write before them: {:o}", mode("own")?);
    // Whoever changes a program's bytes, whichever way, is not to get its rights.
    for (name, change) in
        [("punched", "libc.fallocate(f, 3, q(0), q(100))"), ("grown", "os.posix_fallocate(f, 0, 9000)")]
    {
        fs::write(dir.join(name), [1; 5000])?;
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o6777))?;
        let script = format!(
            "import os, ctypes\nq = ctypes.c_longlong\nlibc = ctypes.CDLL(None, use_errno=True)\n\
             os.setgid({NOBODY}); os.setuid({NOBODY})\nf = os.open('{name}', os.O_RDWR)\n\
             assert not {change}\nos.close(f)\n"
        );
        python(&dir, &script)?;
        ensure!(mode(name)? == 0o777, "{name}: {:o}", mode(name)?);
    }
    Ok(())
}

fn python(dir: &Path, script: &str) -> Result<()> {
    let output = std::process::Command::new("python3").arg("-c").arg(script).current_dir(dir).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn system_attributes(pair: &Pair<'_>) -> Result<()> {
    let path = pair.here.path("attributes");
    fs::write(&path, "x")?;
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: both strings end with a zero byte and live until the call returns, and the value has one byte.
    let set = unsafe { libc::setxattr(path.as_ptr(), c"system.foo".as_ptr(), c"v".as_ptr().cast(), 1, 0) };
    let error = std::io::Error::last_os_error();
    ensure!(set != 0 && error.raw_os_error() == Some(libc::EOPNOTSUPP), "system.foo was taken: {error}");
    Ok(())
}

/// `rm -r` with a small buffer: every entry is seen though those before it are gone by then.
fn small_buffers_list_everything(pair: &Pair<'_>) -> Result<()> {
    const ENTRIES: usize = 600;
    let dir = pair.here.path("many");
    fs::create_dir(&dir)?;
    for number in 0..ENTRIES {
        File::create(dir.join(format!("entry-{number:04}")))?;
    }
    let open = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(&dir)?;
    let (mut seen, mut buffer) = (0, [0_u8; 256]);
    loop {
        // SAFETY: the descriptor is open, and the kernel writes at most as many bytes as the buffer has.
        let got = unsafe {
            libc::syscall(libc::SYS_getdents64, open.as_raw_fd(), buffer.as_mut_ptr(), buffer.len())
        };
        ensure!(got >= 0, "getdents64: {}", std::io::Error::last_os_error());
        if got == 0 {
            break;
        }
        let mut rest = &buffer[..got as usize];
        while !rest.is_empty() {
            let length = usize::from(u16::from_ne_bytes([rest[16], rest[17]]));
            let name = rest[19..length].split(|byte| *byte == 0).next().unwrap_or_default();
            if name.starts_with(b"entry-") {
                fs::remove_file(dir.join(std::ffi::OsStr::from_bytes(name)))?;
                seen += 1;
            }
            rest = &rest[length..];
        }
    }
    ensure!(seen == ENTRIES, "{seen} of {ENTRIES} entries were listed");
    Ok(fs::remove_dir(&dir)?)
}
