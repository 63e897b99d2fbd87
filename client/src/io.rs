//! What this client did for its users: sums that go to the leader with the signs of life, so that the cluster can say how
//! much it is used and how it feels. Background work (a worker's client) is left out.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_proto::session::ClientIo;

/// One kind of work: how often, how much, for how long.
#[derive(Default)]
struct Sum {
    count: AtomicU64,
    bytes: AtomicU64,
    micros: AtomicU64,
}

impl Sum {
    fn add(&self, bytes: usize, took: Duration) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.micros.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    fn read(&self) -> [u64; 3] {
        [&self.count, &self.bytes, &self.micros].map(|sum| sum.load(Ordering::Relaxed))
    }
}

/// See the module's first lines. The parts are read one by one: they may be an operation apart.
#[derive(Default)]
pub(crate) struct Io {
    reads: Sum,
    writes: Sum,
    metas: Sum,
}

impl Io {
    /// A range of a chunk was read and verified, or content came with an answer.
    pub(crate) fn read(&self, bytes: usize, took: Duration) {
        self.reads.add(bytes, took);
    }

    /// A chunk became durable, or content that lies in the metadata.
    pub(crate) fn wrote(&self, bytes: usize, took: Duration) {
        self.writes.add(bytes, took);
    }

    /// The metadata answered.
    pub(crate) fn asked(&self, took: Duration) {
        self.metas.add(0, took);
    }

    /// The sums so far.
    pub(crate) fn sums(&self) -> ClientIo {
        let [reads, read_bytes, read_us] = self.reads.read();
        let [writes, write_bytes, write_us] = self.writes.read();
        let [metas, _, meta_us] = self.metas.read();
        ClientIo { read_bytes, write_bytes, reads, writes, metas, read_us, write_us, meta_us }
    }
}
