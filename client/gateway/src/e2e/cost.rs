//! What a request costs the door in CPU time, the store behind it being a map: run with `--ignored --nocapture`.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::World;

const REQUESTS: usize = 20_000;

/// CPU time used so far by the threads of the door's own runtime.
fn door_cpu() -> Duration {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let Some((head, rest)) = stat.rsplit_once(')') else { continue };
        if head.contains("(door") {
            let fields: Vec<&str> = rest.split_whitespace().collect();
            ticks += fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
    }
    // Linux counts in hundredths of a second here.
    Duration::from_millis(ticks * 10)
}

async fn read_answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    loop {
        socket.read_buf(buffer).await.unwrap();
        let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length =
            head.lines().find_map(|l| l.strip_prefix("content-length: ")).map_or(0, |l| l.parse().unwrap());
        while buffer.len() < end + 4 + length {
            socket.read_buf(buffer).await.unwrap();
        }
        return;
    }
}

#[test]
#[ignore = "measures, on an idle machine"]
fn what_small_requests_cost() {
    let door = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("door")
        .enable_all()
        .build()
        .unwrap();
    let world = door.block_on(async { tokio::spawn(World::start()).await.unwrap() });
    let client = world.client();
    let user = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wire = |call: super::client::Call| {
        String::from_utf8(call.signed().wire()).unwrap().replace("connection: close\r\n", "").into_bytes()
    };
    let body = [b'7'; 4096];
    for (name, wire) in [
        ("PUT 4 KiB", wire(client.put("/bucket/k", &body))),
        ("GET 4 KiB", wire(client.get("/bucket/k"))),
        ("HEAD bucket", wire(client.call(http::Method::HEAD, "/bucket")).to_vec()),
    ] {
        let (before, began) = (door_cpu(), Instant::now());
        user.block_on(async {
            let mut socket = TcpStream::connect(client.address).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let mut buffer = Vec::new();
            for _ in 0..REQUESTS {
                socket.write_all(&wire).await.unwrap();
                read_answer(&mut socket, &mut buffer).await;
            }
        });
        let cpu = (door_cpu() - before).as_secs_f64() * 1e6 / REQUESTS as f64;
        let wall = began.elapsed().as_secs_f64() * 1e6 / REQUESTS as f64;
        println!("{name}: {cpu:.1} us of CPU in the door, {wall:.1} us from end to end");
    }
    door.block_on(world.stop());
}
