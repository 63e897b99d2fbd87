//! The byte stream under a connection. Today plain TCP; TLS becomes a second variant of [`Stream`] that keeps its
//! record layer behind a lock, with the same five operations.
//!
//! What always holds: nothing outside this file names a socket type. Reading and writing never block: they do
//! what can be done now and say `WouldBlock` otherwise.

use std::io::{self, IoSlice, IoSliceMut};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::TcpStream;

/// Unacknowledged bytes older than this end a TCP connection: the backstop behind pings.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// An open connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// TCP without encryption.
    Plain(TcpStream),
}

impl Stream {
    /// Connects to `host:port`.
    pub(crate) async fn connect(address: &str) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        Self::accepted(tcp)
    }

    /// Prepares an accepted connection.
    pub(crate) fn accepted(tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let millis = u32::try_from(USER_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
        rustix::net::sockopt::set_tcp_user_timeout(&tcp, millis)?;
        rustix::net::sockopt::set_socket_keepalive(&tcp, true)?;
        Ok(Self::Plain(tcp))
    }

    /// Moves the connection to the runtime in which this is called.
    pub(crate) fn adopt(parts: std::net::TcpStream) -> io::Result<Self> {
        Ok(Self::Plain(TcpStream::from_std(parts)?))
    }

    /// Takes the connection off its runtime, for [`Self::adopt`] in another.
    pub(crate) fn release(self) -> io::Result<std::net::TcpStream> {
        match self {
            Self::Plain(tcp) => tcp.into_std(),
        }
    }

    /// The other side's address, for logs.
    pub(crate) fn peer(&self) -> String {
        match self {
            Self::Plain(tcp) => tcp.peer_addr().map_or_else(|_| "?".into(), |address| address.to_string()),
        }
    }

    /// Reads what is there; `Ok(0)`: the other side is done.
    pub(crate) fn try_read(&self, into: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_read_vectored(into),
        }
    }

    /// Writes what fits.
    pub(crate) fn try_write(&self, from: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.try_write_vectored(from),
        }
    }

    /// Ready when reading is worth a try. One task only.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx),
        }
    }

    /// Ready when writing is worth a try. One task only.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_write_ready(cx),
        }
    }

    /// Ends the connection in both directions; whoever waits on it wakes.
    pub(crate) fn shutdown(&self) {
        match self {
            // An error here means that the connection is gone already.
            Self::Plain(tcp) => drop(rustix::net::shutdown(tcp, rustix::net::Shutdown::Both)),
        }
    }
}
