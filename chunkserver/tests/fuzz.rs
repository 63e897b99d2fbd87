//! Damaged disks: headers of every kind, and whole segments. What is damaged is refused or skipped; what can still be
//! read is what was written, and nothing panics.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::{content, get, open, put_of, scratch, small};
use holdfast_chunkserver::disk::Disk as _;
use holdfast_chunkserver::disk::mem::MemDisk;
use holdfast_chunkserver::format::record::{Kind, RecordHeader};
use holdfast_chunkserver::format::segment::SegmentHeader;
use holdfast_chunkserver::format::superblock::Superblock;
use holdfast_chunkserver::format::tombstone;
use holdfast_proto::ids::{ChunkId, ClusterId, DiskId, Incarnation, NodeId, PgId};
use holdfast_support::crc::crc32c;

fn record() -> RecordHeader {
    RecordHeader {
        kind: Kind::Chunk,
        chunk: ChunkId::new(3, 77),
        shard: 0,
        payload_bytes: 10_000,
        chunk_bytes: 10_000,
        epoch: 5,
        sequence: 9,
        append: 12,
        stable: 8,
        salt: 0xABCD,
        offset: 8192,
        blake3: Some([7; 32]),
        table_crc: 1,
    }
}

fn superblock() -> Superblock {
    Superblock {
        disk: DiskId(3),
        incarnation: Incarnation(2),
        cluster: ClusterId([7; 16]),
        fingerprint: common::FINGERPRINT,
        node: NodeId(5),
        created: 1_700_000_000,
    }
}

#[test]
fn damaged_headers_are_read_or_refused() {
    let segment =
        SegmentHeader { number: 4, salt: 0xABCD, fingerprint: common::FINGERPRINT, first_sequence: 9 };
    let corpus = vec![
        record().encode().to_vec(),
        segment.encode(),
        superblock().encode().to_vec(),
        tombstone::encode(&[1, 2, u64::MAX]),
    ];
    let mut turn = 0usize;
    holdfast_fuzz::run(corpus, |bytes| {
        let mut bytes = bytes.to_vec();
        turn += 1;
        // Wherever a format keeps its checksum: sometimes the right one stands there.
        let at = (turn / 2) % 128;
        if turn.is_multiple_of(2) && at + 4 <= bytes.len() {
            let crc = crc32c(&bytes[..at]);
            bytes[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        }
        let record = RecordHeader::decode(&bytes, None, 8192);
        if let Ok(record) = &record {
            assert_eq!(RecordHeader::decode(&record.encode(), None, 8192).as_ref(), Ok(record));
            // What follows from it can be computed.
            let _ = record.shape();
        }
        (
            record.map(|record| record.kind as u8).map_err(|fault| fault.to_string()),
            SegmentHeader::decode(&bytes).map(drop).map_err(|fault| fault.to_string()),
            Superblock::decode(&bytes).map(drop).map_err(|fault| fault.to_string()),
            tombstone::decode(&bytes).len().min(8),
        )
    });
}

/// Opens disks whose segments were damaged anywhere, without an index: whatever can be read is right.
#[test]
fn damaged_segments_give_right_bytes_or_none() {
    let disk = MemDisk::new(64 << 20);
    let place = scratch();
    let (store, _) = open(&disk, place.path(), small()).unwrap();
    let written: Vec<Bytes> =
        (1..=12).map(|number| content(number, 300 * number as usize * number as usize)).collect();
    for (number, bytes) in (1..).zip(&written) {
        store.put_blocking(put_of(1, number, 1, bytes)).unwrap();
    }
    store.delete_blocking(PgId(1), 1, vec![3, 5]).unwrap();
    store.close();
    drop(store);
    let names: Vec<String> = disk.list().unwrap().into_iter().map(|listed| listed.name).collect();
    let segments: Vec<Vec<u8>> = names.iter().map(|name| disk.bytes(name).unwrap()).collect();
    let mut at = 0;
    holdfast_fuzz::run(segments.clone(), |damaged| {
        at = (at + 1) % names.len();
        let hurt = MemDisk::new(64 << 20);
        for (number, (name, whole)) in names.iter().zip(&segments).enumerate() {
            let bytes = if number == at { damaged } else { whole };
            let file = hurt.create(name, bytes.len() as u64).unwrap();
            file.write_at(0, &[bytes]).unwrap();
            file.sync().unwrap();
        }
        let place = scratch();
        let Ok((store, _)) = open(&hurt, place.path(), small()) else { return None };
        let mut readable = 0;
        for (number, bytes) in (1..).zip(&written) {
            if let Ok(got) = get(&store, 1, number) {
                assert!(got == *bytes, "chunk {number} is another one");
                readable += 1;
            }
        }
        store.close();
        Some(readable)
    });
}
