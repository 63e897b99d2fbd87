//! A pool of big reusable buffers. On virtual machines a fresh page costs more than the copy into it, so buffers
//! for chunk bytes are used again instead of being returned to the kernel.
//!
//! What always holds: a buffer has exactly the length asked for; pooled ones begin on a page, so that disks can write
//! them without a copy; its content is whatever its last user left (or
//! zeros), never uninitialised memory. The pool keeps at most its limit of idle bytes, and none of them in a process
//! at rest. Small buffers (below [`SMALLEST_POOLED`]) are left to the allocator.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parking_lot::Mutex;

/// Buffers below this many bytes are not pooled.
pub const SMALLEST_POOLED: usize = 32 * 1024;

/// Where pooled buffers begin: a multiple of this.
const PAGE: usize = 4096;

/// Idle bytes the process-wide pool keeps unless told otherwise.
pub const DEFAULT_IDLE_BYTES: usize = 64 * 1024 * 1024;

static SHARED: LazyLock<BufferPool> = LazyLock::new(|| BufferPool::new(DEFAULT_IDLE_BYTES));

/// The process-wide pool.
pub fn shared() -> &'static BufferPool {
    &SHARED
}

/// Lends buffers and takes them back. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BufferPool {
    inner: Arc<Mutex<Idle>>,
    /// Buffers asked for, small ones too.
    asked: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Idle {
    by_capacity: BTreeMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
    limit: usize,
    rest: Rest,
}

/// See [`BufferPool::rest`].
#[derive(Debug, Default)]
struct Rest {
    /// Buffers that had been asked for at the last look.
    asked: u64,
    /// Whether there was any use since the pool was last emptied for rest.
    used: bool,
}

/// A buffer of exactly the length asked for; goes back to its pool when dropped or when the [`Bytes`] made of it go.
#[derive(Debug)]
pub struct PoolBuffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
    home: Option<BufferPool>,
}

impl BufferPool {
    /// A pool that keeps at most `idle_bytes` of unused buffers.
    pub fn new(idle_bytes: usize) -> Self {
        let idle = Idle { by_capacity: BTreeMap::new(), bytes: 0, limit: idle_bytes, rest: Rest::default() };
        Self { inner: Arc::new(Mutex::new(idle)), asked: Arc::default() }
    }

    /// Changes how many idle bytes are kept; a surplus is freed at once.
    pub fn set_idle_limit(&self, idle_bytes: usize) {
        let mut idle = self.inner.lock();
        idle.limit = idle_bytes;
        while idle.bytes > idle.limit {
            let Some(mut largest) = idle.by_capacity.last_entry() else { break };
            let freed = *largest.key();
            largest.get_mut().pop();
            if largest.get().is_empty() {
                largest.remove();
            }
            idle.bytes = idle.bytes.saturating_sub(freed);
        }
    }

    /// Idle bytes kept now.
    pub fn idle_bytes(&self) -> usize {
        self.inner.lock().bytes
    }

    /// Frees all idle buffers if none was asked for since the last call, once per time of rest; returns whether this
    /// was the moment. Who looks after the process calls it every few seconds.
    pub fn rest(&self) -> bool {
        let asked = self.asked.load(Ordering::Relaxed);
        let freed = {
            let mut idle = self.inner.lock();
            let quiet = idle.rest.asked == asked;
            idle.rest.asked = asked;
            idle.rest.used |= !quiet;
            if !quiet || !idle.rest.used {
                return false;
            }
            idle.rest.used = false;
            idle.bytes = 0;
            std::mem::take(&mut idle.by_capacity)
        };
        // Outside of the lock: it unmaps memory.
        drop(freed);
        true
    }

    /// A buffer of `length` bytes with unspecified content.
    pub fn get(&self, length: usize) -> PoolBuffer {
        if length == 0 {
            // Frames without payload come all the time.
            return PoolBuffer { memory: Vec::new(), start: 0, length, home: None };
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        if length < SMALLEST_POOLED {
            return PoolBuffer { memory: vec![0; length], start: 0, length, home: None };
        }
        let capacity = size_class(length);
        let used = self.inner.lock().pop(capacity);
        let memory = used.unwrap_or_else(|| vec![0; capacity + PAGE]);
        let start = memory.as_ptr().align_offset(PAGE).min(PAGE);
        PoolBuffer { memory, start, length, home: Some(self.clone()) }
    }

    fn put(&self, memory: Vec<u8>) {
        let capacity = memory.len().saturating_sub(PAGE);
        let mut idle = self.inner.lock();
        if idle.bytes + capacity <= idle.limit {
            idle.bytes += capacity;
            idle.by_capacity.entry(capacity).or_default().push(memory);
        }
    }
}

impl Idle {
    fn pop(&mut self, capacity: usize) -> Option<Vec<u8>> {
        let memory = self.by_capacity.get_mut(&capacity)?.pop()?;
        self.bytes -= capacity;
        Some(memory)
    }
}

/// Rounds up to a quarter of the power of two below, so that at most a quarter is wasted.
fn size_class(length: usize) -> usize {
    let step = (1usize << length.max(4).ilog2()) / 4;
    length.div_ceil(step).saturating_mul(step)
}

impl PoolBuffer {
    /// Cuts the buffer to its first `length` bytes; longer than it is: no change.
    pub fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }

    /// Makes it shareable. The memory returns to the pool with the last clone or slice.
    pub fn freeze(self) -> Bytes {
        if self.length == 0 {
            return Bytes::new();
        }
        Bytes::from_owner(self)
    }
}

impl Deref for PoolBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.start..self.start + self.length).unwrap_or_default()
    }
}

impl DerefMut for PoolBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.start..self.start + self.length).unwrap_or_default()
    }
}

impl AsMut<[u8]> for PoolBuffer {
    fn as_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl AsRef<[u8]> for PoolBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for PoolBuffer {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.put(std::mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        let pool = BufferPool::new(1 << 20);
        let mut first = pool.get(100_000);
        first[0] = 9;
        let at = first.as_ptr();
        let bytes = first.freeze();
        let slice = bytes.slice(1..2);
        drop(bytes);
        assert_eq!(pool.idle_bytes(), 0, "a slice is still out");
        drop(slice);
        assert!(pool.idle_bytes() >= 100_000);
        assert_eq!(pool.get(99_000).as_ptr(), at);
        assert_eq!(at.align_offset(PAGE), 0);
    }

    #[test]
    fn keeps_no_more_than_its_limit() {
        let pool = BufferPool::new(150_000);
        drop((pool.get(65_536), pool.get(65_536), pool.get(65_536)));
        assert_eq!(pool.idle_bytes(), 131_072);
        pool.set_idle_limit(70_000);
        assert_eq!(pool.idle_bytes(), 65_536);
        pool.set_idle_limit(0);
        assert_eq!(pool.idle_bytes(), 0);
    }

    #[test]
    fn a_pool_at_rest_is_emptied_once() {
        let pool = BufferPool::new(1 << 20);
        assert!(!pool.rest(), "never used");
        drop(pool.get(100_000));
        assert!(!pool.rest(), "used since the last look");
        assert!(pool.idle_bytes() > 0);
        let out = pool.get(65_536);
        assert!(!pool.rest(), "used again");
        assert!(pool.rest());
        assert_eq!(pool.idle_bytes(), 0);
        assert!(!pool.rest(), "once is enough");
        drop(out);
        assert_eq!(pool.idle_bytes(), 65_536, "what was out comes back");
        drop(pool.get(10));
        assert!(!pool.rest());
        assert!(pool.rest(), "small buffers count as use");
    }

    proptest::proptest! {
        #[test]
        fn lengths_are_exact_and_waste_is_bounded(length in 0usize..10_000_000) {
            let class = size_class(length);
            proptest::prop_assert!(class >= length && class <= length + length / 4 + 4);
            let small = length % 200_000;
            proptest::prop_assert_eq!(BufferPool::new(0).get(small).len(), small);
        }
    }
}
