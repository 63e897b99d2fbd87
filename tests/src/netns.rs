//! Networks of our own: one namespace per node, all on a bridge in a hub namespace, so that packets can be dropped
//! without touching the machine's network.
//!
//! The test itself lives in the hub: [`Network::block_on`] runs it on threads inside of it, and processes that it
//! starts there (the command line) are in it, too.

mod late;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::volume::run;

pub use late::Late;

/// Which way packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// What the node should receive.
    In,
    /// What the node sends.
    Out,
    /// Both.
    Both,
}

/// The hub and a namespace per node. Removed when dropped.
#[derive(Debug)]
pub struct Network {
    hub: String,
    nodes: Vec<String>,
}

impl Network {
    /// A network for `count` nodes.
    pub fn make(count: u8) -> Result<Arc<Self>> {
        let id: u32 = rand::random_range(0..0x00ff_ffff);
        let mut network = Self { hub: format!("hf{id:06x}h"), nodes: Vec::new() };
        run(Command::new("ip").args(["netns", "add", &network.hub]))?;
        network.in_hub(&["link", "set", "lo", "up"])?;
        network.in_hub(&["link", "add", "br0", "type", "bridge", "stp_state", "0", "forward_delay", "0"])?;
        network.in_hub(&["addr", "add", "10.99.0.254/24", "dev", "br0"])?;
        network.in_hub(&["link", "set", "br0", "up"])?;
        for number in 1..=count {
            network.add_node(number, &format!("hf{id:06x}n{number}"))?;
        }
        Ok(Arc::new(network))
    }

    fn add_node(&mut self, number: u8, name: &str) -> Result<()> {
        run(Command::new("ip").args(["netns", "add", name]))?;
        self.nodes.push(name.to_owned());
        let (port, address) = (format!("p{number}"), format!("{}/24", Self::address(number)));
        self.in_hub(&["link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name])?;
        self.in_hub(&["link", "set", &port, "master", "br0", "up"])?;
        for args in [
            &["link", "set", "lo", "up"][..],
            &["addr", "add", &address, "dev", "eth0"],
            &["link", "set", "eth0", "up"],
        ] {
            run(Command::new("ip").args(["-n", name]).args(args))?;
        }
        Ok(())
    }

    fn in_hub(&self, args: &[&str]) -> Result<()> {
        run(Command::new("ip").args(["-n", &self.hub]).args(args))
    }

    /// The address of node `number`, from 1.
    pub fn address(number: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 99, 0, number))
    }

    /// The namespace of node `number`, from 1.
    pub fn namespace(&self, number: u8) -> &str {
        &self.nodes[usize::from(number) - 1]
    }

    /// Drops a node's packets, without a word to either side.
    pub fn drop_packets(&self, number: u8, direction: Direction) -> Result<()> {
        for chain in chains(direction) {
            self.iptables(number, &["-A", chain, "-i", "eth0", "-j", "DROP"], chain)?;
        }
        Ok(())
    }

    /// Drops packets between two nodes only; others still reach both.
    pub fn cut(&self, one: u8, other: u8) -> Result<()> {
        let source = Self::address(other).to_string();
        self.iptables(one, &["-A", "INPUT", "-s", &source, "-j", "DROP"], "INPUT")?;
        let source = Self::address(one).to_string();
        self.iptables(other, &["-A", "INPUT", "-s", &source, "-j", "DROP"], "INPUT")
    }

    /// Drops this share of a node's packets, both ways, by chance.
    pub fn lose(&self, number: u8, percent: u8) -> Result<()> {
        let share = format!("0.{percent:02}");
        for chain in chains(Direction::Both) {
            let rule = ["-A", chain, "-i", "eth0", "-m", "statistic", "--mode", "random"];
            let drop = ["--probability", &share, "-j", "DROP"];
            self.iptables(number, &[&rule[..], &drop[..]].concat(), chain)?;
        }
        Ok(())
    }

    /// Ends a node's connections as soon as either side says something, and refuses new ones.
    pub fn reset_connections(&self, number: u8) -> Result<()> {
        let rule = ["-A", "INPUT", "-i", "eth0", "-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"];
        self.iptables(number, &rule, "INPUT")
    }

    /// Every packet of a node is this late in either direction, until what is returned is dropped.
    pub fn delay(&self, number: u8, by: Duration) -> Result<Late> {
        let late = Late::start(format!("/run/netns/{}", self.namespace(number)), by)?;
        for chain in chains(Direction::Both) {
            let queue = late::QUEUE.to_string();
            self.iptables(
                number,
                &["-A", chain, "-i", "eth0", "-j", "NFQUEUE", "--queue-num", &queue],
                chain,
            )?;
        }
        Ok(late)
    }

    /// What a node sends takes this many kilobits per second at most.
    pub fn limit(&self, number: u8, kilobits: u32) -> Result<()> {
        let rate = format!("{kilobits}kbit");
        let shaping = ["dev", "eth0", "root", "tbf", "rate", &rate, "burst", "16k", "latency", "400ms"];
        self.tc(number, "replace", &shaping)
    }

    /// Plugs a node's cable out, or in.
    pub fn plug(&self, number: u8, plugged: bool) -> Result<()> {
        let state = if plugged { "up" } else { "down" };
        run(Command::new("ip").args(["-n", self.namespace(number), "link", "set", "eth0", state]))
    }

    /// Lets all packets of a node through again, at any rate.
    pub fn heal(&self, number: u8) -> Result<()> {
        for chain in chains(Direction::Both) {
            self.iptables(number, &["-F", chain], chain)?;
        }
        self.plug(number, true)?;
        // Without a limit there is nothing to remove, and that is an error to it.
        let _ = self.tc(number, "del", &["dev", "eth0", "root"]);
        Ok(())
    }

    fn tc(&self, number: u8, action: &str, what: &[&str]) -> Result<()> {
        run(Command::new("tc").args(["-n", self.namespace(number), "qdisc", action]).args(what))
    }

    fn iptables(&self, number: u8, args: &[&str], chain: &str) -> Result<()> {
        // Outgoing packets have no input interface: `-o` instead.
        let args = args.iter().map(|arg| if chain == "OUTPUT" && *arg == "-i" { "-o" } else { arg });
        run(Command::new("ip").args(["netns", "exec", self.namespace(number), "iptables", "-w"]).args(args))
    }

    /// Runs a test on threads inside the hub.
    pub fn block_on<T>(&self, test: impl Future<Output = T>) -> Result<T> {
        let path = format!("/run/netns/{}", self.hub);
        // The thread that blocks works on the future as well: it has to be inside, too. It comes back at the end.
        let home = std::fs::File::open("/proc/thread-self/ns/net").context("open the own namespace")?;
        enter(&path)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(4)
            .enable_all()
            .on_thread_start(move || {
                if let Err(error) = enter(&path) {
                    eprintln!("a worker thread could not enter its network: {error:#}");
                    std::process::abort();
                }
            })
            .build()
            .context("start a runtime")?;
        let outcome = runtime.block_on(test);
        runtime.shutdown_background();
        move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network)).context("leave the hub")?;
        Ok(outcome)
    }
}

fn chains(direction: Direction) -> &'static [&'static str] {
    match direction {
        Direction::In => &["INPUT"],
        Direction::Out => &["OUTPUT"],
        Direction::Both => &["INPUT", "OUTPUT"],
    }
}

fn enter(path: &str) -> Result<()> {
    let namespace = std::fs::File::open(path).with_context(|| format!("open {path}"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).context("enter the hub")
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in self.nodes.iter().chain([&self.hub]) {
            let _ = run(Command::new("ip").args(["netns", "del", name]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn packets_flow_stop_and_flow_again() -> Result<()> {
        crate::skip_unless_root_with!("ip", "iptables");
        let network = Network::make(2)?;
        let inner = Arc::clone(&network);
        network.block_on(async move {
            // A node's side of the bridge answers pings of the hub's side at TCP level: refused means reached.
            let reach = |number| async move {
                let connect = TcpStream::connect((Network::address(number), 9));
                match tokio::time::timeout(Duration::from_millis(300), connect).await {
                    Ok(Err(error)) => error.kind() == std::io::ErrorKind::ConnectionRefused,
                    _ => false,
                }
            };
            let _hub = TcpListener::bind("10.99.0.254:0").await?;
            // Links need a moment to come up.
            let up = || async { if reach(1).await && reach(2).await { Ok(()) } else { Err("no answer") } };
            crate::wait::until("the network to be up", Duration::from_secs(10), up).await?;
            inner.drop_packets(1, Direction::In)?;
            assert!(!reach(1).await && reach(2).await);
            inner.heal(1)?;
            inner.drop_packets(1, Direction::Out)?;
            assert!(!reach(1).await);
            inner.heal(1)?;
            assert!(reach(1).await);
            // A question and its answer are late.
            let late = inner.delay(1, Duration::from_millis(40))?;
            let asked = Instant::now();
            assert!(reach(1).await && asked.elapsed() >= Duration::from_millis(80), "{:?}", asked.elapsed());
            inner.heal(1)?;
            drop(late);
            assert!(reach(1).await);
            anyhow::Ok(())
        })?
    }
}
