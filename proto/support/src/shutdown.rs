//! Orderly shutdown: signals, a token that everybody can wait for, and a deadline for draining.
//!
//! What always holds: the first SIGTERM or SIGINT asks everybody to stop; a second one ends the process at once.
//! A shutdown never takes longer than its drain time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Tells many tasks that it is time to stop. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown {
    inner: Arc<watch::Sender<Option<Instant>>>,
    drain: Duration,
}

impl Shutdown {
    /// A token; whoever drains has `drain` from the moment it is triggered.
    pub fn new(drain: Duration) -> Self {
        Self { inner: Arc::new(watch::channel(None).0), drain }
    }

    /// Asks everybody to stop. Later calls change nothing.
    pub fn trigger(&self) {
        let until = Instant::now() + self.drain;
        self.inner.send_if_modified(|state| {
            let first = state.is_none();
            state.get_or_insert(until);
            first
        });
    }

    /// Whether it was triggered.
    pub fn is_triggered(&self) -> bool {
        self.inner.borrow().is_some()
    }

    /// Waits until it is triggered; returns the end of the drain time.
    pub async fn wait(&self) -> Instant {
        let mut state = self.inner.subscribe();
        loop {
            if let Some(until) = *state.borrow_and_update() {
                return until;
            }
            if state.changed().await.is_err() {
                // Not possible while `self` holds the sender; never busy-loop all the same.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Time left to drain; the whole of it before the trigger.
    pub fn time_left(&self) -> Duration {
        let until = *self.inner.borrow();
        until.map_or(self.drain, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Runs `work` until it ends or shutdown begins; `None` when shutdown came first.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.wait() => None,
            done = work => Some(done),
        }
    }

    /// Triggers on SIGTERM and SIGINT; a second signal ends the process at once with status 130. Call it within
    /// the main runtime.
    pub fn on_signals(&self) -> std::io::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let token = self.clone();
        tokio::spawn(async move {
            let mut first = true;
            loop {
                let name = tokio::select! {
                    _ = terminate.recv() => "SIGTERM",
                    _ = interrupt.recv() => "SIGINT",
                };
                if !first {
                    tracing::warn!(signal = name, "second signal: ending at once");
                    crate::telemetry::finish_logging();
                    std::process::exit(130);
                }
                first = false;
                tracing::info!(signal = name, drain = ?token.drain, "shutting down");
                token.trigger();
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_hears_it_once() {
        let token = Shutdown::new(Duration::from_secs(7));
        assert_eq!(token.unless(std::future::ready(5)).await, Some(5));
        let waiter = tokio::spawn({
            let token = token.clone();
            async move { token.wait().await }
        });
        assert_eq!(token.time_left(), Duration::from_secs(7));
        token.trigger();
        let until = waiter.await.unwrap();
        token.trigger();
        assert_eq!(token.wait().await, until, "the second trigger does not prolong it");
        assert!(token.is_triggered() && token.time_left() <= Duration::from_secs(7));
        assert_eq!(token.unless(std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn a_signal_triggers_it() {
        let token = Shutdown::new(Duration::from_secs(1));
        token.on_signals().unwrap();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        tokio::time::timeout(Duration::from_secs(10), token.wait()).await.unwrap();
    }
}
