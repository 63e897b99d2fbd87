//! What of a command goes into the audit log: a stable name of what it does, to what, and the values that matter.
//!
//! What always holds: [`administration`] has no catch-all, so a new operation asks for a decision. Secrets and their digests are left
//! out. It is asked after the operation was carried out, and looks at how things were before.

use bytes::Bytes;
use holdfast_proto::access::{Credential, CredentialKind, Role, Share};
use holdfast_proto::audit::AuditKind;
use holdfast_proto::ids::ROOT_INO;
use holdfast_proto::inode::{Inode, KeyValue};
use holdfast_proto::map::{Disk, Node, Standing, StorageClass};
use holdfast_proto::op::{
    Balance, BalanceAction, KeyRule, Op, PutAccount, PutClass, PutKey, SetDisk, SetNode, SteerBalance,
};

use crate::change::{Change, Stop};
use crate::keys;
use crate::records::{self, DiskLife, Id, Setting, Trashed, Upload};
use crate::table::{Broken, View};

/// Longest path that is put together.
const MOST_PATH: usize = 1024;

/// What an entry says beside who, when and whether it was refused.
pub(crate) struct Subject {
    pub(crate) kind: AuditKind,
    pub(crate) action: String,
    pub(crate) target: String,
    pub(crate) details: Vec<KeyValue>,
}

fn change(action: &str, target: impl Into<String>) -> Subject {
    Subject { kind: AuditKind::Change, action: action.into(), target: target.into(), details: Vec::new() }
}

impl Subject {
    fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.details.push(KeyValue { key: key.into(), value: value.to_string() });
        self
    }

    fn with_some(self, key: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }
}

/// What to note of a command; `None`: nothing. `by_itself`: the leader does it of its own accord; `for_somebody`: on behalf
/// of an account, so that everything is noted that changes anything.
pub(crate) fn of(
    cx: &Change<'_>,
    op: &Op,
    by_itself: bool,
    for_somebody: bool,
) -> Result<Option<Subject>, Stop> {
    if by_itself {
        return Ok(event(cx, op)?);
    }
    if let Some(subject) = administration(cx, op)? {
        return Ok(Some(subject));
    }
    if for_somebody { Ok(files(cx, op)?) } else { Ok(None) }
}

/// What the leader decides of its own accord, and what joins.
fn event(cx: &Change<'_>, op: &Op) -> Result<Option<Subject>, Broken> {
    let base = cx.base();
    let subject = match op {
        Op::SetNode(op) => set_node(base, op)?,
        Op::SetDisk(op) => set_disk(base, op)?,
        Op::PutClass(op) => Some(put_class(base, op)?),
        Op::SteerBalance(op) => steer(base, op)?,
        Op::RegisterNode(op) => {
            let known: Option<Id> = records::load(base, &keys::nonce(&op.nonce))?;
            known.is_none().then(|| change("node.join", "").with("address", &op.address))
        }
        Op::RegisterDisk(op) => {
            let known: Option<DiskLife> = records::load(base, &keys::fingerprint(&op.fingerprint))?;
            let action = if op.replaces == 0 { "disk.add" } else { "disk.replaced" };
            known.is_none().then(|| {
                let subject = change(action, "").with("node", op.node).with("path", &op.path);
                subject.with("capacity", op.capacity)
            })
        }
        Op::Genesis(_) => Some(change("cluster.create", "")),
        Op::TrimAudit(op) => {
            let was: Option<holdfast_proto::audit::AuditEnds> = records::load(base, &keys::audit_ends())?;
            let now: Option<holdfast_proto::audit::AuditEnds> =
                records::load(cx.view(), &keys::audit_ends())?;
            let (was, now) = (was.unwrap_or_default().trimmed, now.unwrap_or_default().trimmed);
            (now > was).then(|| {
                change("audit.trim", "").with("from", was + 1).with("to", now).with("before_s", op.before_s)
            })
        }
        _ => None,
    };
    Ok(subject.map(|subject| Subject { kind: AuditKind::Event, ..subject }))
}

/// What administers the cluster, whoever does it.
fn administration(cx: &Change<'_>, op: &Op) -> Result<Option<Subject>, Broken> {
    let base = cx.base();
    Ok(match op {
        Op::SetNode(op) => set_node(base, op)?,
        Op::SetDisk(op) => set_disk(base, op)?,
        Op::PutClass(op) => Some(put_class(base, op)?),
        Op::PutKey(op) => Some(put_key(base, op)?),
        Op::DeleteKey(op) => Some(change("key.delete", &op.access_key)),
        Op::PutSetting(op) => {
            let was: Option<Setting> = records::load(base, &keys::setting(&op.name))?;
            let subject = change("setting.change", &op.name).with("value", &op.value);
            Some(subject.with_some("before", was.map(|was| was.value)))
        }
        Op::PutJoinToken(op) => {
            Some(change(if op.digest.is_empty() { "join_token.delete" } else { "join_token.create" }, ""))
        }
        Op::SteerBalance(op) => steer(base, op)?,
        Op::OrderScrub(op) => {
            let disks: Vec<String> = op.disks.iter().take(50).map(|disk| format!("d{}", disk.disk)).collect();
            Some(change("scrub.start", disks.join(" ")).with("disks", op.disks.len()))
        }
        Op::SetQuota(op) => {
            Some(change("quota.set", path_of(base, op.ino)?).with("bytes", op.bytes).with("files", op.files))
        }
        Op::SetTrashTime(op) => {
            Some(change("trash.keep", path_of(base, op.ino)?).with_some("seconds", op.seconds))
        }
        Op::RestoreFile(op) => {
            let item = op.item.unwrap_or_default();
            let was = trashed(base, item.ino)?;
            let subject = change("trash.restore", was).with("ino", item.ino);
            Some(if op.path.is_empty() { subject } else { subject.with("to", text(&op.path)) })
        }
        Op::EmptyTrash(op) => {
            let first = op.items.first().map(|item| trashed(base, item.ino)).transpose()?;
            Some(change("trash.delete", first.unwrap_or_default()).with("files", op.items.len()))
        }
        Op::CreateBucket(op) => Some(change("bucket.create", &op.name).with("owner", &op.owner)),
        Op::DeleteBucket(op) => Some(change("bucket.delete", &op.name)),
        Op::SetAttr(op) if op.class.is_some() => {
            Some(change("file.class", path_of(base, op.ino)?).with("class", op.class.unwrap_or_default()))
        }
        Op::PutAccount(op) => Some(put_account(op)),
        Op::DeleteAccount(op) => Some(change("account.delete", &op.name)),
        Op::PutCredential(op) => op.credential.as_ref().map(credential),
        Op::DeleteCredential(op) if !op.expired => {
            let was: Option<Credential> = records::load(base, &keys::credential(&op.account, &op.digest))?;
            Some(match was.map(|was| (was.kind(), was.description)) {
                Some((CredentialKind::Token, what)) => {
                    change("token.delete", &op.account).with("description", what)
                }
                _ => Subject { kind: AuditKind::Access, ..change("logout", &op.account) },
            })
        }
        Op::PutShare(op) => op
            .share
            .as_ref()
            .map(|share| change("share.create", share_path(share)).with("seconds", op.lasts_s)),
        Op::DeleteShare(op) if !op.expired => {
            let was: Option<Share> = records::load(base, &keys::share(&op.digest))?;
            Some(change("share.delete", was.as_ref().map(share_path).unwrap_or_default()))
        }
        // Beginnings that the leader makes for clients, what notes itself, what says nothing, and files.
        Op::DeleteCredential(_)
        | Op::DeleteShare(_)
        | Op::TouchCredential(_)
        | Op::NoteAudit(_)
        | Op::TrimAudit(_)
        | Op::NoteUsage(_)
        | Op::Noop(_)
        | Op::CloseSession(_)
        | Op::ExpireSession(_)
        | Op::RenewGrant(_)
        | Op::ReleaseInode(_)
        | Op::RegisterNode(_)
        | Op::RegisterDisk(_)
        | Op::CreatePgs(_)
        | Op::ChangePg(_)
        | Op::SetPgState(_)
        | Op::MemberClean(_)
        | Op::ClearMissing(_)
        | Op::AddMissing(_)
        | Op::AdvanceGc(_)
        | Op::FreeStep(_)
        | Op::FreeUploadStep(_)
        | Op::Genesis(_)
        | Op::ClearLeave(_)
        | Op::DropDraft(_)
        | Op::CountUptime(_)
        | Op::FreeNameless(_)
        | Op::NoteGroups(_)
        | Op::QuotaStep(_)
        | Op::Create(_)
        | Op::Link(_)
        | Op::Unlink(_)
        | Op::RemoveDir(_)
        | Op::Rename(_)
        | Op::SetAttr(_)
        | Op::SetXattr(_)
        | Op::RemoveXattr(_)
        | Op::Write(_)
        | Op::CopyRange(_)
        | Op::Compact(_)
        | Op::BeginDraft(_)
        | Op::FillDraft(_)
        | Op::SetLock(_)
        | Op::SetAccessTimes(_)
        | Op::PutObject(_)
        | Op::DeleteObjects(_)
        | Op::CopyObject(_)
        | Op::MakeDirs(_)
        | Op::SetObjectMeta(_)
        | Op::CreateUpload(_)
        | Op::PutPart(_)
        | Op::CopyPart(_)
        | Op::AssembleUpload(_)
        | Op::FinishUpload(_)
        | Op::AbortUpload(_) => None,
    })
}

/// What somebody does with files. Steps of something longer are left out: its end is noted.
fn files(cx: &Change<'_>, op: &Op) -> Result<Option<Subject>, Broken> {
    let base = cx.base();
    let named = |dir: u64, name: &[u8]| -> Result<String, Broken> {
        let dir = path_of(base, dir)?;
        Ok(format!("{}/{}", dir.trim_end_matches('/'), text(name)))
    };
    Ok(match op {
        Op::PutObject(op) => {
            let size = op.content.as_ref().map(|content| content.size);
            Some(change("file.write", object(&op.bucket, &op.key)).with_some("size", size))
        }
        Op::DeleteObjects(op) => {
            let first = op.keys.first().map(|key| object(&op.bucket, key));
            Some(change("file.delete", first.unwrap_or_default()).with("files", op.keys.len()))
        }
        Op::CopyObject(op) => Some(
            change("file.copy", object(&op.bucket, &op.key))
                .with("from", object(&op.source_bucket, &op.source_key)),
        ),
        Op::SetObjectMeta(op) => Some(change("file.tags", object(&op.bucket, &op.key))),
        Op::MakeDirs(op) => Some(change("directory.create", text(&op.path))),
        Op::Create(op) => Some(change("file.create", named(op.parent, &op.name)?)),
        Op::Link(op) => Some(change("file.link", named(op.parent, &op.name)?).with("ino", op.ino)),
        Op::Unlink(op) => Some(change("file.delete", named(op.parent, &op.name)?)),
        Op::RemoveDir(op) => Some(change("directory.delete", named(op.parent, &op.name)?)),
        Op::Rename(op) => Some(
            change("file.move", named(op.new_parent, &op.new_name)?)
                .with("from", named(op.parent, &op.name)?),
        ),
        Op::SetAttr(op) => Some(change("file.attributes", path_of(base, op.ino)?).with("ino", op.ino)),
        Op::SetXattr(op) => Some(change("file.attributes", "").with("ino", op.ino)),
        Op::RemoveXattr(op) => Some(change("file.attributes", "").with("ino", op.ino)),
        Op::Write(op) => Some(change("file.write", "").with("ino", op.ino)),
        Op::CopyRange(op) => Some(change("file.write", "").with("ino", op.target)),
        Op::FinishUpload(op) => {
            let upload: Option<Upload> = records::load(base, &keys::upload(op.upload))?;
            let about = upload.and_then(|upload| upload.about).unwrap_or_default();
            Some(change("file.write", object(&about.bucket, &about.key)).with("upload", op.upload))
        }
        _ => None,
    })
}

fn standing_action(standing: i32) -> &'static str {
    match Standing::try_from(standing) {
        Ok(Standing::In) => "resume",
        Ok(Standing::Draining) => "drain",
        Ok(Standing::Out) => "out",
        Ok(Standing::Removed) => "remove",
        Ok(Standing::Maintenance) => "maintenance",
        Err(_) => "standing",
    }
}

fn set_node(base: &dyn View, op: &SetNode) -> Result<Option<Subject>, Broken> {
    let was: Option<Node> = records::load(base, &keys::node(op.id))?;
    let name = format!("n{}", op.id);
    let subject = match op.standing {
        Some(standing) => {
            let subject = change(&format!("node.{}", standing_action(standing)), name);
            if op.window_s > 0 { subject.with("seconds", op.window_s) } else { subject }
        }
        None => change("node.labels", name),
    };
    let labels = [("zone", &op.zone), ("rack", &op.rack), ("host", &op.host)];
    let mut subject = labels.into_iter().fold(subject, |s, (key, value)| s.with_some(key, value.as_ref()));
    if let Some(was) = was.filter(|_| op.standing.is_none()) {
        subject = subject.with("before", format!("{}/{}/{}", was.zone, was.rack, was.host));
    }
    Ok(Some(subject))
}

fn set_disk(base: &dyn View, op: &SetDisk) -> Result<Option<Subject>, Broken> {
    let was: Option<Disk> = records::load(base, &keys::disk(op.id))?;
    let name = format!("d{}", op.id);
    let mut subject = match (op.lost, op.replaced, op.standing) {
        (Some(true), ..) => change("disk.replace", name),
        (_, true, _) => change("disk.refilled", name),
        (_, _, Some(standing)) => change(&format!("disk.{}", standing_action(standing)), name),
        _ => change("disk.change", name),
    };
    let thousandths = |weight: u32| format!("{:.3}", f64::from(weight) / 1000.0);
    subject = subject.with_some("weight", op.weight.map(thousandths)).with_some("capacity", op.capacity);
    if let Some(was) = &was {
        subject = subject.with("node", was.node);
        if op.weight.is_some() {
            subject = subject.with("before", thousandths(was.weight));
        }
    }
    Ok(Some(subject))
}

fn put_class(base: &dyn View, op: &PutClass) -> Result<Subject, Broken> {
    let was: Option<StorageClass> = records::load(base, &keys::class(op.id))?;
    let subject = match was {
        Some(_) => change("class.change", &op.name),
        None => change("class.create", &op.name),
    };
    use holdfast_proto::map::redundancy::Kind;
    Ok(match op.redundancy.and_then(|redundancy| redundancy.kind) {
        Some(Kind::Replicated(r)) => subject.with("copies", r.copies).with("min_copies", r.min_copies),
        Some(Kind::Erasure(e)) => subject.with("data", e.data).with("parity", e.parity),
        None => subject,
    })
}

fn put_key(base: &dyn View, op: &PutKey) -> Result<Subject, Broken> {
    let there = base.get(&keys::access_key(&op.access_key))?.is_some();
    let subject = change(if there { "key.change" } else { "key.create" }, &op.access_key);
    let rules: Vec<String> = op.rules.iter().take(20).map(rule).collect();
    let subject = subject.with("rules", rules.join(" ")).with("description", &op.description);
    Ok(if op.disabled { subject.with("disabled", true) } else { subject })
}

fn rule(rule: &KeyRule) -> String {
    let rights = [(rule.read, 'r'), (rule.write, 'w'), (rule.manage, 'm')];
    let rights: String = rights.iter().filter(|(on, _)| *on).map(|(_, letter)| *letter).collect();
    format!("{}:{rights}", rule.bucket)
}

fn put_account(op: &PutAccount) -> Subject {
    let action = match (op.create, &op.password, op.role, op.disabled) {
        (true, ..) => "account.create",
        (_, Some(_), None, None) => "account.password",
        _ => "account.change",
    };
    let subject = change(action, &op.name).with_some("role", op.role.map(role_name));
    let subject = subject.with_some("disabled", op.disabled);
    if op.password.is_some() { subject.with("password", "changed") } else { subject }
}

fn role_name(role: i32) -> &'static str {
    match Role::try_from(role) {
        Ok(Role::Viewer) => "viewer",
        Ok(Role::Operator) => "operator",
        Ok(Role::Admin) => "admin",
        _ => "none",
    }
}

fn credential(made: &Credential) -> Subject {
    match made.kind() {
        CredentialKind::Login => Subject {
            kind: AuditKind::Access,
            ..change("login", &made.account).with("agent", &made.description)
        },
        CredentialKind::Token => change("token.create", &made.account)
            .with("description", &made.description)
            .with("role", role_name(made.role)),
    }
}

fn steer(base: &dyn View, op: &SteerBalance) -> Result<Option<Subject>, Broken> {
    let action = match op.action() {
        BalanceAction::Start => "balance.start",
        BalanceAction::Pause => "balance.pause",
        BalanceAction::Resume => "balance.resume",
        BalanceAction::Cancel => "balance.cancel",
        BalanceAction::Finish => "balance.finish",
        BalanceAction::Count => return Ok(None),
    };
    let mut subject = change(action, "");
    let run: Balance = records::load(base, &keys::balance())?.unwrap_or_default();
    match op.action() {
        BalanceAction::Start => subject = subject.with("planned_bytes", op.planned_bytes),
        _ => {
            subject = subject.with("number", run.number).with("moves", run.moves).with("bytes", run.bytes);
            subject = subject.with("planned_bytes", run.planned_bytes).with("began_ns", run.began_ns);
            subject = subject.with("automatic", run.automatic);
        }
    }
    if op.action() == BalanceAction::Start && op.automatic {
        subject = subject.with("automatic", true);
    }
    Ok(Some(if op.outcome.is_empty() { subject } else { subject.with("outcome", &op.outcome) }))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn object(bucket: &str, key: &Bytes) -> String {
    format!("/{bucket}/{}", text(key))
}

fn share_path(share: &Share) -> String {
    object(&share.bucket, &share.key)
}

/// Where a file in the trash was.
fn trashed(base: &dyn View, ino: u64) -> Result<String, Broken> {
    let inode: Option<Inode> = records::load(base, &keys::inode(ino))?;
    let Some(inode) = inode.filter(|inode| inode.trashed_until != 0) else { return Ok(String::new()) };
    let kept: Option<Trashed> = records::load(base, &keys::trash(inode.trashed_until, ino))?;
    Ok(kept.map(|kept| text(&kept.path)).unwrap_or_default())
}

/// Where a directory lies, for people; of anything else its number, since only directories know their names.
pub fn path_of(view: &dyn View, ino: u64) -> Result<String, Broken> {
    let (mut at, mut names, mut length) = (ino, Vec::new(), 0);
    while at != ROOT_INO.0 {
        let inode: Option<Inode> = records::load(view, &keys::inode(at))?;
        let Some(inode) = inode.filter(|inode| !inode.name.is_empty() && length < MOST_PATH) else {
            return Ok(format!("inode {ino}"));
        };
        length += inode.name.len();
        at = inode.parent;
        names.push(inode.name);
    }
    let path: Vec<u8> = names.into_iter().rev().flatten().collect();
    Ok(format!("/{}", text(&path)))
}
