//! Trees of files with awkward names, and whether two trees are the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::oracle::Content;

/// What people call their files. Every client has its own idea of how to write these in a URL.
pub const ODD_NAMES: [&str; 16] = [
    "plain",
    "with some spaces",
    "ümläut/ñandú/日本語 🙂",
    "e\u{301} decomposed",
    "plus+plus/a+b c",
    "100% sure",
    "per%20cent%2Fencoded",
    "question?and=more&than#that",
    "semi;colon,comma@at",
    "quote'\"<>&",
    ".hidden/..double",
    "-dash",
    "~tilde~/(round) [square] {curly}",
    "star*",
    "dollar$HOME`pwd`",
    "deep/er/and/deep/er/still",
];

/// Writes [`ODD_NAMES`] with small contents of different lengths, the empty one among them.
pub fn write_odd(root: &Path) -> Result<()> {
    for (seed, name) in ODD_NAMES.iter().enumerate() {
        let seed = seed as u64;
        write(&root.join(name), Content { seed, size: seed * seed * 397 })?;
    }
    Ok(())
}

/// Writes one file and the directories above it.
pub fn write(path: &Path, content: Content) -> Result<()> {
    let parent = path.parent().context("a file without a directory")?;
    std::fs::create_dir_all(parent)?;
    std::fs::write(path, content.bytes()).with_context(|| format!("write {}", path.display()))
}

/// The files below a directory by their names in it.
pub fn files(root: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            let name = path.strip_prefix(root)?.to_str().context("a name that is not UTF-8")?.to_owned();
            found.insert(name, path);
        }
    }
    Ok(found)
}

/// Names and contents are the same, byte for byte.
pub fn same(one: &Path, other: &Path) -> Result<()> {
    let (a, b) = (files(one)?, files(other)?);
    let names = |files: &BTreeMap<String, PathBuf>| files.keys().cloned().collect::<Vec<_>>();
    ensure!(
        names(&a) == names(&b),
        "{} holds {:?}, {} holds {:?}",
        one.display(),
        names(&a),
        other.display(),
        names(&b)
    );
    for (name, path) in &a {
        ensure!(std::fs::read(path)? == std::fs::read(&b[name])?, "{name} differs in {}", other.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_found() -> Result<()> {
        let dir = tempfile::tempdir()?;
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write_odd(&a)?;
        write_odd(&b)?;
        assert_eq!(files(&a)?.len(), ODD_NAMES.len());
        same(&a, &b)?;
        std::fs::write(b.join("-dash"), "else")?;
        assert!(same(&a, &b).unwrap_err().to_string().contains("-dash differs"));
        std::fs::remove_file(b.join("-dash"))?;
        assert!(same(&a, &b).is_err());
        Ok(())
    }
}
