//! What a call costs: time and CPU per round trip over loopback, client and server in one process.
//! `cargo run --release -p holdfast-rpc --example cost`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measuring tool")]

use std::time::{Duration, Instant};

use bytes::Bytes;
use holdfast_proto::chunk::{ReadChunk, ReadReply};
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{MapReply, MapRequest};
use holdfast_proto::method::{GetMap, Read};
use holdfast_rpc::{Endpoint, Net, NetConfig, Router, Server, ServerConfig};

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let router = Router::new()
        .on::<GetMap, _, _>(|_, _, _| async { Ok((MapReply::default(), Bytes::new())) })
        .on::<Read, _, _>(|_, _, payload| async { Ok((ReadReply::default(), payload)) });
    let us = NetConfig {
        node: NodeId(1),
        cluster: Some(holdfast_proto::ids::ClusterId([1; 16])),
        ..Default::default()
    };
    let server = Server::bind("127.0.0.1:0", Net::new(us), router, ServerConfig::default()).await.unwrap();
    let net = Net::new(NetConfig::default());
    let to = Endpoint::new(NodeId(1), server.local_addr().to_string());
    println!(
        "{:>9} {:>5} {:>10} {:>12} {:>14}",
        "payload", "calls", "in flight", "us per call", "us CPU per side"
    );
    for (payload, calls, flight) in [
        (0, 20_000, 1),
        (0, 60_000, 16),
        (0, 60_000, 64),
        (65_536, 5_000, 1),
        (65_536, 5_000, 16),
        (1 << 20, 1_000, 4),
    ] {
        let (start, cpu_start) = (Instant::now(), cpu());
        let workers: Vec<_> = (0..flight)
            .map(|_| {
                let (net, to, bytes) = (net.clone(), to.clone(), Bytes::from(vec![1u8; payload]));
                tokio::spawn(async move {
                    for _ in 0..calls / flight {
                        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
                        if payload == 0 {
                            net.call::<GetMap>(&to, &MapRequest::default(), Bytes::new(), deadline)
                                .await
                                .unwrap();
                        } else {
                            net.call::<Read>(&to, &ReadChunk::default(), bytes.clone(), deadline)
                                .await
                                .unwrap();
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        let per = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(calls);
        println!(
            "{payload:>9} {calls:>5} {flight:>10} {:>12.1} {:>14.1}",
            per(start.elapsed()),
            per(cpu() - cpu_start) / 2.0
        );
    }
}
