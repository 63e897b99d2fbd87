//! Who types: the name of the user and of the machine, for the audit log. Nobody checks them: whoever reaches the cluster's
//! own ports may do everything.

use holdfast_admin::Cluster;
use holdfast_proto::audit::{Actor, ActorKind};

use crate::remote::Remote;

/// For the audit log.
pub(super) fn actor() -> Actor {
    let uid = rustix::process::getuid().as_raw();
    let user =
        std::env::var("SUDO_USER").or_else(|_| std::env::var("USER")).ok().filter(|name| !name.is_empty());
    let from = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Actor { kind: ActorKind::CommandLine as i32, name: user.unwrap_or_else(|| format!("uid {uid}")), from }
}

/// What the admin API works with, for this user.
pub(super) fn cluster(remote: &Remote) -> Cluster {
    remote.admin(actor())
}
