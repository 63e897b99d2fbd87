//! Damage to what lies on a disk, done while its node is down.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context, Result};

/// Flips bits in every segment below a directory, away from the headers of records; says how many.
pub fn flip_bits(disk: &Path) -> Result<usize> {
    let mut flipped = 0;
    let mut todo = vec![disk.join("segments")];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            for entry in std::fs::read_dir(&path).with_context(|| format!("read {}", path.display()))? {
                todo.push(entry?.path());
            }
            continue;
        }
        let file = File::options().read(true).write(true).open(&path)?;
        let mut byte = [0];
        for offset in (200_000..file.metadata()?.len()).step_by(300_000) {
            file.read_exact_at(&mut byte, offset)?;
            if byte[0] != 0 {
                file.write_all_at(&[byte[0] ^ 0x40], offset)?;
                flipped += 1;
            }
        }
    }
    Ok(flipped)
}
