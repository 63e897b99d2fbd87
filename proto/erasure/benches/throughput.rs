//! Encoding and decoding through this crate beside the library's own calls on the same buffers: what striping, copying and
//! bookkeeping cost. `cargo bench -p holdfast-erasure`; prints MiB of chunk content per second of one core.

#![allow(clippy::unwrap_used, reason = "a program for people")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use holdfast_erasure::Codec;
use holdfast_proto::geometry::Geometry;
use reed_solomon_erasure::galois_8::ReedSolomon;

const CHUNK: usize = 8 << 20;
const CELL: usize = 256 << 10;
const TIME: Duration = Duration::from_millis(700);

/// MiB of a chunk per second: the best of a few rounds, since others use this machine as well.
fn rate(mut work: impl FnMut()) -> f64 {
    work();
    let (begun, mut best) = (Instant::now(), Duration::MAX);
    while begun.elapsed() < TIME {
        let round = Instant::now();
        work();
        best = best.min(round.elapsed());
    }
    (CHUNK >> 20) as f64 / best.as_secs_f64()
}

fn main() {
    let chunk: Vec<u8> = (0..CHUNK).map(|at| (at * 31 + at / 253) as u8).collect();
    println!(
        "{:>6} {:>14} {:>14} {:>6}  {:>14} {:>14} {:>6}",
        "", "encode", "library", "", "decode 1", "library", ""
    );
    for (data, parity) in [(2, 1), (4, 2), (8, 3)] {
        let geometry = Geometry { data, parity, cell_bytes: CELL as u64 };
        let codec = Codec::new(geometry).unwrap();
        let library = ReedSolomon::new(data as usize, parity as usize).unwrap();
        let mut shards: Vec<Vec<u8>> = codec.encode(&chunk).unwrap();
        let ours = rate(|| codec.encode_into(black_box(&chunk), &mut shards).unwrap());
        let mut plain = shards.clone();
        let theirs = rate(|| library.encode(black_box(&mut plain)).unwrap());
        let mut holes: Vec<Option<Vec<u8>>> = shards.iter().cloned().map(Some).collect();
        let rebuilt = rate(|| {
            holes[0] = None;
            codec.rebuild(CHUNK as u64, black_box(&mut holes)).unwrap();
        });
        let own = rate(|| {
            holes[0] = None;
            library.reconstruct(black_box(&mut holes)).unwrap();
        });
        println!(
            "{data:>3}+{parity:<2} {ours:>10.0} MiB {theirs:>10.0} MiB {:>5.0}%  {rebuilt:>10.0} MiB {own:>10.0} MiB {:>5.0}%",
            100.0 * ours / theirs,
            100.0 * rebuilt / own
        );
    }
}
