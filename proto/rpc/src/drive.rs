//! The task of a connection: reads, hands out frames, writes what gathered. The same for both sides.
//!
//! What always holds: one task per connection; it ends when the connection is over and never because of a bad
//! frame's content other than by closing the connection with a reason.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use holdfast_support::clock;

use crate::connect::lost;
use crate::frame::{FrameError, Kind};
use crate::link::Link;
use crate::metrics::METRICS;
use crate::reader::{Frame, Reader};

/// Reads between two looks at other tasks.
const READS_PER_TURN: usize = 32;

/// A side that receives a long payload and has said nothing for this long says that it is still there.
const PROGRESS_MS: u64 = 200;

/// What differs between the caller's and the server's side.
pub(crate) trait Side: Send + Sync + 'static {
    /// The shared half.
    fn link(&self) -> &Link;
    /// Handles a frame. An error ends the connection.
    fn on_frame(self: &Arc<Self>, frame: Frame) -> Result<(), FrameError>;
}

/// Runs a connection until it is over.
pub(crate) async fn drive<S: Side>(side: &Arc<S>, reader: &mut Reader) {
    // The first frames may have come together with the hello: nothing would wake us for those.
    hand_out(side, reader);
    poll_fn(|cx| poll(side, reader, cx)).await;
}

fn poll<S: Side>(side: &Arc<S>, reader: &mut Reader, cx: &mut Context<'_>) -> Poll<()> {
    let link = side.link();
    link.poll_write(cx);
    for _ in 0..READS_PER_TURN {
        if link.over().is_some() {
            return Poll::Ready(());
        }
        match link.stream.poll_readable(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(error)) => link.close(lost(&format!("read: {error}"))),
            Poll::Ready(Ok(())) => read(side, reader),
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

fn read<S: Side>(side: &Arc<S>, reader: &mut Reader) {
    let link = side.link();
    match reader.read(&link.stream) {
        Ok(0) => link.close(lost("closed by the peer")),
        Ok(count) => {
            METRICS.received.inc_by(count as u64);
            let now = clock::monotonic_ms();
            link.heard_ms.store(now, Ordering::Relaxed);
            hand_out(side, reader);
            let silent = now.saturating_sub(link.sent_ms.load(Ordering::Relaxed)) > PROGRESS_MS;
            if silent && reader.midway() && link.over().is_none() {
                link.send_bare(Kind::Pong, 0);
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
        Err(error) => link.close(lost(&format!("read: {error}"))),
    }
}

/// Handles every frame that is there as a whole. A malformed one closes the connection.
fn hand_out<S: Side>(side: &Arc<S>, reader: &mut Reader) {
    let handled = loop {
        match reader.next() {
            Ok(Some(frame)) => match side.on_frame(frame) {
                Ok(()) => {}
                Err(error) => break Err(error),
            },
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    if let Err(error) = handled {
        let link = side.link();
        METRICS.closed.with_label_values(&["malformed"]).inc();
        tracing::warn!(peer = link.stream.peer(), %error, "closing a connection: malformed frame");
        link.close(lost(&format!("malformed frame: {error}")));
    }
}
