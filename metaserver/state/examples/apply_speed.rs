//! How long one command takes to apply, over a table in memory. Run with
//! `cargo run --release -p holdfast-state --example apply_speed`.

use std::time::Instant;

use bytes::Bytes;
use holdfast_proto::ids::LogIndex;
use holdfast_proto::inode::Content;
use holdfast_proto::map::Redundancy;
use holdfast_proto::op::{Command, CreateBucket, Genesis, Noop, Op, PutClass, PutObject, RegisterNode};
use holdfast_proto::query::{ListObjects, Query, QueryRequest};
use holdfast_proto::session::OpenSession;
use holdfast_state::{Broken, MemTable, Overlay, apply, query};

const OBJECTS: u64 = 200_000;
const BATCH: usize = 64;

fn main() -> Result<(), Broken> {
    let mut table = MemTable::new();
    let mut log: Vec<Command> = vec![genesis(), open(), bucket()];
    run(&mut table, 1, &log)?;
    log.clear();
    for n in 0..OBJECTS {
        log.push(put(n));
    }
    let begin = Instant::now();
    let changes = run(&mut table, 4, &log)?;
    let each = begin.elapsed().as_nanos() as u64 / OBJECTS;
    println!(
        "put of an inline object: {each} ns, {:.1} changed keys each (batches of {BATCH})",
        changes as f64 / OBJECTS as f64
    );
    list(&table, "", "first page of 1,000 keys")?;
    list(&table, "d150/000150000", "page in the middle")
}

fn run(table: &mut MemTable, first: u64, log: &[Command]) -> Result<usize, Broken> {
    let (mut index, mut changed) = (first, 0);
    for batch in log.chunks(BATCH) {
        let mut overlay = Overlay::new(table);
        for command in batch {
            let reply = apply(&mut overlay, LogIndex(index), command)?;
            if let Some(status) = reply.status {
                println!("refused: {status}");
            }
            index += 1;
        }
        changed += overlay.len();
        let changes: Vec<_> = overlay.into_changes().collect();
        table.write(changes);
    }
    Ok(changed)
}

fn list(table: &MemTable, after: &str, what: &str) -> Result<(), Broken> {
    let ask = ListObjects {
        bucket: "bench".into(),
        after: after.to_owned().into(),
        most: 1000,
        ..ListObjects::default()
    };
    let request = QueryRequest { session: 0, lease: false, query: Some(Query::ListObjects(ask)) };
    let begin = Instant::now();
    let reply = query(table, LogIndex(0), &request)?;
    println!("{what}: {} entries in {} us", reply.entries.len(), begin.elapsed().as_micros());
    Ok(())
}

fn genesis() -> Command {
    let node = RegisterNode {
        nonce: Bytes::from_static(&[1; 16]),
        address: "localhost:1".into(),
        ..RegisterNode::default()
    };
    let class = PutClass {
        name: "standard".into(),
        redundancy: Some(Redundancy::replicated(1, 1)),
        inline_limit: 4096,
        chunk_bytes: 8 << 20,
        ..PutClass::default()
    };
    let genesis = Genesis {
        cluster: Bytes::from_static(&[1; 16]),
        node: Some(node),
        class: Some(class),
        state_version: 1,
        ..Genesis::default()
    };
    Command { op: Some(Op::Genesis(genesis)), ..Command::default() }
}

fn open() -> Command {
    let open = Some(OpenSession { grant: true, ..OpenSession::default() });
    Command { session: 7, seq: 1, open, op: Some(Op::Noop(Noop {})), ..Command::default() }
}

fn bucket() -> Command {
    let op = CreateBucket { name: "bench".into(), ..CreateBucket::default() };
    Command { session: 7, seq: 2, op: Some(Op::CreateBucket(op)), ..Command::default() }
}

fn put(n: u64) -> Command {
    let content = Content { size: 1024, inline: Some(Bytes::from_static(&[5; 1024])), ..Content::default() };
    let op = PutObject {
        bucket: "bench".into(),
        key: format!("d{}/{n:09}", n / 1000).into(),
        content: Some(content),
        ..PutObject::default()
    };
    let seq = n + 3;
    let lowest_unanswered = seq.saturating_sub(32);
    Command { session: 7, seq, lowest_unanswered, op: Some(Op::PutObject(op)), ..Command::default() }
}
