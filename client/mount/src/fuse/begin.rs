//! Begins the work for a request on the thread that took it.
//!
//! Most work sends a question right away and then waits. Begun as a task of the runtime, it first has to wake one of
//! the runtime's threads: a system call and a change of threads, about as dear as sending the question. So the first
//! step is done here, and the runtime gets the work when there is something to go on with.
//!
//! What always holds: the thread that took the request never waits for the work; work that panics takes nothing with
//! it but itself, as a task of the runtime would. Work that the runtime leaves behind when it ends is held by whatever it
//! waited for: the process is about to end, too.
//!
//! Called by `answers.rs` and `requests.rs`.

use async_task::{Builder, Runnable};
use tokio::runtime::Handle;

/// Begins `work` now; `runtime` goes on with it.
pub(super) fn begin(runtime: &Handle, work: impl Future<Output = ()> + Send + 'static) {
    let workers = runtime.clone();
    let go_on = move |work: Runnable| {
        workers.spawn(async move {
            work.run();
        });
    };
    // A panic is kept for whoever waits for the outcome, and nobody does.
    let (work, outcome) = Builder::new().propagate_panic(true).spawn(|()| work, go_on);
    outcome.detach();
    // Timers and sockets of the runtime need to know it.
    let _inside = runtime.enter();
    work.run();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use tokio::runtime::Runtime;
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn the_first_step_is_done_here_and_the_rest_there() {
        let runtime = Runtime::new().unwrap();
        let (go, wait) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel::<ThreadId>();
        begin(runtime.handle(), async move {
            tell.send(thread::current().id()).unwrap();
            wait.await.unwrap();
            // A timer, too, wakes it.
            tokio::time::sleep(Duration::from_millis(1)).await;
            tell.send(thread::current().id()).unwrap();
        });
        assert_eq!(told.try_recv(), Ok(thread::current().id()));
        go.send(()).unwrap();
        assert_ne!(told.recv_timeout(LONG).unwrap(), thread::current().id());
    }

    #[test]
    fn a_panic_stays_with_the_work() {
        let runtime = Runtime::new().unwrap();
        let (alive, dropped) = mpsc::channel::<()>();
        begin(runtime.handle(), async move {
            let _dropped_with_the_work = alive;
            panic!("the first step");
        });
        assert!(dropped.recv_timeout(LONG).is_err(), "nothing of it is left");
        let (go, wait) = oneshot::channel::<()>();
        let (alive, dropped) = mpsc::channel::<()>();
        begin(runtime.handle(), async move {
            let _dropped_with_the_work = alive;
            wait.await.unwrap();
            panic!("a later step");
        });
        go.send(()).unwrap();
        assert_eq!(dropped.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
        runtime.block_on(async { tokio::spawn(async {}).await }).unwrap();
    }
}
