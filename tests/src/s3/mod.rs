//! A small S3 client, so that the tests decide themselves about connections, retries and time.

mod client;
mod doors;
mod sign;
mod wire;

pub use client::{Answer, Client, Error, Listing, Part};
pub use sign::Credentials;
pub use wire::{Draft, Wire};
