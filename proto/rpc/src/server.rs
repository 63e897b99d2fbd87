//! [`Server`]: listens, says hello, runs the handlers of a [`Router`].
//!
//! What always holds: a stranger gets no further than hello, within the hello timeout; the number of connections
//! is bounded. An orderly shutdown refuses new requests, lets running ones end within the grace, then closes.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::hello::{Hello, HelloReply};
use holdfast_proto::method::Class;
use holdfast_proto::status::Status;
use holdfast_support::clock;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::config::{ServerConfig, class_from_wire};
use crate::connect::lost;
use crate::frame::Kind;
use crate::handshake::{self, FEATURES};
use crate::link::Link;
use crate::metrics::METRICS;
use crate::net::Net;
use crate::reader::Reader;
use crate::router::Router;
use crate::serve::{Common, Served};
use crate::transport::Stream;

/// How often idle connections are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// A listening server. Dropped without [`Server::shutdown`] it stops accepting and closes its connections.
pub struct Server {
    inner: Arc<Inner>,
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

struct Inner {
    net: Net,
    common: Arc<Common>,
    served: Mutex<HashMap<u64, Weak<Served>>>,
    next: AtomicU64,
    room: Arc<Semaphore>,
}

impl Server {
    /// Listens on `address` (port 0: chosen by the system) and serves `router` as the node that `net` is.
    pub async fn bind(
        address: impl ToSocketAddrs,
        net: Net,
        router: Router,
        config: ServerConfig,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let room = Arc::new(Semaphore::new(config.max_connections));
        if let Some(fake) = &net.shared.config.fake {
            fake.serve(address.to_string(), &net, router.clone());
        }
        let inner = Arc::new(Inner {
            net,
            common: Arc::new(Common::new(router, config)),
            served: Mutex::default(),
            next: AtomicU64::new(0),
            room,
        });
        let tasks = vec![tokio::spawn(inner.clone().accept(listener)), tokio::spawn(inner.clone().sweep())];
        Ok(Self { inner, address, tasks })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Requests being handled now.
    pub fn in_flight(&self) -> usize {
        self.inner.common.in_flight.load(Ordering::Relaxed)
    }

    /// Refuses new requests at once, waits up to `grace` for running ones, closes all connections.
    pub async fn shutdown(self, grace: Duration) {
        self.inner.common.stopping.store(true, Ordering::Relaxed);
        for task in &self.tasks {
            task.abort();
        }
        for served in self.inner.all() {
            served.link.send_bare(Kind::Goodbye, 0);
        }
        let quiet = async {
            while self.in_flight() > 0 {
                // Looking again now and then covers a request that ended just before we began to listen.
                drop(
                    tokio::time::timeout(Duration::from_millis(20), self.inner.common.quiet.notified()).await,
                );
            }
            while self.inner.all().iter().any(|served| served.link.queued_bytes() > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(grace, quiet).await.is_err() {
            tracing::warn!(left = self.in_flight(), "closing with requests still being handled");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(fake) = &self.inner.net.shared.config.fake {
            fake.stop(&self.address.to_string());
        }
        for served in self.inner.all() {
            served.link.close(lost("the server closed"));
        }
    }
}

impl Inner {
    fn all(&self) -> Vec<Arc<Served>> {
        self.served.lock().values().filter_map(Weak::upgrade).collect()
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((tcp, _)) => self.accepted(tcp),
                Err(error) => {
                    // Out of file descriptors, most likely: others need time to go away.
                    tracing::warn!(%error, "accept");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn accepted(self: &Arc<Self>, tcp: TcpStream) {
        let room = self.room.clone().try_acquire_owned().ok();
        let inner = self.clone();
        tokio::spawn(async move {
            let limit = inner.common.config.hello_timeout;
            let from = tcp.peer_addr().map_or_else(|_| "?".into(), |address| address.to_string());
            match tokio::time::timeout(limit, inner.greet(tcp, room)).await {
                Ok(Ok(())) => {}
                Ok(Err(status)) => {
                    METRICS.closed.with_label_values(&["hello"]).inc();
                    tracing::warn!(from, %status, "refused a connection");
                }
                Err(_) => {
                    METRICS.closed.with_label_values(&["hello"]).inc();
                    tracing::warn!(from, ?limit, "no hello in time");
                }
            }
        });
    }

    /// Exchanges hellos; a peer that passes gets its connection task.
    async fn greet(
        self: &Arc<Self>,
        tcp: TcpStream,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Status> {
        let stream = Stream::accepted(tcp).map_err(|error| lost(&format!("accept: {error}")))?;
        let mut reader = Reader::new();
        let hello: Hello = handshake::read_message(&stream, &mut reader, Kind::Hello).await?;
        let identity = self.net.shared.identity();
        let judged = match &room {
            Some(_) => self.judge(&identity, &hello),
            None => Err(Status::busy(Duration::from_millis(500), "too many connections")),
        };
        let (version, refusal) = match &judged {
            Ok((version, _)) => (*version, None),
            Err(status) => (0, Some(status.clone())),
        };
        let reply = HelloReply {
            status: refusal,
            cluster: identity.cluster.map(|id| Bytes::copy_from_slice(&id.0)).unwrap_or_default(),
            meta_incarnation: identity.meta_incarnation,
            node: identity.node.0,
            version,
            features: hello.features & FEATURES,
            max_in_flight: u32::try_from(self.common.config.max_in_flight).unwrap_or(u32::MAX),
        };
        handshake::write_message(&stream, Kind::HelloReply, &reply)
            .await
            .map_err(|error| lost(&format!("hello: {error}")))?;
        let (_, class) = judged?;
        let budget = match class {
            Class::Data => &self.common.config.data_budget,
            Class::RaftControl | Class::RaftLog | Class::Meta => &self.common.config.other_budget,
        };
        reader.welcome(class, Some(budget.clone()));
        self.start(stream, reader, hello, class, room)
    }

    fn judge(&self, identity: &handshake::Identity, hello: &Hello) -> Result<(u32, Class), Status> {
        let version = handshake::judge(identity, hello)?;
        let class = class_from_wire(hello.class).ok_or_else(|| {
            let message = format!("traffic class {} is not known", hello.class);
            Status::new(holdfast_proto::status::Code::InvalidArgument, message)
        })?;
        if let Some(admit) = &self.common.config.admit {
            admit(hello)?;
        }
        Ok((version, class))
    }

    /// Starts the connection's task, in Raft's own runtime if it is Raft's.
    fn start(
        self: &Arc<Self>,
        stream: Stream,
        reader: Reader,
        hello: Hello,
        class: Class,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<(), Status> {
        let raft = matches!(class, Class::RaftControl | Class::RaftLog);
        let inner = self.clone();
        match self.net.shared.config.raft_runtime.clone().filter(|_| raft) {
            None => drop(tokio::spawn(inner.run(stream, reader, hello, class, room))),
            Some(runtime) => {
                let parts = stream.release().map_err(|error| lost(&format!("move connection: {error}")))?;
                drop(runtime.spawn(async move {
                    match Stream::adopt(parts) {
                        Ok(stream) => inner.run(stream, reader, hello, class, room).await,
                        Err(error) => tracing::warn!(%error, "move connection"),
                    }
                }));
            }
        }
        Ok(())
    }

    async fn run(
        self: Arc<Self>,
        stream: Stream,
        reader: Reader,
        hello: Hello,
        class: Class,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let served = Arc::new(Served::new(Link::new(stream), self.common.clone(), &hello, class));
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.served.lock().insert(number, Arc::downgrade(&served));
        if self.common.stopping.load(Ordering::Relaxed) {
            served.link.send_bare(Kind::Goodbye, 0);
        }
        served.run(reader).await;
        self.served.lock().remove(&number);
        drop(room);
    }

    /// Closes connections that have said nothing for long.
    async fn sweep(self: Arc<Self>) {
        let limit = self.common.config.idle_close;
        loop {
            tokio::time::sleep(SWEEP.min(limit)).await;
            let now = clock::monotonic_ms();
            for served in self.all() {
                let silent = now.saturating_sub(served.link.heard_ms.load(Ordering::Relaxed));
                if Duration::from_millis(silent) > limit {
                    served.link.close(lost("idle for too long"));
                }
            }
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
