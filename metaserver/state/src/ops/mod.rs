//! Operations: one file each. Every one takes the change it works on and its message, and answers with a reply or
//! a refusal; [`crate::apply()`] settles chunk references, quotas and bounds afterwards.

pub(crate) mod abort_upload;
pub(crate) mod add_missing;
pub(crate) mod advance_gc;
pub(crate) mod assemble_upload;
pub(crate) mod begin_draft;
pub(crate) mod change_pg;
pub(crate) mod clear_leave;
pub(crate) mod clear_missing;
pub(crate) mod close_session;
pub(crate) mod compact;
pub(crate) mod copy_object;
pub(crate) mod copy_part;
pub(crate) mod copy_range;
pub(crate) mod count_uptime;
pub(crate) mod create;
pub(crate) mod create_bucket;
pub(crate) mod create_pgs;
pub(crate) mod create_upload;
pub(crate) mod delete_account;
pub(crate) mod delete_bucket;
pub(crate) mod delete_credential;
pub(crate) mod delete_key;
pub(crate) mod delete_objects;
pub(crate) mod delete_share;
pub(crate) mod drop_draft;
pub(crate) mod empty_trash;
pub(crate) mod expire_session;
pub(crate) mod fill_draft;
pub(crate) mod finish_upload;
pub(crate) mod free_nameless;
pub(crate) mod free_step;
pub(crate) mod free_upload_step;
pub(crate) mod genesis;
pub(crate) mod link;
pub(crate) mod make_dirs;
pub(crate) mod member_clean;
pub(crate) mod note_audit;
pub(crate) mod note_groups;
pub(crate) mod note_usage;
pub(crate) mod order_scrub;
pub(crate) mod put_account;
pub(crate) mod put_class;
pub(crate) mod put_credential;
pub(crate) mod put_join_token;
pub(crate) mod put_key;
pub(crate) mod put_object;
pub(crate) mod put_part;
pub(crate) mod put_setting;
pub(crate) mod put_share;
pub(crate) mod quota_step;
pub(crate) mod register_disk;
pub(crate) mod register_node;
pub(crate) mod release_inode;
pub(crate) mod remove_dir;
pub(crate) mod remove_xattr;
pub(crate) mod rename;
pub(crate) mod renew_grant;
pub(crate) mod restore_file;
pub(crate) mod set_access_times;
pub(crate) mod set_attr;
pub(crate) mod set_disk;
pub(crate) mod set_lock;
pub(crate) mod set_node;
pub(crate) mod set_object_meta;
pub(crate) mod set_pg_state;
pub(crate) mod set_quota;
pub(crate) mod set_trash_time;
pub(crate) mod set_xattr;
pub(crate) mod steer_balance;
pub(crate) mod touch_credential;
pub(crate) mod trim_audit;
pub(crate) mod unlink;
pub(crate) mod write;

use holdfast_proto::map::{Standing, StorageClass};
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

/// Refuses a standing that is not known, and any change of what was removed.
pub(crate) fn check_standing(wanted: i32, old: i32) -> Result<(), Stop> {
    require(Standing::try_from(wanted).is_ok(), Code::InvalidArgument, "this standing is not known")?;
    require(
        old != Standing::Removed as i32 || wanted == old,
        Code::PreconditionFailed,
        "what was removed does not come back; register it anew",
    )
}
