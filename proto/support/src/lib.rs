//! What every process of the store needs and no library offers ready-made: durable files, checksums, pooled
//! buffers, byte budgets, configuration files, telemetry, orderly shutdown.
//!
//! What always holds: nothing here knows a Holdfast message or a socket. Files become durable through
//! [`crashsafe`] and nowhere else; whoever holds payload in memory holds a permit of a [`budget`].

pub mod budget;
pub mod buffers;
pub mod clock;
pub mod config;
pub mod crashsafe;
pub mod crc;
pub mod dirlock;
pub mod leave;
pub mod memory;
pub mod process;
pub mod recent;
pub mod shown;
pub mod shutdown;
pub mod telemetry;
