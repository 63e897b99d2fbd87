//! Serving a port to whoever comes: HTTP/1.1, within limits, so that nobody can keep others out by holding on.
//!
//! What always holds:
//! - So many connections at once, and so many of one address; whoever comes on top is told so and closed at once.
//! - A connection ends when a request's headers do not come in time, when a body stalls, when the peer takes nothing of an
//!   answer, and when nothing is asked for a while. What is being worked on, or is sent on and on (live updates), stays.
//! - A proxy before the port is one address as well.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::patience::{Patient, Quiet, Working};

/// Rest after a failed accept: the process is out of file descriptors or memory.
const ACCEPT_REST: Duration = Duration::from_millis(20);
/// Most headers of a request, and most bytes of them.
const MOST_HEADERS: usize = 100;
const MOST_HEADER_BYTES: usize = 64 << 10;

const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

/// How much a port bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// Of these, of one address.
    pub per_address: usize,
    /// For the headers of a request, from the first moment on which the next one may come.
    pub headers: Duration,
    /// Without a byte in either direction, while nothing is worked on; without a byte of a body that is awaited.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            per_address: 256,
            headers: Duration::from_secs(15),
            silence: Duration::from_secs(60),
        }
    }
}

/// Who is connected, by address.
#[derive(Default)]
struct Present(Mutex<HashMap<IpAddr, usize>>);

/// A connection that counts until it is dropped.
struct Place {
    present: Arc<Present>,
    address: IpAddr,
}

impl Present {
    fn enter(self: &Arc<Self>, address: IpAddr, limits: &Limits) -> Option<Place> {
        let mut present = self.0.lock();
        let of_address = present.get(&address).copied().unwrap_or(0);
        // Never more entries than connections, so that counting them is cheap.
        if of_address >= limits.per_address || present.values().sum::<usize>() >= limits.connections {
            return None;
        }
        present.insert(address, of_address + 1);
        Some(Place { present: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.present.0.lock();
        if let Some(count) = present.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                present.remove(&self.address);
            }
        }
    }
}

/// Serves until `end`; what is under way then is finished, without anybody waiting for it.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, end: impl Future<Output = ()>) {
    let present = Arc::new(Present::default());
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    tokio::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => return,
        };
        let (socket, peer) = match accepted {
            Ok(pair) => pair,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections at the admin port");
                tokio::time::sleep(ACCEPT_REST).await;
                continue;
            }
        };
        let Some(place) = present.enter(peer.ip().to_canonical(), &limits) else {
            // The socket is fresh, so its buffer takes these few bytes at once; if not, closing says enough.
            let _ = socket.try_write(FULL);
            continue;
        };
        let (router, stop) = (router.clone(), stop.clone());
        tokio::spawn(async move {
            connection(socket, peer, router, limits, stop).await;
            drop(place);
        });
    }
}

async fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let working = Working::default();
    let io = TokioIo::new(Quiet::new(socket, working.clone(), limits.silence));
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let request = request.map(|body| Patient::new(body, limits.silence));
        let (router, now) = (router.clone(), working.begin());
        async move {
            let response = router.oneshot(request).await;
            drop(now);
            Ok::<_, Infallible>(response.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_HEADER_BYTES)
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
        tracing::debug!(%peer, %error, "a connection to the admin port ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::response::Sse;
    use axum::response::sse::Event;
    use axum::routing::{get, post};
    use futures::StreamExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{Instant, sleep, timeout};

    use super::*;

    const LIMITS: Limits = Limits {
        connections: 6,
        per_address: 4,
        headers: Duration::from_millis(400),
        silence: Duration::from_millis(400),
    };
    const LONG: Duration = Duration::from_secs(5);

    async fn start() -> SocketAddr {
        let ticks = || async {
            let ticks = futures::stream::unfold((), async |()| {
                sleep(Duration::from_millis(100)).await;
                Some((Ok::<_, Infallible>(Event::default().data("tick")), ()))
            });
            Sse::new(ticks.take(20))
        };
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/slow", get(async || sleep(Duration::from_millis(1200)).await))
            .route("/ticks", get(ticks))
            .route("/large", get(async || vec![0u8; 64 << 20]))
            .route("/body", post(async |body: axum::body::Bytes| format!("{} bytes", body.len())));
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(serve(listener, router, LIMITS, std::future::pending()));
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    async fn say(stream: &mut TcpStream, text: &str) {
        stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// Everything until the other side closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut all = Vec::new();
        let read = timeout(LONG, stream.read_to_end(&mut all)).await.expect("the other side closes");
        drop(read);
        String::from_utf8_lossy(&all).into_owned()
    }

    async fn from(address: [u8; 4], to: SocketAddr) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((address, 0).into()).unwrap();
        socket.connect(to).await.unwrap()
    }

    #[tokio::test]
    async fn whoever_holds_on_is_let_go() {
        let address = start().await;
        // Nothing said; headers by the drop; a body that stalls; nothing asked after an answer.
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert_eq!(rest(&mut silent).await, "");
        let mut drops = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        say(&mut drops, "GET / HTTP/1.1\r\n").await;
        while began.elapsed() < LONG && drops.write_all(b"x: y\r\n").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
        assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
        let mut stalls = TcpStream::connect(address).await.unwrap();
        say(&mut stalls, "POST /body HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc").await;
        assert!(!rest(&mut stalls).await.contains("200 OK"));
        let mut asks = TcpStream::connect(address).await.unwrap();
        say(&mut asks, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(rest(&mut asks).await.ends_with("here"));
        // Whoever takes nothing of a long answer.
        let mut deaf = TcpStream::connect(address).await.unwrap();
        say(&mut deaf, "GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
        sleep(LIMITS.silence * 3).await;
        assert!(rest(&mut deaf).await.len() < 64 << 20);
    }

    #[tokio::test]
    async fn what_is_worked_on_and_what_goes_on_and_on_stays() {
        let address = start().await;
        for (path, last) in [("/slow", "content-length: 0"), ("/ticks", "tick")] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            say(&mut stream, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
            let text = rest(&mut stream).await;
            assert!(text.contains(last), "{path}: {text}");
            assert!(path != "/ticks" || text.matches("tick").count() == 20, "{text}");
        }
        // A body that comes slowly, but comes.
        let mut slow = TcpStream::connect(address).await.unwrap();
        say(&mut slow, "POST /body HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\n")
            .await;
        for _ in 0..10 {
            sleep(Duration::from_millis(150)).await;
            say(&mut slow, "x").await;
        }
        assert!(rest(&mut slow).await.ends_with("10 bytes"));
    }

    #[tokio::test]
    async fn too_many_are_refused_and_those_inside_go_on() {
        let address = start().await;
        let mut inside = TcpStream::connect(address).await.unwrap();
        say(&mut inside, "GET /ticks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(TcpStream::connect(address).await.unwrap());
        }
        sleep(Duration::from_millis(50)).await;
        let began = Instant::now();
        let mut fifth = TcpStream::connect(address).await.unwrap();
        assert!(rest(&mut fifth).await.starts_with("HTTP/1.1 503"));
        // Another address still has room, until all together are too many.
        let mut elsewhere = from([127, 0, 0, 2], address).await;
        say(&mut elsewhere, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut answer = [0; 12];
        timeout(LONG, elsewhere.read_exact(&mut answer)).await.unwrap().unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let _sixth = from([127, 0, 0, 2], address).await;
        sleep(Duration::from_millis(50)).await;
        assert!(rest(&mut from([127, 0, 0, 3], address).await).await.starts_with("HTTP/1.1 503"));
        assert!(began.elapsed() < LIMITS.headers, "{:?}", began.elapsed());
        assert_eq!(rest(&mut inside).await.matches("tick").count(), 20);
        // Places become free again.
        let mut next = TcpStream::connect(address).await.unwrap();
        say(&mut next, "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(rest(&mut next).await.ends_with("here"));
    }
}
