//! What commands that tests run as an operator came to: what they said, and whether they refused as they should.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result, ensure};

/// A path as an argument of a command.
pub fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

/// What it complained of.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Ends the test unless a command failed with this exit code and all these words.
pub fn refused(output: &Output, code: i32, words: &[&str]) -> Result<()> {
    let why = said(output);
    ensure!(output.status.code() == Some(code), "{}, not exit code {code}: {why}", output.status);
    for word in words {
        ensure!(why.contains(word), "no word of '{word}': {why}");
    }
    Ok(())
}
