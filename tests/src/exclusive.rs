//! One cluster test at a time on a machine, whichever test runner starts them: they measure time.

use std::fs::File;

use anyhow::{Context, Result};

/// Held by a test while its cluster runs.
#[derive(Debug)]
pub struct Exclusive {
    _file: File,
}

/// Waits for the other cluster tests on this machine.
pub fn exclusive() -> Result<Exclusive> {
    let uid = rustix::process::geteuid().as_raw();
    let path = std::env::temp_dir().join(format!("holdfast-tests-{uid}.lock"));
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).context("open the lock file")?;
    file.lock().context("lock")?;
    Ok(Exclusive { _file: file })
}
