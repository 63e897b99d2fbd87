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

#[tokio::test(flavor = "multi_thread")]
async fn two_mounts_are_one_machine_to_what_applications_ask_for() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let cluster = Builder::new("pair-posix").start().await?;
    cluster.expect(&["mkdir", "/bkt"]).await?;
    let here = Mount::new(&cluster, "here", "/bkt", &[]).await?;
    let there = Mount::new(&cluster, "there", "/bkt", &[]).await?;
    let pair = Pair { here: &here, there: &there };
    record_locks(&pair).context("fcntl locks")?;
    special_files(&pair).context("mknod")?;
    attribute_namespaces(&pair).context("attributes")?;
    access_lists(&pair).context("access lists")?;
    zeroing(&pair).context("zero range")?;
    copies(&pair).context("copy_file_range")?;
    mappings(&pair).context("mmap")?;
    exclusive(&pair).context("O_EXCL")?;
    here.finish(&cluster).await?;
    there.finish(&cluster).await?;
    cluster.finish().await
}

/// A record lock of this process, on part of a file.
fn record(file: &File, kind: libc::c_int, start: i64, length: i64) -> Result<bool> {
    // SAFETY: all zeros is a valid `flock`: plain numbers.
    let mut what: libc::flock = unsafe { std::mem::zeroed() };
    what.l_type = kind as libc::c_short;
    what.l_whence = libc::SEEK_SET as libc::c_short;
    (what.l_start, what.l_len) = (start, length);
    // SAFETY: the descriptor is open, and `what` lives until the call returns.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &raw const what) } {
        0 => Ok(true),
        _ => match std::io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
            error => Err(error.into()),
        },
    }
}

/// Ranges of different mounts meet; to the metaserver the two are different owners, as two processes are.
fn record_locks(pair: &Pair<'_>) -> Result<()> {
    let (here, there) = pair.open("records")?;
    ensure!(
        record(&here, libc::F_WRLCK, 0, 100)? && record(&there, libc::F_WRLCK, 100, 100)?,
        "side by side"
    );
    ensure!(!record(&there, libc::F_RDLCK, 50, 10)?, "a read lock in a write lock");
    ensure!(record(&here, libc::F_UNLCK, 40, 20)?, "part of it is given up");
    ensure!(record(&there, libc::F_RDLCK, 45, 10)?, "the part that is free");
    ensure!(!record(&there, libc::F_RDLCK, 0, 1)? && !record(&there, libc::F_RDLCK, 99, 1)?, "what is left");
    ensure!(record(&here, libc::F_RDLCK, 45, 5)?, "two readers");
    // Closing any descriptor of the file gives up all locks of the process, at once.
    drop(File::open(pair.here.path("records"))?);
    ensure!(record(&there, libc::F_WRLCK, 0, 0)?, "all of it, after a close");
    Ok(())
}

fn special_files(pair: &Pair<'_>) -> Result<()> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    for (name, kind, device) in
        [("fifo", libc::S_IFIFO, 0), ("socket", libc::S_IFSOCK, 0), ("null", libc::S_IFCHR, 0x103)]
    {
        let path = CString::new(pair.here.path(name).as_os_str().as_bytes())?;
        // SAFETY: the string ends with a zero byte and lives until the call returns.
        let made = unsafe { libc::mknod(path.as_ptr(), kind | 0o640, device) };
        ensure!(made == 0, "{name}: {}", std::io::Error::last_os_error());
        let seen = fs::symlink_metadata(pair.there.path(name))?;
        ensure!(
            seen.mode() & libc::S_IFMT == kind && seen.mode() & 0o777 == 0o640,
            "{name}: {:o}",
            seen.mode()
        );
        ensure!(seen.rdev() == device, "{name}: device {:x}", seen.rdev());
    }
    ensure!(fs::symlink_metadata(pair.there.path("fifo"))?.file_type().is_fifo());
    // Two ends of a fifo are of one machine.
    let path = pair.here.path("fifo");
    let writer = std::thread::spawn(move || fs::write(path, "through"));
    ensure!(fs::read(pair.here.path("fifo"))? == b"through", "the fifo does not carry bytes");
    Ok(writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??)
}

fn attribute_namespaces(pair: &Pair<'_>) -> Result<()> {
    use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};
    fs::write(pair.here.path("named"), "x")?;
    let (here, there) = (pair.here.path("named"), pair.there.path("named"));
    for name in ["user.a", "trusted.a", "security.a"] {
        setxattr(&here, name, b"value", XattrFlags::CREATE)?;
        ensure!(setxattr(&here, name, b"value", XattrFlags::CREATE).is_err(), "{name} was made twice");
        setxattr(&there, name, b"other", XattrFlags::REPLACE)?;
        let mut value = [0; 16];
        let length = getxattr(&here, name, &mut value[..])?;
        ensure!(&value[..length] == b"other", "{name}: {:?}", &value[..length]);
        removexattr(&here, name)?;
        ensure!(getxattr(&there, name, &mut value[..]).is_err(), "{name} is still there");
    }
    Ok(())
}

/// As the kernel and `setfacl` write lists: version, then tag, permissions and id of each entry.
fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    bytes
}

/// A default list is what new files get, on every mount, and it decides who may open them.
fn access_lists(pair: &Pair<'_>) -> Result<()> {
    use rustix::fs::{XattrFlags, getxattr, setxattr};
    const NOBODY: u32 = 65_534;
    const NONE: u32 = u32::MAX;
    let dir = pair.here.path("listed");
    fs::create_dir(&dir)?;
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
    let default = list(&[(1, 7, NONE), (2, 4, NOBODY), (4, 0, NONE), (16, 7, NONE), (32, 0, NONE)]);
    setxattr(&dir, "system.posix_acl_default", &default, XattrFlags::empty())?;
    fs::write(pair.there.path("listed/file"), "secret")?;
    let mut found = [0; 128];
    let length = getxattr(pair.here.path("listed/file"), "system.posix_acl_access", &mut found[..])?;
    ensure!(length > 4, "no list was inherited");
    ensure!(
        fs::metadata(pair.here.path("listed/file"))?.permissions().mode() & 0o007 == 0,
        "others may read"
    );
    let who = |uid: u32| {
        format!("import os\nos.setgroups([]); os.setgid({uid}); os.setuid({uid})\nopen('file').read()\n")
    };
    for at in [&dir, &pair.there.path("listed")] {
        python(at, &who(NOBODY)).context("who is named may read")?;
        ensure!(python(at, &who(12_345)).is_err(), "somebody else could read");
    }
    Ok(())
}

fn zeroing(pair: &Pair<'_>) -> Result<()> {
    let (here, there) = pair.open("zeroed")?;
    written(&here, 0, &[7; 100_000])?;
    fallocate(&there, FallocateFlags::ZERO_RANGE, 90_000, 30_000)?;
    let mut expected = vec![7; 120_000];
    expected[90_000..].fill(0);
    ensure!(pair.content("zeroed")? == expected, "zeros that grow the file");
    fallocate(&here, FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE, 10_000, 1_000_000)?;
    expected[10_000..].fill(0);
    ensure!(pair.content("zeroed")? == expected, "zeros that do not");
    for refused in [FallocateFlags::COLLAPSE_RANGE, FallocateFlags::INSERT_RANGE] {
        ensure!(fallocate(&here, refused, 0, 4096) == Err(rustix::io::Errno::OPNOTSUPP), "{refused:?}");
    }
    Ok(())
}

fn copies(pair: &Pair<'_>) -> Result<()> {
    let (source, _there) = pair.open("source")?;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    written(&source, 0, &bytes)?;
    let (target, elsewhere) = pair.open("target")?;
    written(&elsewhere, 0, &[1; 100_000])?;
    let (mut from, mut to) = (1_000, 50_000);
    let mut left = 2_000_000;
    while left > 0 {
        let copied = rustix::fs::copy_file_range(&source, Some(&mut from), &target, Some(&mut to), left)?;
        ensure!(copied > 0, "{left} bytes were not copied");
        left -= copied;
    }
    let mut expected = vec![1; 50_000];
    expected.extend_from_slice(&bytes[1_000..2_001_000]);
    ensure!(pair.content("target")? == expected, "the copy differs");
    Ok(())
}

/// What one mount writes through a shared mapping and syncs is what the other one opens.
fn mappings(pair: &Pair<'_>) -> Result<()> {
    let (here, _there) = pair.open("mapped")?;
    written(&here, 0, &[1; 20_000])?;
    // SAFETY: a fresh mapping of 20,000 bytes of an open file, used only within its bounds and unmapped at the end;
    // nobody cuts the file meanwhile.
    unsafe {
        use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync, munmap};
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let at = mmap(std::ptr::null_mut(), 20_000, access, MapFlags::SHARED, &here, 0)?;
        at.cast::<u8>().add(5_000).write_bytes(9, 6_000);
        msync(at, 20_000, MsyncFlags::SYNC)?;
        munmap(at, 20_000)?;
    }
    let mut expected = vec![1; 20_000];
    expected[5_000..11_000].fill(9);
    ensure!(pair.content("mapped")? == expected, "what was mapped is not there");
    Ok(())
}

/// Of many who make the same file, one does, whichever mount they use.
fn exclusive(pair: &Pair<'_>) -> Result<()> {
    for round in 0..20 {
        let made: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = [pair.here, pair.there, pair.here, pair.there]
                .map(|mount| {
                    let path = mount.path(&format!("exclusive-{round}"));
                    scope.spawn(move || both_ways().create_new(true).open(path).map(drop))
                })
                .into_iter()
                .collect();
            tries.into_iter().map(|attempt| attempt.join()).collect()
        });
        let mut won = 0;
        for outcome in made {
            match outcome.map_err(|_| anyhow::anyhow!("a thread panicked"))? {
                Ok(()) => won += 1,
                Err(error) => ensure!(error.kind() == std::io::ErrorKind::AlreadyExists, "{error}"),
            }
        }
        ensure!(won == 1, "{won} made it in round {round}");
    }
    Ok(())
}
