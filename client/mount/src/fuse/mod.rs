//! The kernel's requests, translated for [`Fs`](crate::fs::Fs) and back. Nothing is decided here.
//!
//! What always holds: each request is answered once. What needs no wait is answered on the thread that took the
//! request; everything else goes on as a task (`begin.rs`), so that no slow request holds up another. Notifications to the kernel
//! come from a thread that serves no requests: the kernel may answer one only after a request has ended.

mod answers;
mod begin;
mod convert;
mod notify;
mod requests;
mod session;

pub use session::{Mounted, Options, mount};
