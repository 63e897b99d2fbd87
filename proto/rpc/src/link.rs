//! The half of a connection that everybody shares: what waits to be written, and whether it is over.
//!
//! Whoever has a frame to send puts it into the outbox. When nobody is writing and little is going on, the sender
//! writes it at once from its own thread: no task switch. Otherwise the connection's task is woken and writes all
//! that has gathered in one `writev`.
//!
//! What always holds: frames leave whole and in order; at most one thread writes at a time; nobody blocks on the
//! socket; bytes in the outbox are counted and bounded by whoever admits work. After [`Link::close`] nothing is
//! written any more.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use futures::task::AtomicWaker;
use holdfast_proto::status::Status;
use holdfast_support::clock;
use parking_lot::Mutex;

use crate::frame::{Header, Kind};
use crate::metrics::METRICS;
use crate::transport::Stream;

/// Most pieces of one `writev`.
const MOST_PIECES: usize = 64;

/// A frame as it waits: header with message, then payload. Either may be partly written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) head: Bytes,
    pub(crate) payload: Bytes,
}

impl Outgoing {
    fn bytes(&self) -> usize {
        self.head.len() + self.payload.len()
    }
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    /// Nothing is left.
    Empty,
    /// The socket takes no more for now.
    Full,
    /// Another thread is writing; it looks into the outbox again before it leaves.
    Elsewhere,
    /// More is left, but this caller has done its share.
    More,
}

/// The shared half of a connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: Stream,
    outbox: Mutex<VecDeque<Outgoing>>,
    /// What the current writer took from the outbox. Held only while writing.
    pen: Mutex<VecDeque<Outgoing>>,
    /// Bytes in outbox and pen.
    queued: AtomicUsize,
    /// The socket was full; the task waits until it is writable.
    full: AtomicBool,
    waker: AtomicWaker,
    over: OnceLock<Status>,
    /// When bytes came in last; [`clock::monotonic_ms`].
    pub(crate) heard_ms: AtomicU64,
    /// When a frame was sent last.
    pub(crate) sent_ms: AtomicU64,
}

impl Link {
    /// A connection over a stream.
    pub(crate) fn new(stream: Stream) -> Self {
        let now = clock::monotonic_ms();
        Self {
            stream,
            outbox: Mutex::default(),
            pen: Mutex::default(),
            queued: AtomicUsize::new(0),
            full: AtomicBool::new(false),
            waker: AtomicWaker::new(),
            over: OnceLock::new(),
            heard_ms: AtomicU64::new(now),
            sent_ms: AtomicU64::new(now),
        }
    }

    /// Bytes that wait to be written.
    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Why the connection is over, if it is.
    pub(crate) fn over(&self) -> Option<&Status> {
        self.over.get()
    }

    /// Ends the connection. The first reason stays.
    pub(crate) fn close(&self, why: Status) {
        if self.over.set(why).is_ok() {
            self.stream.shutdown();
            // Payload that will never leave must not hold its share of a budget.
            self.outbox.lock().clear();
            if let Some(mut pen) = self.pen.try_lock() {
                pen.clear();
            }
            self.waker.wake();
        }
    }

    /// Sends a frame without message and payload.
    pub(crate) fn send_bare(&self, kind: Kind, id: u64) {
        let head = Bytes::copy_from_slice(&Header::bare(kind, id).encode());
        self.send(Outgoing { head, payload: Bytes::new() }, true);
    }

    /// Queues a frame and sees to its being written: at once from here when `now`, else by the connection's task.
    pub(crate) fn send(&self, frame: Outgoing, now: bool) {
        if self.over().is_some() {
            return;
        }
        self.queued.fetch_add(frame.bytes(), Ordering::Relaxed);
        self.sent_ms.store(clock::monotonic_ms(), Ordering::Relaxed);
        self.outbox.lock().push_back(frame);
        if self.full.load(Ordering::Acquire) {
            // The task wakes by itself when the socket has room.
            return;
        }
        if !now || matches!(self.flush(4), Flush::Full | Flush::More) {
            self.waker.wake();
        }
    }

    /// Writes what waits, at most `rounds` times.
    fn flush(&self, rounds: usize) -> Flush {
        let mut left = rounds;
        loop {
            let Some(mut pen) = self.pen.try_lock() else { return Flush::Elsewhere };
            loop {
                if pen.is_empty() {
                    std::mem::swap(&mut *pen, &mut *self.outbox.lock());
                }
                if pen.is_empty() {
                    break;
                }
                if left == 0 {
                    return Flush::More;
                }
                left -= 1;
                match self.write_some(&mut pen) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        self.full.store(true, Ordering::Release);
                        return Flush::Full;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        drop(pen);
                        self.close(crate::connect::lost(&format!("write: {error}")));
                        return Flush::Empty;
                    }
                }
            }
            drop(pen);
            // Somebody may have queued a frame after our last look and found the pen taken.
            if self.outbox.lock().is_empty() {
                return Flush::Empty;
            }
        }
    }

    fn write_some(&self, pen: &mut VecDeque<Outgoing>) -> std::io::Result<()> {
        let mut pieces = [IoSlice::new(&[]); MOST_PIECES];
        let mut count = 0;
        for frame in pen.iter() {
            for part in [&frame.head, &frame.payload] {
                if !part.is_empty() && count < MOST_PIECES {
                    pieces[count] = IoSlice::new(part);
                    count += 1;
                }
            }
            if count == MOST_PIECES {
                break;
            }
        }
        let mut written = self.stream.try_write(&pieces[..count])?;
        self.queued.fetch_sub(written, Ordering::Relaxed);
        METRICS.sent.inc_by(written as u64);
        while let Some(frame) = pen.front_mut() {
            let head = written.min(frame.head.len());
            frame.head.advance(head);
            let payload = (written - head).min(frame.payload.len());
            frame.payload.advance(payload);
            written -= head + payload;
            if frame.bytes() > 0 {
                break;
            }
            pen.pop_front();
        }
        Ok(())
    }

    /// The writing side of the connection's task: registers it for wakeups and writes what can be written.
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>) {
        self.waker.register(cx.waker());
        for _ in 0..4 {
            if self.full.load(Ordering::Acquire) {
                match self.stream.poll_writable(cx) {
                    Poll::Pending => return,
                    Poll::Ready(Err(error)) => {
                        return self.close(crate::connect::lost(&format!("write: {error}")));
                    }
                    Poll::Ready(Ok(())) => self.full.store(false, Ordering::Release),
                }
            }
            match self.flush(16) {
                Flush::Empty | Flush::Elsewhere => return,
                // Go round once more, to wait for room.
                Flush::Full => {}
                Flush::More => break,
            }
        }
        // Let others have their turn, then go on.
        cx.waker().wake_by_ref();
    }
}
