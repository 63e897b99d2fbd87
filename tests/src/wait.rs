//! Waiting for a condition, with a deadline and a reason to give when it passes.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until the answer is `Ok`; gives up at the deadline with the last `Err`.
pub async fn until<T, E, F>(what: &str, most: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    E: Debug,
    F: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + most;
    let mut why = String::new();
    loop {
        // A look may itself hang on a frozen process.
        let left = end.saturating_duration_since(Instant::now()).max(PAUSE);
        match tokio::time::timeout(left, look()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(now)) => why = format!("{now:?}"),
            Err(_) => why = format!("the last look did not come back; before it: {why}"),
        }
        if Instant::now() >= end {
            bail!("waited {most:.1?} for {what}: {why}");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
