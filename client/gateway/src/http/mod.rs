//! HTTP: connections with limits, and what happens to every request whatever it asks for.

pub(crate) mod envelope;
pub(crate) mod listener;
mod outbound;
pub(crate) mod service;
mod stall;
pub(crate) mod target;
