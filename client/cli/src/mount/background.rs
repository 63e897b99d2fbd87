//! The mount in the background: the command starts itself again without a terminal and waits until that says that
//! the mount is usable, or why not.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::failure::{Failure, Outcome};
use crate::mount::MountArgs;

/// What the serving process says when the mount is usable.
pub(super) const USABLE: &str = "usable";

/// Starts the serving process and waits for its word.
pub(super) fn run(args: &MountArgs) -> Outcome<()> {
    let cannot = |what: &str, error: std::io::Error| Failure::failed(format!("cannot {what}: {error}"));
    let program = std::env::current_exe().map_err(|error| cannot("find this program", error))?;
    let mut given: Vec<std::ffi::OsString> = std::env::args_os().collect();
    if let Some(line) = super::command_line(&given) {
        given = line?;
    }
    given.remove(0);
    let at = given.iter().position(|arg| arg == "mount").map_or(given.len(), |at| at + 1);
    given.insert(at, "--announce".into());
    let mut child = Command::new(program)
        .args(given)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| cannot("start the process that serves the mount", error))?;
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        let read = BufReader::new(output).read_line(&mut said);
        read.map_err(|error| cannot("hear from the process that serves the mount", error))?;
    }
    if said.trim() == USABLE {
        eprintln!("mounted at {}; unmount with 'holdfast umount {0}'", args.target()?.display());
        return Ok(());
    }
    // It has said why on standard error.
    let status = child.wait().map_err(|error| cannot("wait for the process that serves the mount", error))?;
    let code = u8::try_from(status.code().unwrap_or(1)).unwrap_or(1);
    std::process::exit(i32::from(code.max(1)));
}
