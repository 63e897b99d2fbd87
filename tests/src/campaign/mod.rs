//! The fault campaign: a real cluster under load through every door, one fault or two at once, and then a look at
//! everything that must hold whatever happened.
//!
//! What always holds:
//! - Which faults, whom they hit and how long they last follow from the seed of a scenario, which every failure names.
//!   What the processes make of it is theirs: a seed repeats the provocation, not the interleaving.
//! - A scenario ends with the cluster whole again without anybody's help, or it fails.
//! - At most one fault of a pair destroys data: two are more than the classes promise to bear.
//!
//! The way of a scenario: [`scenario::run`] starts load ([`crate::load`], [`crate::files`], [`registers`]) on a
//! [`bed::Bed`], has [`fault::Fault`] done ([`processes`], [`networks`], [`disks`], [`flips`], [`clocks`], [`operations`],
//! [`upkeep`]) and undone
//! ([`wound::Wound`]), and judges. [`report`] makes the table of what each fault cost its users.
//!
//! Used by `tests/campaign.rs`.

pub mod bed;
pub mod clocks;
pub mod dice;
pub mod disks;
pub mod fault;
pub mod flips;
pub mod networks;
pub mod operations;
pub mod processes;
pub mod registers;
pub mod report;
pub mod scenario;
pub mod upkeep;
pub mod wound;
