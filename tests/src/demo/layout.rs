//! What lies where below the demo's directory, which ports the nodes have, and `demo.json` for scripts.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::addresses::port_near;
use crate::node::{Administrator, Spec};
use crate::s3::Credentials;

/// Nodes of the demo.
pub const NODES: u8 = 3;
/// Disks of each.
pub const DISKS: usize = 2;

/// The demo's directory.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

/// Addresses of one node, chosen at the first start and kept.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ports {
    /// RPC.
    pub rpc: SocketAddr,
    /// S3.
    pub s3: SocketAddr,
    /// Health and metrics.
    pub admin: SocketAddr,
}

/// What scripts read from `demo.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DemoFile {
    /// S3 endpoints, `host:port`.
    pub s3: Vec<String>,
    /// S3 access key.
    pub access_key: String,
    /// S3 secret.
    pub secret_key: String,
    /// S3 region.
    pub region: String,
    /// Dashboard, admin API, health, readiness and metrics of the first node.
    pub admin_url: String,
    /// Administrator's name.
    pub admin_user: String,
    /// Administrator's password, as it was when the cluster was made.
    pub admin_password: String,
    /// Where the file system is mounted; null while there is no mount.
    pub mount: Option<PathBuf>,
    /// The `holdfast` binary that runs.
    pub binary: PathBuf,
    /// The nodes.
    pub nodes: Vec<DemoNode>,
}

/// One node in `demo.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DemoNode {
    /// Node id in the cluster.
    pub id: u64,
    /// Process id.
    pub pid: u32,
    /// Parts it plays.
    pub roles: Vec<String>,
    /// Its directories: metadata, then disks.
    pub data_dirs: Vec<PathBuf>,
}

impl DemoFile {
    /// The keys to the S3 door.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
            region: self.region.clone(),
        }
    }
}

impl Layout {
    /// The demo below `root` (absolute).
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// `.demo`
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Logs of the nodes and of the supervisor.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// Where the namespace is mounted.
    pub fn mount(&self) -> PathBuf {
        self.root.join("mnt")
    }

    /// `demo.json`
    pub fn file(&self) -> PathBuf {
        self.root.join("demo.json")
    }

    /// Held by the supervisor while it runs; its process id is in it.
    pub fn lock(&self) -> PathBuf {
        self.root.join("supervisor.lock")
    }

    /// Files that are generated for loading.
    pub fn scratch(&self) -> PathBuf {
        self.root.join("scratch")
    }

    /// What `demo.json` says; `None` when there is none.
    pub fn read_file(&self) -> Result<Option<DemoFile>> {
        match std::fs::read(self.file()) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes).context("read demo.json")?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).context("read demo.json"),
        }
    }

    /// Replaces `demo.json`, which holds secrets.
    pub fn write_file(&self, file: &DemoFile) -> Result<()> {
        let fresh = self.root.join("demo.json.new");
        let out =
            std::fs::File::options().create(true).write(true).truncate(true).mode(0o600).open(&fresh)?;
        serde_json::to_writer_pretty(&out, file)?;
        out.sync_all()?;
        std::fs::rename(fresh, self.file()).context("write demo.json")
    }

    /// The nodes' ports: those of the last start, or free ones near the usual numbers.
    pub fn ports(&self) -> Result<Vec<Ports>> {
        let path = self.root.join("ports.json");
        if let Ok(bytes) = std::fs::read(&path) {
            return serde_json::from_slice(&bytes).context("read ports.json");
        }
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ports: Vec<Ports> = (0..u16::from(NODES))
            .map(|n| {
                Ok(Ports {
                    rpc: port_near(ip, 7401 + n)?,
                    s3: port_near(ip, 9001 + n)?,
                    admin: port_near(ip, 7481 + n)?,
                })
            })
            .collect::<Result<_>>()?;
        std::fs::write(&path, serde_json::to_vec_pretty(&ports)?).context("write ports.json")?;
        Ok(ports)
    }

    /// The first node's file with the join token.
    pub fn token(&self) -> PathBuf {
        self.root.join("n1/data/join-token")
    }

    /// What each node is made of.
    pub fn specs(&self) -> Result<Vec<Spec>> {
        let ports = self.ports()?;
        let first = ports.first().context("a demo has nodes")?;
        let token = self.token();
        Ok(ports
            .iter()
            .enumerate()
            .map(|(index, ports)| {
                let dir = self.root.join(format!("n{}", index + 1));
                Spec {
                    number: index as u8 + 1,
                    data: dir.join("data"),
                    disks: (0..DISKS).map(|disk| dir.join(format!("disk{disk}"))).collect(),
                    roles: ["meta", "chunk", "gateway", "worker"].map(str::to_owned).to_vec(),
                    rpc: ports.rpc,
                    s3: ports.s3,
                    admin: ports.admin,
                    join: if index == 0 { Vec::new() } else { vec![first.rpc.to_string()] },
                    token: (index > 0).then(|| token.clone()),
                    namespace: None,
                    settings: toml::Table::new(),
                    environment: Vec::new(),
                    log: Some(self.logs().join(format!("n{}.log", index + 1))),
                    dir,
                }
            })
            .collect())
    }

    /// The credentials that the first node made.
    pub fn credentials(&self) -> Result<Credentials> {
        let path = self.root.join("n1/data/s3-credentials.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        toml::from_str(&text).context("read the generated credentials")
    }

    /// The administrator that the first node made.
    pub fn administrator(&self) -> Result<Administrator> {
        Administrator::of(&self.root.join("n1/data"))
    }

    /// RPC addresses of all nodes.
    pub fn addresses(&self) -> Result<String> {
        Ok(self.ports()?.iter().map(|p| p.rpc.to_string()).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path().to_path_buf());
        let first = layout.ports().unwrap();
        assert_eq!(first.len(), usize::from(NODES));
        let again = layout.ports().unwrap();
        assert_eq!(first[2].s3, again[2].s3);
        let specs = layout.specs().unwrap();
        assert!(specs[0].join.is_empty() && !specs[1].join.is_empty());
    }
}
