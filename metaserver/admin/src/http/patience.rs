//! How long a connection may be silent: while nothing is worked on, in either direction; while a body is awaited, until
//! more of it comes.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Requests of a connection whose answers have not begun.
#[derive(Clone, Default)]
pub(super) struct Working(Arc<AtomicUsize>);

/// One of them.
pub(super) struct Now(Arc<AtomicUsize>);

impl Working {
    pub(super) fn begin(&self) -> Now {
        self.0.fetch_add(1, Ordering::Relaxed);
        Now(Arc::clone(&self.0))
    }
}

impl Drop for Now {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

/// A connection that fails when no byte has moved for a while, unless something is worked on.
pub(super) struct Quiet {
    inner: TcpStream,
    working: Working,
    limit: Duration,
    moved: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Quiet {
    pub(super) fn new(inner: TcpStream, working: Working, limit: Duration) -> Self {
        Self { inner, working, limit, moved: Instant::now(), timer: Box::pin(tokio::time::sleep(limit)) }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.moved = Instant::now();
            return outcome;
        }
        // The timer runs on when bytes move, and is only then set anew when it is over: that is rare.
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.working.0.load(Ordering::Relaxed) > 0 {
                self.moved = Instant::now();
            }
            let until = self.moved + self.limit;
            if until <= Instant::now() {
                return Poll::Ready(Err(timed_out("nothing came and nothing was taken")));
            }
            self.timer.as_mut().reset(until);
        }
        Poll::Pending
    }
}

impl AsyncRead for Quiet {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.judge(cx, outcome)
    }
}

impl AsyncWrite for Quiet {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.judge(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.judge(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is kept back: that it is done says nothing about the peer.
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// A body that fails when the next piece of it does not come.
pub(super) struct Patient {
    inner: Incoming,
    limit: Duration,
    timer: Pin<Box<Sleep>>,
    waiting: bool,
}

impl Patient {
    pub(super) fn new(inner: Incoming, limit: Duration) -> Self {
        Self { inner, limit, timer: Box::pin(tokio::time::sleep(limit)), waiting: false }
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner.frame()).poll(cx) {
            self.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if !self.waiting {
            self.waiting = true;
            let until = Instant::now() + self.limit;
            self.timer.as_mut().reset(until);
        }
        match self.timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Some(Err(timed_out("the body does not go on").into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
