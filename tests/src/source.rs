//! Files of the source tree that tests read: settings, rules, scripts.

use std::path::PathBuf;

/// A file of the source tree, by its path from the top. Where the sources are is asked when a test runs: one build cache
/// may serve several checkouts, so the one that compiled a test may be gone.
pub fn file(path: &str) -> PathBuf {
    // Cargo and the suite name the directory of the package; without them it is the one that a test is run in.
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("..").join(path)
}
