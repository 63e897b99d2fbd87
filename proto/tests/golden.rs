//! Golden bytes: the wire form of every message, field by field, pinned in `golden.txt`.
//!
//! Each message is filled by trial: every tag is offered as a number, as text and as a nested message, and what
//! the type takes is kept. Each line holds the bytes and what they decode to, names included, so that a tag that
//! changed its number, type or meaning shows, and so does a message nobody listed. After *adding* a message or a
//! field run with `UPDATE_GOLDEN=1`; that still refuses when old bytes no longer survive decoding and encoding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use holdfast_proto::{
    access, admin, audit, chunk, cluster, crosscheck, hello, inode, map, op, query, reason, session, status,
};
use prost::Message;
use prost::bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint};

/// Tags tried. Higher than any in use.
const MOST_TAGS: u32 = 120;

/// Samples of one field: a number beyond 32 bits, one that fits, eight bytes, text, an empty message.
fn samples(tag: u32) -> Vec<Vec<u8>> {
    let field = |kind: WireType, value: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        encode_key(tag, kind, &mut out);
        value(&mut out);
        out
    };
    vec![
        field(WireType::Varint, &|out| encode_varint((1 << 40) | u64::from(tag), out)),
        field(WireType::SixtyFourBit, &|out| out.put_f64_le(f64::from(tag) + 0.5)),
        field(WireType::ThirtyTwoBit, &|out| out.put_f32_le(tag as f32 + 0.5)),
        field(WireType::LengthDelimited, &|out| {
            let text = format!("t{tag}");
            encode_varint(text.len() as u64, out);
            out.put_slice(text.as_bytes());
        }),
        field(WireType::LengthDelimited, &|out| encode_varint(0, out)),
    ]
}

/// The lines of one message type.
fn lines<M: Message + Default + std::fmt::Debug>() -> Vec<String> {
    let mut lines = Vec::new();
    let mut full = Vec::new();
    let show = |bytes: &[u8]| format!("{} {:?}", hex::encode(bytes), M::decode(bytes).unwrap());
    for tag in 1..=MOST_TAGS {
        let taken = samples(tag).into_iter().find_map(|sample| {
            let canonical = M::decode(&sample[..]).ok()?.encode_to_vec();
            (!canonical.is_empty()).then_some(canonical)
        });
        let Some(field) = taken else { continue };
        let both = [full.as_slice(), &field].concat();
        // One of several: it would push out an earlier field, so it begins a line of its own.
        if M::decode(&both[..]).unwrap().encoded_len() < both.len() {
            lines.push(show(&full));
            full = field;
        } else {
            full = both;
        }
    }
    lines.push(show(&full));
    lines
}

/// Whether bytes written by an older build come back unchanged.
fn survives<M: Message + Default>(bytes: &[u8]) -> bool {
    M::decode(bytes).is_ok_and(|message| message.encode_to_vec() == bytes)
}

type Entry = (Vec<String>, fn(&[u8]) -> bool);

macro_rules! messages {
    ($($module:ident: $($name:ident),*;)*) => {
        fn messages() -> BTreeMap<&'static str, Entry> {
            BTreeMap::from([$($((
                concat!(stringify!($module), "::", stringify!($name)),
                (lines::<$module::$name>(), survives::<$module::$name> as fn(&[u8]) -> bool),
            )),*),*])
        }
    };
}

messages! {
    access: Account, Credential, Share;
    admin: BalanceLevel, BalanceMove, BalancePlan, BalanceReply, BalanceRequest, ChangeMembership, CheckReply, CheckRequest, ClassCount, ClusterStatus, DiskRates, GroupHealth, GroupMap, HealthIssue, HealthReply, HealthRequest, LevelCount, LoopStatus,
        MemberHealth, MemberProgress, MetaStatus, NodeAbout, ProcedureReply, ProcedureRequest, ProcedureStatus, RecentReply, RecentRequest, RedundancyStatus, RemovalProof, ScrubDisk, ScrubReply, ScrubRequest, SpareCount, StateCount, StatusRequest;
    audit: Actor, AuditEnds, AuditEntry, AuditNote, AuditProblem, SealedEntry, VerifyAudit, VerifyAuditReply;
    chunk: DeleteChunks, DeleteReply, ListRecords, Order, PullChunks, PullFailure, PullItem, PullReply,
        ReadChunk, ReadReply, RecordEntry, RecordList, Source, VerifyChunks, VerifyReply, WriteChunk,
        WriteReply;
    cluster: DiskIo, DiskReport, Empty, Heartbeat, HeartbeatReply, JoinReply, JoinRequest, Peer, RaftEnvelope,
        ReportProblem, ScrubReport, ScrubRound, SnapshotPiece, SnapshotPieceReply;
    crosscheck: CrossCheck, CrossCheckReply;
    hello: Hello, HelloReply;
    inode: ChunkAck, ChunkCommit, Content, Extent, Inode, KeyValue, ObjectChecksum, ObjectMeta;
    map: Disk, DiskLoad, Erasure, MapReply, MapRequest, Member, Node, NodeLiveness, Pg, Procedure, Redundancy,
        Replicated, StorageClass;
    op: AbortUpload, AccessTime, AddMissing, AdvanceGc, AssembleUpload, Balance, BeginDraft, ChangePg, ClearLeave,
        ClearMissing, CloseSession, Command, Compact, Conditions, CopyObject, CopyPart, CopyRange,
        CountUptime, Create, CreateBucket, CreatePgs, CreateUpload, DeleteAccount, DeleteBucket, DeleteCredential, DeleteKey,
        DeleteObjects, DeleteShare, DiskRef, DropDraft, EmptyTrash, ExpireSession, FileLock, FillDraft, FinishUpload,
        FreeNameless, FreeStep, FreeUploadStep, GcCursor, Genesis, GroupNote, KeyRule, Link, MakeDirs, MemberClean,
        NamedPart, NewPg, Noop, NoteAudit, NoteGroups, NoteUsage, OrderScrub, Piece, PutAccount, PutClass, PutCredential, PutJoinToken, PutKey, PutObject, PutPart,
        PutSetting, PutShare, QuotaStep, RegisterDisk, RegisterNode, ReleaseInode, RemoveDir, RemoveXattr, Rename, RenewGrant,
        Reply, RestoreFile, SetAccessTimes, SetAttr, SetDisk, SetLock, SetNode, SetObjectMeta, SetPgState, SetQuota,
        SetTrashTime, SetXattr, Span, SteerBalance, TouchCredential, TrashRef, TrimAudit, Unheld, Unlink, Write;
    query: Bucket, ChunkEntry, Entry, FilesIn, GetBucket, GetExtents, GetInode, GetLock, GetObject, GetQuota, GetXattr,
        ListAccounts, ListAudit, ListBuckets, ListCredentials, ListFragmented, ListShares, ListUsage,
        ListKeys, ListMissing, ListObjects, ListParts, ListPgChunks, ListSettings, ListUploads,
        ListTrash, ListXattr, Lookup, Part, QueryReply, QueryRequest, Quota, ReadDir, ResolvePath, StatFs, Totals, TrashItem, Upload;
    reason: Reason;
    session: Changed, Changes, ClientIo, KeepOpens, KeepOpensReply, Open, OpenSession, SessionHeartbeat, SessionHeartbeatReply,
        Watch;
    status: Status;
}

/// This crate's folder, where it lies now: a build cache may come from a checkout elsewhere.
fn source() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").expect("tests are run by cargo").into()
}

fn golden_path() -> PathBuf {
    source().join("tests/golden.txt")
}

#[test]
fn every_message_keeps_its_bytes() {
    let now = messages();
    let old = std::fs::read_to_string(golden_path()).unwrap_or_default();
    for line in old.lines() {
        let mut words = line.splitn(3, ' ');
        let (name, bytes) = (words.next().unwrap(), hex::decode(words.next().unwrap()).unwrap());
        let (_, survives) =
            now.get(name).unwrap_or_else(|| panic!("{name} is gone; stored logs may hold it"));
        assert!(survives(&bytes), "{name} no longer reads what it wrote:\n{line}");
    }
    let text: String = now
        .iter()
        .flat_map(|(name, (lines, _))| lines.iter().map(move |line| format!("{name} {line}\n")))
        .collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden_path(), &text).unwrap();
    }
    let golden = std::fs::read_to_string(golden_path()).unwrap_or_default();
    for (new, old) in text.lines().zip(golden.lines()) {
        assert_eq!(new, old, "a message changed; see the head of this file");
    }
    assert_eq!(
        text.lines().count(),
        golden.lines().count(),
        "messages came or went; see the head of this file"
    );
}

#[test]
fn no_message_is_forgotten() {
    let mut sources = Vec::new();
    let mut folders = vec![source().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                sources.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let listed = messages();
    let mut found = 0;
    for source in &sources {
        let mut rest = source.as_str();
        while let Some(at) = rest.find("prost::Message)]") {
            rest = &rest[at..];
            let name = rest.split("pub struct ").nth(1).unwrap().split([' ', '(', ';']).next().unwrap();
            assert!(
                listed.keys().any(|key| key.ends_with(&format!("::{name}"))),
                "{name} is not in the list"
            );
            rest = &rest["prost::Message)]".len()..];
            found += 1;
        }
    }
    assert_eq!(found, listed.len(), "two messages of one name, or one that is derived in another way");
}

/// A variant whose tag its message does not list is dropped when it comes over the network, without a word.
#[test]
fn every_variant_is_listed_where_it_is_read() {
    let mut folders = vec![source().join("src")];
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => sources.push_str(&std::fs::read_to_string(path).unwrap()),
            }
        }
    }
    let numbers =
        |text: &str| -> Vec<u32> { text.split(',').map(|tag| tag.trim().parse().unwrap()).collect() };
    let mut found = 0;
    for field in sources.split("oneof = \"").skip(1) {
        let name = field.split('"').next().unwrap().rsplit("::").next().unwrap();
        let mut listed = numbers(field.split("tags = \"").nth(1).unwrap().split('"').next().unwrap());
        let declared = sources.split(&format!("pub enum {name} {{")).nth(1).unwrap();
        let mut declared: Vec<u32> = (declared.lines().take_while(|line| line.trim() != "}"))
            .filter_map(|line| line.split("tag = \"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        listed.sort_unstable();
        declared.sort_unstable();
        assert_eq!(listed, declared, "{name}");
        found += 1;
    }
    assert!(found >= 3, "only {found} were found");
}
