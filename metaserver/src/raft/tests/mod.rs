//! Tests of the group: the storage suite, crashes, and small groups over a network in memory that can be cut.

mod apply;
mod cluster;
mod harness;
mod load;
mod log_crash;
mod members;
mod recovery;
mod snapshots;
mod suite;
