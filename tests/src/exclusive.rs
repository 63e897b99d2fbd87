//! How many cluster tests run at a time on a machine, whichever test runner starts them: two, for most of what they do is
//! waiting, or one that measures something.
//!
//! There are two places. Whoever wants the machine alone takes both, in order, so two of them never wait for each other.

use std::fs::{File, TryLockError};
use std::time::Duration;

use anyhow::{Context, Result};

/// Between two looks for a free place.
const PAUSE: Duration = Duration::from_millis(50);

/// Held by a test while its cluster runs.
#[derive(Debug)]
pub struct Exclusive {
    _places: Vec<File>,
}

fn place(number: u8) -> Result<File> {
    let uid = rustix::process::geteuid().as_raw();
    let path = std::env::temp_dir().join(format!("holdfast-tests-{uid}-{number}.lock"));
    File::options().create(true).truncate(false).write(true).open(&path).context("open the lock file")
}

/// Waits for the other cluster tests on this machine, all of them.
pub fn exclusive() -> Result<Exclusive> {
    let places = [place(1)?, place(2)?];
    for place in &places {
        place.lock().context("lock")?;
    }
    Ok(Exclusive { _places: places.into() })
}

/// Waits until at most one other test runs that does not mind.
pub fn shared() -> Result<Exclusive> {
    loop {
        for number in [2, 1] {
            let place = place(number)?;
            match place.try_lock() {
                Ok(()) => return Ok(Exclusive { _places: vec![place] }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error).context("lock"),
            }
        }
        std::thread::sleep(PAUSE);
    }
}
