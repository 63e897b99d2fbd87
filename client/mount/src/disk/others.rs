//! Folders of caches that nobody uses any more: of other clusters, or of an earlier life of this one's metadata.
//!
//! What always holds: only a folder with our name and our mark goes, only while nobody has its lock, and of what lies
//! in it only what we name like that.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use holdfast_proto::ids::ClusterId;
use rustix::fs::{FlockOperation, flock};

use super::shelf::{DRAFTS, LABELS, LOCK, MARK};

/// The name of the folder that serves a cluster, by that and by the life of its metadata: numbers of files mean nothing
/// elsewhere.
pub fn cache_folder(cluster: ClusterId, life: u64) -> String {
    format!("{cluster}-{life}")
}

fn is_folder(name: &str) -> bool {
    let parts = name.split_once('-');
    parts.is_some_and(|(cluster, life)| ClusterId::parse(cluster).is_some() && life.parse::<u64>().is_ok())
}

/// Whether we name files like that.
fn is_content(name: &str) -> bool {
    let mut parts = name.split('.');
    let numbers = parts.next().and_then(|stem| stem.split_once('-'));
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let rest: Vec<&str> = parts.collect();
    numbers.is_some_and(|(ino, version)| hex(ino) && hex(version))
        && match rest.as_slice() {
            [] => true,
            [kind] => *kind == LABELS || *kind == DRAFTS,
            [number, kind] => number.parse::<u64>().is_ok() && *kind == DRAFTS,
            _ => false,
        }
}

/// Removes what other caches left beside the one in use. Waits for the disk, perhaps for long.
pub fn clear_other_caches(beside: &Path) {
    let (Some(parent), Some(ours)) = (beside.parent(), beside.file_name()) else { return };
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let folder = name.to_str().is_some_and(is_folder) && entry.file_type().is_ok_and(|t| t.is_dir());
        if !folder || name == ours {
            continue;
        }
        match clear(&entry.path()) {
            Ok(true) => tracing::info!(folder = %entry.path().display(), "a disk cache of before is removed"),
            Ok(false) => {}
            Err(error) => {
                let folder = entry.path();
                tracing::info!(%error, folder = %folder.display(), "a disk cache of before stays");
            }
        }
    }
}

/// False: it is in use, or not ours.
fn clear(dir: &Path) -> io::Result<bool> {
    let path = dir.join(LOCK);
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        return Ok(false);
    }
    let lock = File::options().read(true).write(true).open(&path)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() || !is_marked(&path, &lock)? {
        return Ok(false);
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_content) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    // With something foreign in it, it stays ours, and is looked at again the next time.
    if fs::read_dir(dir)?.flatten().any(|entry| entry.file_name() != LOCK) {
        return Ok(false);
    }
    fs::remove_file(path)?;
    fs::remove_dir(dir)?;
    Ok(true)
}

/// Whether it is the lock of a cache. Those made before there was a mark are empty.
fn is_marked(path: &Path, lock: &File) -> io::Result<bool> {
    // It is still the one that lies there: whoever had it may have removed it.
    let (found, held) = (fs::symlink_metadata(path)?, lock.metadata()?);
    let same = (found.dev(), found.ino()) == (held.dev(), held.ino());
    Ok(same && (held.len() == 0 || held.len() == MARK.len() as u64 && fs::read(path)? == MARK))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::desk::{Health, Keeper};
    use crate::disk::shelf::Shelf;

    #[test]
    fn what_nobody_uses_goes_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let folder = |cluster: u8, life| dir.path().join(cache_folder(ClusterId([cluster; 16]), life));
        let keeper = Keeper::start(&Health::default()).unwrap();
        let take = |path: &Path| Shelf::open(path, 1000, &keeper).unwrap();
        let (ours, used) = (take(&folder(1, 2)), take(&folder(2, 7)));
        for left in [folder(1, 1), folder(3, 1), folder(4, 1)] {
            drop(take(&left));
            for name in ["5-c", "5-c.label", "5-d.part", "6-e.3.part"] {
                fs::write(left.join(name), name).unwrap();
            }
        }
        fs::write(folder(3, 1).join("precious"), "somebody's").unwrap();
        // From before there was a mark.
        fs::write(folder(4, 1).join(LOCK), "").unwrap();
        let foreign = [folder(5, 1), dir.path().join("photos"), dir.path().join("1-2")];
        for path in &foreign {
            fs::create_dir(path).unwrap();
            fs::write(path.join("5-c"), "somebody's").unwrap();
        }
        fs::write(folder(5, 1).join(LOCK), "somebody's").unwrap();
        clear_other_caches(&folder(1, 2));
        assert!(folder(1, 2).exists() && folder(2, 7).exists(), "in use");
        assert!(!folder(1, 1).exists() && !folder(4, 1).exists());
        assert!(foreign.iter().all(|path| path.join("5-c").exists()));
        assert!(folder(3, 1).join("precious").exists() && !folder(3, 1).join("5-c").exists());
        drop((ours, used));
    }
}
