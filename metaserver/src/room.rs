//! Room on the file system that the metadata lies on.
//!
//! What always holds:
//! - With too little room this node, when it leads, takes no command that adds anything. What frees room is taken: the
//!   cluster gets out by itself once somebody deletes.
//! - A ballast file holds room that nobody else can take. It is given up when the log and the table would otherwise
//!   fail to grow by what deleting costs them, also before they are opened, and made again when there is plenty.
//!
//! Started with the metaserver; `service/mutate.rs` asks it before each command.

pub(crate) mod tell;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Name of the ballast file.
const NAME: &str = "ballast";

/// How often the room is looked at: far less time than it takes to fill the soft mark.
const ROUND: Duration = Duration::from_millis(500);

/// Size of the ballast, and room below which nothing is added, on a file system of this size.
pub fn mark(total: u64) -> u64 {
    (total / 12).min(256 << 20)
}

/// What to do about the room that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Decision {
    short: bool,
    ballast: bool,
}

fn decide(free: u64, mark: u64, now: Decision) -> Decision {
    let ballast = match now.ballast {
        true => free >= mark / 2,
        // Making it must not bring the shortage back.
        false => free >= 3 * mark,
    };
    let short = match now.short {
        // Once short, a little more room than that: no flapping.
        true => !ballast || free < mark + mark / 4,
        false => free < mark,
    };
    Decision { short, ballast }
}

/// Watches the room.
#[derive(Debug)]
pub struct Room {
    dir: PathBuf,
    short: AtomicBool,
    /// A ballast cannot be made here: said once, not tried again.
    without: AtomicBool,
}

fn free_and_total(dir: &Path) -> io::Result<(u64, u64)> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize)))
}

impl Room {
    /// Looks at the directory, before anything in it is opened: where room is too short for that, the ballast goes.
    pub fn open(dir: &Path) -> Arc<Self> {
        let room =
            Self { dir: dir.to_owned(), short: AtomicBool::new(false), without: AtomicBool::new(false) };
        if let Ok((free, total)) = free_and_total(dir)
            && free < mark(total)
        {
            tracing::warn!(dir = %dir.display(), free, "little room for the metadata: its ballast is given up to start");
            room.drop_ballast();
        }
        room.look();
        Arc::new(room)
    }

    /// Whether commands that add anything must be refused.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// Looks again and again until told to stop. A file system may take its time to answer.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while tokio::time::timeout(ROUND, stop.cancelled()).await.is_err() {
            let room = self.clone();
            if let Err(error) = tokio::task::spawn_blocking(move || room.look()).await {
                tracing::error!(%error, "the room for metadata could not be looked at");
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.dir.join(NAME)
    }

    fn drop_ballast(&self) {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the ballast cannot be given up");
            }
            _ => {}
        }
    }

    fn make_ballast(&self, bytes: u64) -> io::Result<()> {
        let file = File::options().create(true).write(true).truncate(false).open(self.ballast())?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        Ok(())
    }

    fn look(&self) {
        let Ok((free, total)) = free_and_total(&self.dir) else { return };
        let mark = mark(total);
        let now = Decision { short: self.is_short(), ballast: self.ballast().exists() };
        let next = decide(free, mark, now);
        if now.ballast && !next.ballast {
            tracing::warn!(free, "almost no room for the metadata: its ballast is given up");
            self.drop_ballast();
        }
        if !now.ballast
            && next.ballast
            && !self.without.load(Ordering::Relaxed)
            && let Err(error) = self.make_ballast(mark)
        {
            tracing::warn!(%error, "the metadata's file system makes no ballast: less room is kept for deletes");
            self.drop_ballast();
            self.without.store(true, Ordering::Relaxed);
        }
        if self.short.swap(next.short, Ordering::Relaxed) != next.short {
            let dir = self.dir.display();
            match next.short {
                true => {
                    tracing::error!(%dir, free, "the metadata's file system is full: only what frees room is taken")
                }
                false => tracing::info!(%dir, free, "there is room for metadata again"),
            }
        }
        metrics::room::set_short(next.short);
        metrics::room::set(free, total, self.ballast().exists());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_runs_short_and_comes_back_without_flapping() {
        let plenty = Decision { short: false, ballast: true };
        assert_eq!(decide(1000, 100, Decision { short: false, ballast: false }), plenty);
        assert_eq!(decide(100, 100, plenty), plenty);
        let short = Decision { short: true, ballast: true };
        assert_eq!(decide(99, 100, plenty), short);
        assert_eq!(decide(110, 100, short), short, "a little more is not enough");
        assert_eq!(decide(125, 100, short), plenty);
        let bare = Decision { short: true, ballast: false };
        assert_eq!(decide(49, 100, short), bare, "the ballast goes");
        assert_eq!(decide(149, 100, bare), bare, "what it freed is no room for more");
        assert_eq!(decide(299, 100, bare), bare);
        assert_eq!(decide(300, 100, bare), plenty);
    }

    #[test]
    fn the_ballast_is_there_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::open(dir.path());
        let (free, total) = free_and_total(dir.path()).unwrap();
        if free >= 4 * mark(total) {
            let found = fs::metadata(dir.path().join(NAME)).unwrap();
            assert_eq!(found.len(), mark(total));
            assert!(!room.is_short());
        }
        room.drop_ballast();
        assert!(!dir.path().join(NAME).exists());
    }
}
