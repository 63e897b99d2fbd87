//! Threads that wait for the cache's disk, so that nobody else has to.
//!
//! What always holds:
//! - Who asks a desk waits as long as it says, whatever the disk does. What has not come by then is *overdue* until it
//!   comes; while anything is, the disk counts as hanging.
//! - A desk has one thread, which does one thing after the other, and a bounded queue. Nobody waits for it at the end.
//! - Files are closed and names removed by [`Keeper`] only: both wait for the disk like a read or a write does.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Jobs that may wait at a desk.
const QUEUE: usize = 64;

const WAITED_FOR: u8 = 0;
const ANSWERED: u8 = 1;
const OVERDUE: u8 = 2;

/// How many answers of the disk are overdue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health(Arc<AtomicUsize>);

/// Held by who waits for an answer.
#[derive(Debug)]
pub(crate) struct Awaited(Arc<Question>);

/// Held by who waits for the disk; dropped when it has answered.
#[derive(Debug)]
pub(crate) struct Answer(Arc<Question>);

#[derive(Debug)]
struct Question {
    health: Health,
    state: AtomicU8,
}

impl Health {
    /// Whether the disk does not answer.
    pub(crate) fn hangs(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }

    pub(crate) fn begin(&self) -> (Awaited, Answer) {
        let question = Arc::new(Question { health: self.clone(), state: AtomicU8::new(WAITED_FOR) });
        (Awaited(question.clone()), Answer(question))
    }

    fn more(&self) {
        if self.0.fetch_add(1, Ordering::AcqRel) == 0 {
            tracing::info!("the disk of the cache does not answer; until it does, the cluster is read");
        }
    }

    fn fewer(&self) {
        if self.0.fetch_sub(1, Ordering::AcqRel) == 1 {
            tracing::info!("the disk of the cache answers again");
        }
    }
}

impl Awaited {
    /// It takes too long.
    pub(crate) fn overdue(&self) {
        // Counted first: the answer, which may come now, takes it back.
        self.0.health.more();
        let state = &self.0.state;
        if state.compare_exchange(WAITED_FOR, OVERDUE, Ordering::AcqRel, Ordering::Acquire).is_err() {
            self.0.health.fewer();
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.0.state.swap(ANSWERED, Ordering::AcqRel) == OVERDUE {
            self.0.health.fewer();
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// One thread for work that waits for the disk.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    jobs: SyncSender<Job>,
    health: Health,
}

impl Desk {
    /// Starts the thread. It ends when the last clone is gone and the disk lets it.
    pub(crate) fn start(name: &str, health: &Health) -> io::Result<Self> {
        let (jobs, waiting) = mpsc::sync_channel::<Job>(QUEUE);
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(move || waiting.into_iter().for_each(|job| job()))?;
        Ok(Self { jobs, health: health.clone() })
    }

    /// Leaves work there. False: too much waits there already.
    pub(crate) fn tell(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.jobs.try_send(Box::new(job)).is_ok()
    }

    /// Has work done, and waits so long for its outcome.
    ///
    /// # Errors
    /// `TimedOut`: the work goes on, but its outcome is dropped. `WouldBlock`: too much waits there.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (awaited, answer) = self.health.begin();
        let (sender, receiver) = oneshot::channel();
        let job = move || {
            let outcome = work();
            drop(answer);
            let _ = sender.send(outcome);
        };
        if !self.tell(job) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match timeout(patience, receiver).await {
            Ok(outcome) => outcome.map_err(io::Error::other)?,
            Err(_) => {
                awaited.overdue();
                Err(io::ErrorKind::TimedOut.into())
            }
        }
    }

    /// As [`Desk::ask`], for who is not in a task.
    pub(crate) fn ask_now<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (awaited, answer) = self.health.begin();
        let (sender, receiver) = mpsc::sync_channel(1);
        let job = move || {
            let outcome = work();
            drop(answer);
            let _ = sender.send(outcome);
        };
        if !self.tell(job) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match receiver.recv_timeout(patience) {
            Ok(outcome) => outcome,
            Err(error) => {
                awaited.overdue();
                Err(io::Error::new(io::ErrorKind::TimedOut, error))
            }
        }
    }
}

/// What is to go.
#[derive(Debug)]
pub(crate) enum Rubbish {
    /// To be closed. If its name is gone, that frees its blocks.
    File(File),
    /// To be removed.
    Name(PathBuf),
}

/// The desk at which names come and go, in the order in which that was asked for.
#[derive(Debug)]
pub(crate) struct Keeper {
    desk: Desk,
    /// Not more than there were files: while the disk hangs, none are added.
    rubbish: Mutex<Vec<Rubbish>>,
}

impl Keeper {
    pub(crate) fn start(health: &Health) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self { desk: Desk::start("cache-keeper", health)?, rubbish: Mutex::default() }))
    }

    /// Lets something go, soon.
    pub(crate) fn throw(self: &Arc<Self>, rubbish: Rubbish) {
        self.rubbish.lock().push(rubbish);
        let keeper = self.clone();
        // Where there is no room in the queue, the next one there does it.
        self.desk.tell(move || keeper.clear());
    }

    fn clear(&self) {
        let rubbish = std::mem::take(&mut *self.rubbish.lock());
        for one in rubbish {
            match one {
                Rubbish::File(file) => drop(file),
                // Gone already is as good; what stays is found at the next start.
                Rubbish::Name(path) => drop(fs::remove_file(path)),
            }
        }
    }

    /// As [`Desk::ask`]; what was thrown away before is gone when the work begins.
    pub(crate) async fn ask<T: Send + 'static>(
        self: &Arc<Self>,
        patience: Duration,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let keeper = self.clone();
        let work = move || {
            keeper.clear();
            work()
        };
        self.desk.ask(patience, work).await
    }

    /// As [`Desk::ask_now`]; what was thrown away before is gone when the work begins.
    pub(crate) fn ask_now<T: Send + 'static>(
        self: &Arc<Self>,
        patience: Duration,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let keeper = self.clone();
        let work = move || {
            keeper.clear();
            work()
        };
        self.desk.ask_now(patience, work)
    }
}

/// An open file that the keeper closes.
#[derive(Debug)]
pub(crate) struct Held {
    file: Option<File>,
    keeper: Arc<Keeper>,
}

impl Held {
    pub(crate) fn new(file: File, keeper: &Arc<Keeper>) -> Self {
        Self { file: Some(file), keeper: keeper.clone() }
    }

    pub(crate) fn file(&self) -> io::Result<&File> {
        self.file.as_ref().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            self.keeper.throw(Rubbish::File(file));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn who_asks_a_disk_that_hangs_goes_on_and_the_answer_ends_it() {
        let health = Health::default();
        let desk = Desk::start("test", &health).unwrap();
        assert_eq!(desk.ask(LONG, || Ok(5)).await.unwrap(), 5);
        let (open, gate) = mpsc::channel::<()>();
        assert!(desk.tell(move || gate.recv().unwrap_or_default()));
        let started = Instant::now();
        assert_eq!(desk.ask(SHORT, || Ok(())).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(desk.ask_now(SHORT, || Ok(())).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(health.hangs() && started.elapsed() < LONG);
        while desk.tell(|| {}) {}
        assert_eq!(desk.ask(LONG, || Ok(())).await.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(open);
        while !desk.tell(|| {}) {
            tokio::time::sleep(SHORT).await;
        }
        while desk.ask(LONG, || Ok(())).await.is_err() {
            tokio::time::sleep(SHORT).await;
        }
        assert!(!health.hangs(), "it has answered");
    }

    #[test]
    fn files_are_closed_by_the_keeper() {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Keeper::start(&Health::default()).unwrap();
        let (open, gate) = mpsc::channel::<()>();
        keeper.desk.tell(move || gate.recv().unwrap_or_default());
        let path = dir.path().join("x");
        let held = Held::new(File::create(&path).unwrap(), &keeper);
        keeper.throw(Rubbish::Name(path.clone()));
        drop(held);
        assert_eq!(keeper.rubbish.lock().len(), 2, "the disk hangs, and nobody waits for it");
        assert!(path.exists());
        drop(open);
        keeper.ask_now(LONG, || Ok(())).unwrap();
        assert!(!path.exists() && keeper.rubbish.lock().is_empty());
    }
}
