//! Ties a directory to one member: a node id is never served from another member's files.

use std::path::Path;

use holdfast_proto::ids::NodeId;

use super::error::MetaError;
use crate::store::dirs;

/// Writes the node id into a fresh directory, or checks the one that is there.
pub(crate) fn check(dir: &Path, node: NodeId) -> Result<(), MetaError> {
    let path = dir.join("MEMBER");
    let text = format!("{}\n", node.0);
    match std::fs::read_to_string(&path) {
        Ok(there) if there == text => Ok(()),
        Ok(there) => Err(MetaError::Refused(format!(
            "{} belongs to member n{}, not to {node}",
            dir.display(),
            there.trim_end()
        ))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => dirs::replace_file(&path, text.as_bytes()),
        Err(e) => Err(MetaError::io(format!("read {}", path.display()), e)),
    }
}
