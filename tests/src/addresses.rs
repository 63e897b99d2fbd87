//! Addresses for the nodes of a cluster on this machine.
//!
//! Each cluster gets a network of its own within 127.0.0.0/8 and each node an address in it. Ports are chosen by
//! the operating system; because outgoing connections come from 127.0.0.1, nothing takes a node's ports while the
//! node is down, so it can come back on the same ones.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result};

/// A network within 127.0.0.0/8.
#[derive(Clone, Copy, Debug)]
pub struct Loopback {
    high: u8,
    low: u8,
}

impl Loopback {
    /// A network picked at random among 60,000: two clusters at once hardly ever meet, and if they do, their
    /// ports differ.
    pub fn pick() -> Self {
        Self { high: rand::random_range(16..250), low: rand::random_range(1..=255) }
    }

    /// The address of node `number`.
    pub fn node(self, number: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, self.high, self.low, number))
    }
}

/// `count` different free ports of an address.
pub fn ports(ip: IpAddr, count: usize) -> Result<Vec<SocketAddr>> {
    // All are held until all are known, so that they differ.
    let held: Vec<TcpListener> = (0..count)
        .map(|_| TcpListener::bind((ip, 0)).with_context(|| format!("find a free port of {ip}")))
        .collect::<Result<_>>()?;
    held.iter().map(|listener| listener.local_addr().context("address of a listener")).collect()
}

/// The wanted port if it is free, else another.
pub fn port_near(ip: IpAddr, wanted: u16) -> Result<SocketAddr> {
    match TcpListener::bind((ip, wanted)) {
        Ok(listener) => listener.local_addr().context("address of a listener"),
        Err(_) => Ok(ports(ip, 1)?[0]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_differ_and_are_free() {
        let ip = Loopback::pick().node(1);
        let found = ports(ip, 3).unwrap();
        for address in &found {
            assert_eq!(found.iter().filter(|other| *other == address).count(), 1);
            TcpListener::bind(address).unwrap();
        }
    }
}
