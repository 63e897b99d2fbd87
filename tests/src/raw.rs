//! Bytes for a port, and what comes back: for peers that speak nonsense, stop in the middle, or say nothing.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest time a port may keep a connection that it has no use for.
const MOST: Duration = Duration::from_secs(20);

/// What a peer does when it has said its piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Waits for an answer.
    Waits,
    /// Says that nothing more will come, and waits for an answer.
    Ends,
    /// Goes away at once.
    Leaves,
}

/// Sends bytes; returns everything that comes back until the other side closes. Fails when it does not.
pub async fn say(to: SocketAddr, bytes: &[u8], then: Then) -> Result<String> {
    let mut socket = TcpStream::connect(to).await.with_context(|| format!("connect to {to}"))?;
    let exchange = async {
        // It may have heard enough and close before all is said; what it answered counts.
        let _ = socket.write_all(bytes).await;
        let mut all = Vec::new();
        match then {
            Then::Leaves => return all,
            Then::Ends => drop(socket.shutdown().await),
            Then::Waits => {}
        }
        let _ = socket.read_to_end(&mut all).await;
        all
    };
    let answer = timeout(MOST, exchange).await.with_context(|| {
        format!("{to} keeps the connection after {} bytes of nonsense ({then:?})", bytes.len())
    })?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
