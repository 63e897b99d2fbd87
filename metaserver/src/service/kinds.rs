//! Kinds of commands, for figures: what clients do by name, the rest together.

use holdfast_proto::op::Op;

/// The kind of a command.
pub(super) fn of(op: Option<&Op>) -> &'static str {
    match op {
        Some(Op::Create(_)) => "create",
        Some(Op::Link(_)) => "link",
        Some(Op::Unlink(_)) => "unlink",
        Some(Op::RemoveDir(_)) => "remove_dir",
        Some(Op::Rename(_)) => "rename",
        Some(Op::SetAttr(_) | Op::SetAccessTimes(_)) => "set_attr",
        Some(Op::SetXattr(_) | Op::RemoveXattr(_)) => "set_xattr",
        Some(Op::Write(_)) => "write",
        Some(Op::CopyRange(_) | Op::Compact(_)) => "copy_range",
        Some(Op::BeginDraft(_) | Op::FillDraft(_)) => "draft",
        Some(Op::SetLock(_)) => "set_lock",
        Some(Op::PutObject(_)) => "put_object",
        Some(Op::DeleteObjects(_)) => "delete_objects",
        Some(Op::CopyObject(_)) => "copy_object",
        Some(Op::SetObjectMeta(_)) => "set_object_meta",
        Some(Op::MakeDirs(_)) => "make_dirs",
        Some(Op::CreateBucket(_) | Op::DeleteBucket(_)) => "bucket",
        Some(Op::PutPart(_) | Op::CopyPart(_)) => "put_part",
        Some(Op::CreateUpload(_) | Op::AssembleUpload(_) | Op::FinishUpload(_) | Op::AbortUpload(_)) => {
            "upload"
        }
        Some(
            Op::Noop(_)
            | Op::CloseSession(_)
            | Op::ExpireSession(_)
            | Op::RenewGrant(_)
            | Op::ReleaseInode(_),
        )
        | None => "session",
        Some(_) => "administration",
    }
}
