//! `holdfast mount`: the namespace as a file system that applications use like a local disk.
//!
//! [`fs`] is the file system, without a word about the kernel; [`fuse`] translates between it and the kernel's
//! requests; [`errno`] is the only place where failures become error numbers. What it promises is written in
//! `SEMANTICS.md`.

mod config;
mod disk;
pub mod errno;
pub mod fs;
pub mod fuse;
pub mod stats;

pub use config::{AtimePolicy, MountConfig};
pub use disk::{DiskCacheConfig, cache_folder, clear_other_caches};
