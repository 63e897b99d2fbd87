//! Files and directories that survive power loss: the only way by which small files become durable here.
//!
//! A rename is atomic, but durable only after the directory is synced; and it must not overtake the content, so
//! that is synced first. The same goes for new directories: their entry lives in the parent.
//!
//! What always holds: after [`write_file`] returns, the file has its whole new content, also after power loss;
//! after a crash in the middle it has its whole old content (or does not exist), perhaps beside a `.tmp` file
//! that the next write replaces.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Suffix of a file that is not finished.
pub const UNFINISHED: &str = ".tmp";

/// Writes a file durably, replacing what was there.
pub fn write_file(path: &Path, content: &[u8]) -> io::Result<()> {
    write_parts(path, &[content], 0o644)
}

/// As [`write_file`], readable by the owner only: keys, tokens.
pub fn write_secret_file(path: &Path, content: &[u8]) -> io::Result<()> {
    write_parts(path, &[content], 0o600)
}

fn write_parts(path: &Path, parts: &[&[u8]], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let unfinished = unfinished_path(path)?;
    let result = (|| {
        // 1. The new content, beside the old. A crash here leaves the old file and a stray `.tmp`.
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
        // A stray `.tmp` of an earlier crash may have had another mode.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        for part in parts {
            file.write_all(part)?;
        }
        // 2. Content on the platters before the name points to it.
        file.sync_all()?;
        drop(file);
        // 3. The name. A crash here leaves either file, each whole.
        rename_durably(&unfinished, path)
    })();
    result.map_err(|error| describe(error, "write", path))
}

/// Renames a file (within one directory or across two) and makes that durable. The content must be synced.
pub fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)?;
    if from.parent() != to.parent() {
        sync_parent(from)?;
    }
    Ok(())
}

/// Removes a file durably. One that is not there is fine.
pub fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_parent(path).map_err(|error| describe(error, "remove", path)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(describe(error, "remove", path)),
    }
}

/// Creates a directory and all missing ones above it, durably. One that is there is fine.
pub fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        Err(error) => return Err(describe(error, "create directory", path)),
    }
    sync_parent(path)
}

/// Syncs a directory: entries made, renamed or removed in it are durable afterwards.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|error| describe(error, "sync directory", path))
}

/// Syncs the directory in which `path` has its entry.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_dir(Path::new(".")),
        Some(parent) => sync_dir(parent),
        None => Ok(()),
    }
}

/// Reads a file; `None` when it does not exist.
pub fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(describe(error, "read", path)),
    }
}

fn unfinished_path(path: &Path) -> io::Result<PathBuf> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "path has no file name"))?;
    let mut name = name.to_os_string();
    name.push(UNFINISHED);
    Ok(path.with_file_name(name))
}

fn describe(error: io::Error, what: &str, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.toml");
        assert_eq!(read_file(&path).unwrap(), None);
        fs::write(dir.path().join("identity.toml.tmp"), "left by a crash, and longer").unwrap();
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(read_file(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        remove_file(&path).unwrap();
        remove_file(&path).unwrap();
        assert_eq!(read_file(&path).unwrap(), None);
    }

    #[test]
    fn secrets_are_for_the_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        fs::write(dir.path().join("key.tmp"), "").unwrap();
        write_secret_file(&path, b"x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn makes_directories_and_says_what_went_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b/c");
        create_dir(&deep).unwrap();
        create_dir(&deep).unwrap();
        let file = deep.join("file");
        write_file(&file, b"").unwrap();
        let error = create_dir(&file.join("under")).unwrap_err().to_string();
        assert!(error.contains("create directory") && error.contains("file"), "{error}");
        let error = write_file(&dir.path().join("none/file"), b"").unwrap_err().to_string();
        assert!(error.contains("write") && error.contains("none/file"), "{error}");
    }
}
