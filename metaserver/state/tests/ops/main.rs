//! Tests of single operations, grouped as `src/ops/` is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod access;
mod acls;
mod audit;
mod buckets;
mod cluster;
mod commit;
mod drafts;
mod files;
mod garbage;
mod joining;
mod listing;
mod locks;
mod moving;
mod objects;
mod opens;
mod placement;
mod procedures;
mod quotas;
mod rename;
mod scrub;
mod sessions;
mod trash;
mod uploads;
mod write;
