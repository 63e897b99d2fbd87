//! Pretends to be many nodes with many disks, so that a metaserver and its dashboard can be looked at and measured with a
//! map as large as a large cluster's: `many_disks META_ADDRESS JOIN_TOKEN [NODES] [DISKS_PER_NODE]`.
//!
//! The nodes join, register disks and send heartbeats with invented fill and load, and do nothing else: nobody can
//! read or write there. Ends with Ctrl-C; the nodes are then down, as of a cluster that lost power.

use std::time::Duration;

use bytes::Bytes;
use holdfast_proto::cluster::{DiskCondition, DiskIo, DiskReport, Heartbeat, JoinRequest};
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_proto::map::roles;
use holdfast_proto::method::{AdmitDisk, Beat, Join};
use holdfast_proto::op::{DiskRef, RegisterDisk, RegisterNode};
use holdfast_rpc::{MetaCaller, Net, NetConfig};
use tokio::task::JoinSet;
use tokio::time::Instant;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const PATIENCE: Duration = Duration::from_secs(20);
const CAPACITY: u64 = 8 << 40;
const RACKS: u64 = 10;
const ZONES: u64 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [meta, token, more @ ..] = args.as_slice() else {
        return Err("usage: many_disks META_ADDRESS JOIN_TOKEN [NODES] [DISKS_PER_NODE]".into());
    };
    let number = |at: usize, default: u64| more.get(at).map_or(Ok(default), |text| text.parse());
    let (nodes, disks) = (number(0, 100)?, number(1, 10)?);
    let mut pretending = JoinSet::new();
    for at in 0..nodes {
        let node = Pretended::join(meta, token, at, disks).await?;
        pretending.spawn(node.live());
    }
    println!("{nodes} nodes with {disks} disks each are there");
    tokio::signal::ctrl_c().await?;
    Ok(())
}

struct Pretended {
    caller: MetaCaller,
    number: u64,
    node: u64,
    disks: Vec<DiskRef>,
}

impl Pretended {
    async fn join(meta: &str, token: &str, at: u64, disks: u64) -> Result<Self, Failure> {
        let net = Net::new(NetConfig::default());
        let caller = MetaCaller::new(net.clone(), vec![meta.to_owned()]);
        let zone = format!("zone-{}", at % ZONES);
        let description = RegisterNode {
            nonce: Bytes::from(format!("pretended {at:06}").into_bytes()),
            address: format!("127.201.{}.{}:7100", at / 250, at % 250 + 1),
            roles: roles::CHUNK,
            rack: format!("{zone}-rack-{}", at / ZONES % RACKS),
            zone,
            host: format!("store-{at:03}"),
            admin_address: format!("127.201.{}.{}:7101", at / 250, at % 250 + 1),
            ..RegisterNode::default()
        };
        let request = JoinRequest { token: token.to_owned(), node: Some(description), cluster: Bytes::new() };
        let reply = caller.call::<Join>(&request, Instant::now() + PATIENCE).await?;
        let cluster = ClusterId::from_slice(&reply.cluster).ok_or("no id of the cluster")?;
        net.set_identity(cluster, NodeId(reply.node));
        let mut admitted = Vec::new();
        for disk in 0..disks {
            let request = RegisterDisk {
                node: reply.node,
                fingerprint: Bytes::from(format!("disk {at:05} {disk:05}").into_bytes()),
                capacity: CAPACITY,
                path: format!("/srv/disk{disk}"),
                ..RegisterDisk::default()
            };
            let reply = caller.call::<AdmitDisk>(&request, Instant::now() + PATIENCE).await?;
            let reply = reply.into_result()?;
            admitted.push(DiskRef { disk: u32::try_from(reply.id)?, incarnation: reply.incarnation });
        }
        Ok(Self { caller, number: at, node: reply.node, disks: admitted })
    }

    async fn live(self) {
        let began = Instant::now();
        loop {
            let beat = self.beat(began.elapsed());
            if let Err(status) = self.caller.call::<Beat>(&beat, Instant::now() + PATIENCE).await {
                eprintln!("node {}: {status}", self.node);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn beat(&self, since: Duration) -> Heartbeat {
        let report = |(at, disk): (u64, &DiskRef)| {
            // Different from disk to disk, slowly growing, busy in waves.
            let seed = (self.number * 31 + at * 7) % 53;
            let used = CAPACITY / 100 * (20 + seed) + since.as_secs() * (seed << 20);
            let wave = (since.as_secs() / 5 + seed) % 20;
            let sum = |rate: u64| since.as_millis() as u64 * rate / 1_000;
            DiskReport {
                disk: Some(*disk),
                capacity: CAPACITY,
                used,
                free: CAPACITY - used,
                records: used >> 20,
                condition: DiskCondition::Good as i32,
                commit_us: 800 + wave * 50,
                io: Some(DiskIo {
                    read_bytes: sum(seed << 20),
                    write_bytes: sum((53 - seed) << 19),
                    reads: sum(seed),
                    writes: sum(53 - seed),
                    busy_us: sum(seed * 15_000),
                }),
                ..DiskReport::default()
            }
        };
        Heartbeat {
            node: self.node,
            disks: (0..).zip(&self.disks).map(report).collect(),
            map_epoch: u64::MAX,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_ms: since.as_millis() as u64,
            ..Heartbeat::default()
        }
    }
}
