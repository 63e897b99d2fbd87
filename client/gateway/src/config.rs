//! Settings of the S3 door, each with a default.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How the S3 door listens and what it allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayConfig {
    /// Address and port to listen on; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Region that signatures must name.
    pub region: String,
    /// Domains under which buckets are host names (`bucket.domain`); empty: path style only.
    pub domains: Vec<String>,
    /// Most connections at once; the next one is answered 503 and closed.
    pub max_connections: usize,
    /// Longest wait for the headers of a request, on a fresh or an idle connection, in milliseconds.
    pub header_timeout_ms: u64,
    /// Longest silence while a body is sent or received, in milliseconds.
    pub idle_timeout_ms: u64,
    /// Bodies that come slower than this on average, in bytes per second, are cut after the grace.
    pub min_body_rate: u64,
    /// How long a body may be slow, in milliseconds.
    pub body_grace_ms: u64,
    /// Most bytes of request line and headers.
    pub max_header_bytes: usize,
    /// Most bytes of an XML body.
    pub max_xml_bytes: u64,
    /// Most bytes of XML bodies in memory at once.
    pub xml_budget_bytes: u64,
    /// Largest object that one PUT or one part may bring, in bytes.
    pub max_put_bytes: u64,
    /// One log line per request.
    pub access_log: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 9000)),
            region: "us-east-1".into(),
            domains: Vec::new(),
            max_connections: 10_000,
            header_timeout_ms: 60_000,
            idle_timeout_ms: 30_000,
            min_body_rate: 1_024,
            body_grace_ms: 30_000,
            max_header_bytes: 32 * 1024,
            max_xml_bytes: 4 << 20,
            xml_budget_bytes: 64 << 20,
            max_put_bytes: 5 << 30,
            access_log: true,
        }
    }
}

impl GatewayConfig {
    /// Says what makes no sense in it.
    pub fn check(&self) -> Result<(), String> {
        let region_fits = |r: &str| {
            !r.is_empty() && r.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !region_fits(&self.region) {
            return Err(format!("region {:?}: only a-z, 0-9 and '-' are allowed", self.region));
        }
        if self.domains.iter().any(|d| d.is_empty() || d.starts_with('.') || d.contains([':', '/'])) {
            return Err("domains: give host names without port, e.g. \"s3.example.com\"".into());
        }
        if self.max_connections == 0 {
            return Err("max_connections must be at least 1".into());
        }
        if !(8 * 1024..=1 << 20).contains(&self.max_header_bytes) {
            return Err("max_header_bytes must be between 8 KiB and 1 MiB".into());
        }
        if self.max_xml_bytes > self.xml_budget_bytes {
            return Err("max_xml_bytes must not be larger than xml_budget_bytes".into());
        }
        if self.header_timeout_ms == 0 || self.idle_timeout_ms == 0 {
            return Err("header_timeout_ms and idle_timeout_ms must be more than 0".into());
        }
        Ok(())
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_make_sense_and_nonsense_is_named() {
        assert_eq!(GatewayConfig::default().check(), Ok(()));
        let bad = |change: fn(&mut GatewayConfig)| {
            let mut config = GatewayConfig::default();
            change(&mut config);
            config.check().is_err()
        };
        assert!(bad(|c| c.region = "US East".into()));
        assert!(bad(|c| c.domains = vec!["a:80".into()]));
        assert!(bad(|c| c.max_connections = 0));
        assert!(bad(|c| c.max_header_bytes = 10));
        assert!(bad(|c| c.max_xml_bytes = 1 << 40));
        assert!(bad(|c| c.idle_timeout_ms = 0));
    }
}
