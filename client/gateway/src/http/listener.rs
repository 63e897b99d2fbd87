//! Accepts connections, within limits, and lets them end in order.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::GatewayConfig;
use crate::http::service::Door;
use crate::http::stall::Stalling;
use crate::metrics::METRICS;

/// Most headers of a request.
const MAX_HEADERS: usize = 160;

/// Rest after a failed accept: the process is out of file descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(20);

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

/// The connections of one door.
#[derive(Clone)]
pub(crate) struct Listening {
    tasks: TaskTracker,
    cut: CancellationToken,
    free: Arc<Semaphore>,
}

impl Listening {
    pub(crate) fn new(max_connections: usize) -> Self {
        Self {
            tasks: TaskTracker::new(),
            cut: CancellationToken::new(),
            free: Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// Waits for the connections to end, then cuts those that are left.
    pub(crate) async fn drain(&self, grace: Duration) {
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            tracing::info!(connections = self.tasks.len(), "cutting connections that did not end in time");
            self.cut.cancel();
            self.tasks.wait().await;
        }
    }
}

/// Accepts until told to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    door: Arc<Door>,
    config: Arc<GatewayConfig>,
    listening: Listening,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        let (socket, peer) = match accepted {
            Ok(pair) => pair,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&listening.free).try_acquire_owned() else {
            METRICS.turned_away.inc();
            turn_away(&socket);
            continue;
        };
        let (door, config, stop, cut) =
            (Arc::clone(&door), Arc::clone(&config), stop.clone(), listening.cut.clone());
        listening.tasks.spawn(async move {
            METRICS.connections.inc();
            tokio::select! {
                () = serve(socket, peer, door, &config, stop) => {}
                () = cut.cancelled() => {}
            }
            METRICS.connections.dec();
            drop(permit);
        });
    }
}

/// The socket is fresh, so its buffer takes these few bytes at once; if not, closing says enough.
fn turn_away(socket: &TcpStream) {
    let _ = socket.try_write(FULL);
}

async fn serve(
    socket: TcpStream,
    peer: std::net::SocketAddr,
    door: Arc<Door>,
    config: &GatewayConfig,
    stop: CancellationToken,
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let io = TokioIo::new(Stalling::new(socket, config.idle_timeout()));
    let service = service_fn(move |request: Request<Incoming>| {
        let door = Arc::clone(&door);
        async move { Ok::<_, std::convert::Infallible>(door.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .max_headers(MAX_HEADERS)
        .max_header_size(config.max_header_bytes)
        .serve_connection(io, service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}
