//! A small S3 client, so that the tests decide themselves about connections, retries and time.

mod client;
mod sign;

pub use client::{Answer, Client, Error, Listing, Part};
pub use sign::Credentials;
