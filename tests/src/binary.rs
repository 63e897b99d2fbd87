//! Where the `holdfast` binary under test is.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// `HOLDFAST_BIN`, or the one built beside this program.
pub fn holdfast() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("HOLDFAST_BIN") {
        return Ok(PathBuf::from(path));
    }
    let me = std::env::current_exe().context("path of this program")?;
    // target/release/deps/<test>, target/release/<bin>
    let built = me.ancestors().skip(1).take(2).map(|dir| dir.join("holdfast")).find(|path| path.is_file());
    match built {
        Some(path) => Ok(path),
        None => bail!(
            "there is no holdfast binary beside {}; build it with `cargo build --release -p holdfast-cli`",
            me.display()
        ),
    }
}
