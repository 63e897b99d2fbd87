//! How the process deals with the C library's heap, on which both Rust and RocksDB allocate.
//!
//! glibc makes up to eight heaps per core and gives memory back only from a heap's end: a node with many threads
//! that was busy once would keep several times what it uses. So there are no more heaps than cores, big blocks are
//! mapped one by one, and a node that came to rest returns what is free.

use crate::buffers;

/// Blocks from this size on are mapped one by one. Fixed, because glibc otherwise raises it to 32 MiB as soon as such
/// a block was freed, and buffers of megabytes then hold heaps open.
#[cfg(target_env = "gnu")]
const MAPPED_FROM: std::ffi::c_int = 1 << 20;

/// A heap gives its end back only beyond this much, so that busy nodes do not fault the same pages in again and again;
/// at rest all of it goes.
#[cfg(target_env = "gnu")]
const KEPT_AT_TOP: std::ffi::c_int = 16 << 20;

/// Sets the heap up. Call it first in `main`, before there are threads.
pub fn configure() {
    #[cfg(target_env = "gnu")]
    {
        let cores = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 64);
        // SAFETY: only sets numbers within the allocator; a refusal leaves its defaults.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, cores as std::ffi::c_int);
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_FROM);
            libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_AT_TOP);
        }
    }
}

/// Call it every few seconds. If no pooled buffer was asked for since the last call, the pool is emptied and free
/// memory goes back to the system, once; returns whether that was done now.
pub fn rest() -> bool {
    if !buffers::shared().rest() {
        return false;
    }
    #[cfg(target_env = "gnu")]
    // SAFETY: gives pages back that hold no allocation; takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
    true
}
