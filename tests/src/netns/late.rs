//! Packets that come late: the kernel hands them to a thread (netfilter's queue), which lets each go on when its time has
//! come. They keep their order.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nfq::{Message, Queue, Verdict};

/// The number of the queue; every namespace has queues of its own.
pub(super) const QUEUE: u16 = 1;

/// Packets on their way at most; more are lost, as in a router.
const MOST: u32 = 20_000;

/// How often it is looked whose time has come.
const TICK: Duration = Duration::from_millis(1);

/// Lets packets go on late until it is dropped. Rules that lead packets here must be gone before: what nobody takes from
/// the queue is lost.
#[derive(Debug)]
pub struct Late {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Late {
    /// Begins, inside of a network.
    pub(super) fn start(namespace: String, by: Duration) -> Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let opened = super::enter(&namespace).and_then(|()| open());
            match opened {
                Ok(queue) => {
                    let _ = ready.send(Ok(()));
                    pass_on(queue, by, &told)
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                    Ok(())
                }
            }
        });
        is_ready.recv().context("the thread for late packets ended")??;
        Ok(Self { over, thread: Some(thread) })
    }
}

fn open() -> Result<Queue> {
    let mut queue = Queue::open().context("open netfilter's queue")?;
    queue.bind(QUEUE).context("bind a queue of packets")?;
    // What is in them is of no interest.
    queue.set_copy_range(QUEUE, 0)?;
    queue.set_queue_max_len(QUEUE, MOST)?;
    queue.set_recv_enobufs(false)?;
    queue.set_nonblocking(true);
    Ok(queue)
}

fn pass_on(mut queue: Queue, by: Duration, over: &AtomicBool) -> Result<()> {
    let mut waiting: VecDeque<(Instant, Message)> = VecDeque::new();
    loop {
        let last = over.load(Ordering::Relaxed);
        loop {
            match queue.recv() {
                Ok(message) => waiting.push_back((Instant::now() + by, message)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error).context("take packets from the queue"),
            }
        }
        while let Some((due, _)) = waiting.front()
            && (last || *due <= Instant::now())
            && let Some((_, mut message)) = waiting.pop_front()
        {
            message.set_verdict(Verdict::Accept);
            queue.verdict(message).context("let a packet go on")?;
        }
        if last {
            return Ok(());
        }
        std::thread::sleep(TICK);
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(Ok(Err(error))) = self.thread.take().map(JoinHandle::join) {
            eprintln!("late packets: {error:#}");
        }
    }
}
