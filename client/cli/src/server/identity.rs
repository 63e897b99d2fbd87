//! Who a node is: kept in `identity.toml` in its data directory, written before the node first acts under it.
//!
//! What always holds:
//! - A cluster is made once. The identity of its first node, cluster id and first secrets are durable before the
//!   cluster is made, so that a crash in between is completed at the next start and never makes a second cluster.
//! - A directory that holds anything but no identity is not taken for an empty one.

use std::io;
use std::path::{Path, PathBuf};

use holdfast_admin::password;
use holdfast_proto::ids::{ClusterId, NodeId};
use holdfast_support::crashsafe;
use serde::{Deserialize, Serialize};

use super::secrets;
use crate::failure::{Failure, Outcome};

const IDENTITY: &str = "identity.toml";
const CREDENTIALS: &str = "s3-credentials.toml";
const TOKEN: &str = "join-token";
const ADMIN: &str = "admin-credentials.toml";

/// How far a node is on its way into the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// It shall make a new cluster.
    Genesis,
    /// It has asked to join and has no id yet.
    Joining,
    /// It is a node of the cluster.
    Member,
}

/// See the module's first lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// 32 hexadecimal digits; empty before joining.
    pub(crate) cluster: String,
    /// Node id; 0 before joining.
    pub(crate) node: u64,
    /// Random, in hexadecimal: a node that asks again gets the same id.
    pub(crate) nonce: String,
    /// How far it is.
    pub(crate) stage: Stage,
    /// RPC addresses of metadata servers as last known.
    #[serde(default)]
    pub(crate) metaservers: Vec<String>,
}

/// Access key and secret of a new cluster, as kept in its file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FirstKey {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// Account and password of a new cluster's first administrator, as kept in its file.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FirstAdmin {
    pub(crate) account: String,
    pub(crate) password: String,
}

impl Identity {
    /// What the directory holds; `None` when it is empty.
    pub(crate) fn load(data: &Path) -> Outcome<Option<Self>> {
        let path = data.join(IDENTITY);
        let bytes = crashsafe::read_file(&path).map_err(|error| unusable(&path, "read", &error))?;
        let Some(bytes) = bytes else {
            return match stranger(data)? {
                None => Ok(None),
                Some(name) => Err(Failure::failed(format!(
                    "{} holds {name} but no {IDENTITY}: it is not an empty directory and not one of a node. \
                     Choose another with --data, or restore its identity",
                    data.display()
                ))),
            };
        };
        let text = String::from_utf8_lossy(&bytes);
        let identity: Self = holdfast_support::config::parse(&text, &path.display().to_string())
            .map_err(|error| Failure::failed(error.to_string()))?;
        if identity.stage != Stage::Joining && (identity.cluster_id().is_none() || identity.node == 0) {
            return Err(Failure::failed(format!("{}: cluster id or node id is damaged", path.display())));
        }
        Ok(Some(identity))
    }

    /// A node that shall make a new cluster.
    pub(crate) fn genesis(data: &Path) -> Outcome<Self> {
        let key = FirstKey { access_key: secrets::access_key(), secret_key: secrets::secret_key() };
        let text = toml::to_string(&key).map_err(|error| Failure::failed(error.to_string()))?;
        write_secret(&data.join(CREDENTIALS), &text)?;
        let admin = FirstAdmin { account: "admin".to_owned(), password: password::generated() };
        let text = toml::to_string(&admin).map_err(|error| Failure::failed(error.to_string()))?;
        write_secret(&data.join(ADMIN), &text)?;
        write_secret(&data.join(TOKEN), &format!("{}\n", secrets::join_token()))?;
        let identity = Self {
            cluster: ClusterId(rand::random()).to_string(),
            node: 1,
            nonce: nonce(),
            stage: Stage::Genesis,
            metaservers: Vec::new(),
        };
        identity.save(data)?;
        Ok(identity)
    }

    /// A node that shall join.
    pub(crate) fn joining(data: &Path, metaservers: &[String]) -> Outcome<Self> {
        let identity = Self {
            cluster: String::new(),
            node: 0,
            nonce: nonce(),
            stage: Stage::Joining,
            metaservers: metaservers.to_vec(),
        };
        identity.save(data)?;
        Ok(identity)
    }

    /// Makes it durable.
    pub(crate) fn save(&self, data: &Path) -> Outcome<()> {
        let path = data.join(IDENTITY);
        let text = toml::to_string(self).map_err(|error| Failure::failed(error.to_string()))?;
        crashsafe::write_file(&path, text.as_bytes()).map_err(|error| unusable(&path, "write", &error))
    }

    pub(crate) fn cluster_id(&self) -> Option<ClusterId> {
        ClusterId::parse(&self.cluster)
    }

    pub(crate) fn node_id(&self) -> NodeId {
        NodeId(self.node)
    }

    pub(crate) fn nonce_bytes(&self) -> bytes::Bytes {
        self.nonce.clone().into()
    }
}

fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The first S3 key of a cluster that this node makes.
pub(crate) fn first_key(data: &Path) -> Outcome<FirstKey> {
    let path = credentials_path(data);
    holdfast_support::config::load(&path).map_err(|error| Failure::failed(error.to_string()))
}

/// The first administrator of a cluster that this node makes.
pub(crate) fn first_admin(data: &Path) -> Outcome<FirstAdmin> {
    holdfast_support::config::load(&admin_path(data)).map_err(|error| Failure::failed(error.to_string()))
}

/// Where account and password lie.
pub(crate) fn admin_path(data: &Path) -> PathBuf {
    data.join(ADMIN)
}

/// Where that key lies.
pub(crate) fn credentials_path(data: &Path) -> PathBuf {
    data.join(CREDENTIALS)
}

/// Where the join token of a cluster lies on the node that made it.
pub(crate) fn token_path(data: &Path) -> PathBuf {
    data.join(TOKEN)
}

fn write_secret(path: &Path, content: &str) -> Outcome<()> {
    crashsafe::write_secret_file(path, content.as_bytes()).map_err(|error| unusable(path, "write", &error))
}

/// Something in the directory that an empty one does not have. What a crash before the identity was written leaves
/// behind does not count, nor what the system puts into a fresh file system.
fn stranger(data: &Path) -> Outcome<Option<String>> {
    let entries = std::fs::read_dir(data).map_err(|error| unusable(data, "read", &error))?;
    for entry in entries {
        let name = entry.map_err(|error| unusable(data, "read", &error))?.file_name();
        let name = name.to_string_lossy().into_owned();
        let harmless = [CREDENTIALS, ADMIN, TOKEN, holdfast_support::dirlock::LOCK_FILE, "lost+found"];
        let unfinished = name.ends_with(crashsafe::UNFINISHED);
        if !harmless.contains(&name.as_str()) && !unfinished && !is_empty_directory(&data.join(&name)) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

fn is_empty_directory(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// An error about a file of the data directory, with what to do about it.
pub(crate) fn unusable(path: &Path, verb: &str, error: &io::Error) -> Failure {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => "; give this user the right to, or choose another with --data",
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            "; a file is in the way: choose another directory with --data"
        }
        io::ErrorKind::StorageFull => "; the disk is full",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is mounted read-only",
        _ => "",
    };
    Failure::failed(format!("cannot {verb} {}: {error}{advice}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Identity::load(dir.path()).unwrap(), None);
        let made = Identity::genesis(dir.path()).unwrap();
        assert_eq!(Identity::load(dir.path()).unwrap(), Some(made.clone()));
        assert!(made.cluster_id().is_some());
        assert_eq!(first_key(dir.path()).unwrap().secret_key.len(), 40);
    }

    #[test]
    fn a_crash_before_the_identity_is_an_empty_directory() {
        let dir = tempfile::tempdir().unwrap();
        Identity::genesis(dir.path()).unwrap();
        std::fs::remove_file(dir.path().join(IDENTITY)).unwrap();
        assert_eq!(Identity::load(dir.path()).unwrap(), None);
    }

    #[test]
    fn foreign_files_and_damage_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.doc"), "x").unwrap();
        let failure = Identity::load(dir.path()).unwrap_err();
        assert!(failure.message.contains("thesis.doc"), "{failure}");
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::genesis(dir.path()).unwrap();
        Identity { cluster: "zz".into(), ..identity }.save(dir.path()).unwrap();
        assert!(Identity::load(dir.path()).is_err());
    }
}
