//! What this machine lacks for a test. A test that is skipped says so in capitals, so that nobody takes it for one
//! that passed.

use std::path::Path;

/// Whether this process may do everything.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a program is installed.
pub fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| Path::new(&dir).join(tool).is_file())
}

/// What is missing of root and these tools; `None` when everything is there.
pub fn missing_for_root_with(tools: &[&str]) -> Option<String> {
    if !is_root() {
        return Some("needs root".to_owned());
    }
    let missing: Vec<_> = tools.iter().copied().filter(|tool| !has(tool)).collect();
    (!missing.is_empty()).then(|| format!("needs {}", missing.join(", ")))
}

/// Ends the test, loudly, when root or one of the tools is missing.
#[macro_export]
macro_rules! skip_unless_root_with {
    ($($tool:literal),* $(,)?) => {
        if let Some(why) = $crate::skip::missing_for_root_with(&[$($tool),*]) {
            eprintln!("SKIPPED {}: {why}", module_path!());
            return Ok(());
        }
    };
}

/// Ends the test, loudly, when nothing can be mounted here.
#[macro_export]
macro_rules! skip_unless_mounts {
    () => {
        if let Some(why) = $crate::mount::missing() {
            eprintln!("SKIPPED {}: {why}", module_path!());
            return Ok(());
        }
    };
}

/// Says, loudly, that a test ends because a program of somebody else's is not installed.
pub fn announce_missing(test: &str, program: &str, package: &str) {
    eprintln!("SKIPPED {test}: needs {program}; on Debian: apt-get install {package}");
}
