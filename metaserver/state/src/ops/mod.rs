//! Operations: one file each. Every one takes the change it works on and its message, and answers with a reply or
//! a refusal; [`crate::apply()`] settles chunk references and bounds afterwards.

pub(crate) mod close_session;
pub(crate) mod create_bucket;
pub(crate) mod create_pgs;
pub(crate) mod delete_bucket;
pub(crate) mod delete_key;
pub(crate) mod delete_objects;
pub(crate) mod expire_session;
pub(crate) mod genesis;
pub(crate) mod put_class;
pub(crate) mod put_join_token;
pub(crate) mod put_key;
pub(crate) mod put_object;
pub(crate) mod put_setting;
pub(crate) mod register_disk;
pub(crate) mod register_node;
pub(crate) mod release_inode;
pub(crate) mod renew_grant;

use holdfast_proto::map::StorageClass;
use holdfast_proto::status::Code;

use crate::change::{Change, Stop, require};
use crate::keys;

/// Refuses a storage class that does not exist; 0 means "inherit".
pub(crate) fn check_class(cx: &Change<'_>, class: u32) -> Result<(), Stop> {
    if class == 0 {
        return Ok(());
    }
    let known: Option<StorageClass> = cx.load(&keys::class(class))?;
    require(known.is_some(), Code::InvalidArgument, "there is no such storage class")
}
