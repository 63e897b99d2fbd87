//! How a process that has opened a C++ database ends.
//!
//! `exit` runs the destructors of C++'s static objects while other threads still run. RocksDB's background threads
//! and a database that is just being closed then lock mutexes that are gone, and the process dies of SIGABRT after
//! everything went well. What has to be durable is durable long before the end, so those destructors are skipped:
//! the process leaves with its status at once. Called by whoever opens a RocksDB.

use std::sync::Once;

/// From the first call on, the process ends without running static destructors. Must be called after the library
/// made its static objects, because exit handlers run in reverse order: after a database was opened.
pub fn without_static_destructors() {
    static ONCE: Once = Once::new();
    ONCE.call_once(register);
}

#[cfg(target_env = "gnu")]
fn register() {
    use std::ffi::{c_int, c_void};

    unsafe extern "C" {
        // glibc's; the C library's `atexit` does not tell the status.
        fn on_exit(function: extern "C" fn(c_int, *mut c_void), arg: *mut c_void) -> c_int;
    }

    extern "C" fn leave(status: c_int, _: *mut c_void) {
        // SAFETY: ends the process without touching memory; any status is allowed.
        unsafe { libc::_exit(status) }
    }

    // SAFETY: the function has the signature that glibc documents, lives as long as the program, ignores its
    // argument and does not unwind. When there is no memory for the entry, everything stays as it was.
    let _ = unsafe { on_exit(leave, std::ptr::null_mut()) };
}

#[cfg(not(target_env = "gnu"))]
fn register() {}
