//! Commits in the background what nobody synced: when it is old enough, and when memory runs short.
//!
//! What always holds: it ends with the file system; a file that cannot be committed holds up later rounds no longer
//! than its own deadline.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use tokio::time::{Instant, timeout};

use crate::fs::file::File;
use crate::fs::{Fs, Shared};

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(250);

/// Files committed at once.
const AT_ONCE: usize = 16;

/// Starts it.
pub(crate) fn start(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.runtime.spawn(run(weak));
}

async fn run(weak: Weak<Shared>) {
    loop {
        let Some(shared) = weak.upgrade() else { return };
        let fs = Fs { shared };
        let pressed = timeout(PERIOD, fs.shared.pressure.notified()).await.is_ok();
        let mut due: Vec<Arc<File>> =
            fs.shared.files.all().into_iter().filter(|file| fs.is_due(file)).collect();
        if pressed {
            // Under pressure the others keep their time, too.
            due.extend(fs.fullest().into_iter().filter(|file| !fs.is_due(file)));
        }
        stream::iter(due)
            .for_each_concurrent(AT_ONCE, |file| {
                let fs = fs.clone();
                async move {
                    // A failure is kept with the file, for whoever has it open.
                    let _ = fs.flush(&file).await;
                    fs.shared.files.tidy(&file);
                }
            })
            .await;
    }
}

impl Fs {
    fn is_due(&self, file: &File) -> bool {
        let state = file.state.lock();
        let config = self.config();
        let limit = if state.tail.is_empty() { config.commit_after } else { config.append_commit_after };
        state.dirty_since.is_some_and(|since: Instant| since.elapsed() >= limit)
    }

    /// Files whose commit frees at least half of the memory in use.
    fn fullest(&self) -> Vec<Arc<File>> {
        let held = |file: &Arc<File>| file.state.lock().held();
        let mut all: Vec<(u64, Arc<File>)> =
            self.shared.files.all().into_iter().map(|file| (held(&file), file)).collect();
        all.retain(|(held, _)| *held > 0);
        all.sort_unstable_by_key(|(held, _)| std::cmp::Reverse(*held));
        let half = self.config().dirty_bytes / 2;
        let mut freed = 0;
        let enough = all.into_iter().take_while(|(held, _)| {
            let more = freed < half;
            freed += held;
            more
        });
        enough.map(|(_, file)| file).collect()
    }

    /// Commits everything of every file: before the file system goes.
    pub async fn flush_all(&self) -> usize {
        let mut failed = 0;
        for file in self.shared.files.all() {
            failed += usize::from(self.flush(&file).await.is_err());
        }
        failed
    }
}
