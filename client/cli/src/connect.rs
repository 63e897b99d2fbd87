//! How a command finds its cluster: flag, environment, or the first configuration file there is.
//!
//! Order: `--cluster` or `HOLDFAST_CLUSTER`; `--client-config` or `HOLDFAST_CLIENT_CONFIG`;
//! `~/.config/holdfast/client.toml`; `./holdfast-data/client.toml` (a server started here);
//! `/var/lib/holdfast/client.toml` (a server installed here).

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, Outcome};

/// Flags that every command which talks to a cluster takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConnectArgs {
    /// Metadata servers, `host:port` separated by commas; one that answers is enough
    #[arg(
        long,
        short = 'C',
        env = "HOLDFAST_CLUSTER",
        value_delimiter = ',',
        global = true,
        value_name = "HOST:PORT,…"
    )]
    pub(crate) cluster: Vec<String>,

    /// File with `cluster = ["host:port", …]`
    #[arg(long, env = "HOLDFAST_CLIENT_CONFIG", global = true, value_name = "FILE")]
    pub(crate) client_config: Option<PathBuf>,

    /// Longest time one operation may take, with all its retries, in seconds
    #[arg(long, env = "HOLDFAST_TIMEOUT", default_value_t = 30.0, global = true, value_name = "SECONDS")]
    pub(crate) timeout: f64,
}

/// What a client has to know of its cluster. Written by a server into its data directory as `client.toml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientFile {
    /// RPC addresses of metadata servers.
    pub(crate) cluster: Vec<String>,
}

/// Name of that file.
pub(crate) const CLIENT_FILE: &str = "client.toml";

/// Where to connect to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) metaservers: Vec<String>,
    pub(crate) timeout: Duration,
}

impl ConnectArgs {
    /// Finds the cluster.
    pub(crate) fn target(&self) -> Outcome<Target> {
        let timeout = Duration::try_from_secs_f64(self.timeout)
            .ok()
            .filter(|t| !t.is_zero())
            .ok_or_else(|| Failure::usage("--timeout must be a positive number of seconds"))?;
        let metaservers = self.metaservers()?;
        for address in &metaservers {
            check_address(address)?;
        }
        Ok(Target { metaservers, timeout })
    }

    fn metaservers(&self) -> Outcome<Vec<String>> {
        let given: Vec<String> =
            self.cluster.iter().map(|a| a.trim().to_owned()).filter(|a| !a.is_empty()).collect();
        if !given.is_empty() {
            return Ok(given);
        }
        if let Some(path) = &self.client_config {
            return read(path);
        }
        let places = usual_places();
        match places.iter().find(|path| path.exists()) {
            Some(path) => read(path),
            None => Err(Failure::usage(format!(
                "which cluster? Give --cluster host:port or set HOLDFAST_CLUSTER (looked for {})",
                places.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

/// Where a client file may lie.
fn usual_places() -> Vec<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".config")));
    config
        .map(|dir| dir.join("holdfast").join(CLIENT_FILE))
        .into_iter()
        .chain([
            Path::new("holdfast-data").join(CLIENT_FILE),
            Path::new("/var/lib/holdfast").join(CLIENT_FILE),
        ])
        .collect()
}

fn read(path: &Path) -> Outcome<Vec<String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
    let file: ClientFile = toml::from_str(&text)
        .map_err(|error| Failure::usage(format!("{}: {}", path.display(), error.to_string().trim_end())))?;
    if file.cluster.is_empty() {
        return Err(Failure::usage(format!("{}: `cluster` names no server", path.display())));
    }
    Ok(file.cluster)
}

/// Refuses what cannot be `host:port`.
pub(crate) fn check_address(address: &str) -> Outcome<()> {
    let complain =
        || Failure::usage(format!("'{address}' is not an address: write host:port, like 10.0.0.1:7400"));
    let (host, port) = address.rsplit_once(':').ok_or_else(complain)?;
    if host.is_empty() || (host.contains(':') && !(host.starts_with('[') && host.ends_with(']'))) {
        return Err(complain());
    }
    port.parse::<u16>().map_err(|_| complain())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["10.0.0.1:7400", "meta-1.example:1", "[::1]:7400"] {
            check_address(good).unwrap();
        }
        for bad in ["10.0.0.1", ":7400", "host:", "host:99999", "::1:7400"] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_file_names_its_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CLIENT_FILE);
        std::fs::write(&path, "clutser = [\"a:1\"]\n").unwrap();
        let failure = read(&path).unwrap_err();
        assert!(failure.message.contains("clutser") && failure.message.contains('1'), "{failure}");
    }
}
