//! In whose name commands go: in any session or in one only, for the client itself or for somebody whom it serves.

use std::sync::Arc;

use holdfast_proto::audit::Actor;
use holdfast_proto::ids::SessionId;

/// See the module's first line.
#[derive(Clone, Default)]
pub(crate) struct Sender {
    /// Commands go in this session or not at all.
    pub(crate) only: Option<SessionId>,
    /// For whom: the audit log says so.
    pub(crate) actor: Option<Arc<Actor>>,
}
