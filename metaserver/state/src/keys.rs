//! Keys of the state: one tag byte, then fixed-width big-endian numbers, then at most one byte string at the end.
//!
//! What always holds:
//! - One tag, one record type. A tag is never given another meaning; [`TAGS`] is the list, and the history.
//! - Numbers are big-endian, so that bytewise order is numeric order.
//!
//! Everything that reads or writes the state makes its keys here.

use bytes::{BufMut, Bytes, BytesMut};
use holdfast_proto::ids::ChunkId;

macro_rules! tags {
    ($($(#[$doc:meta])* $name:ident = $tag:literal, $text:literal;)*) => {
        $($(#[$doc])* pub const $name: u8 = $tag;)*

        /// Every tag with its name, in order of declaration.
        pub const TAGS: &[(u8, &str)] = &[$(($name, $text)),*];
    };
}

tags! {
    /// `state`: counters, clock, allocators. One record.
    STATE = b'!', "state";
    /// `cluster`: identity of the cluster. One record.
    CLUSTER = b'C', "cluster";
    /// `node/<node>`.
    NODE = b'n', "node";
    /// `nonce/<bytes>` → node: a node that asks again gets its id again.
    NONCE = b'N', "nonce";
    /// `disk/<disk>`.
    DISK = b'd', "disk";
    /// `fingerprint/<bytes>` → disk and incarnation.
    FINGERPRINT = b'D', "fingerprint";
    /// `class/<class>`.
    CLASS = b'l', "class";
    /// `pg/<pg>`.
    PG = b'p', "pg";
    /// `mapchange/<epoch><kind><id>`: the newest change of every object of the map, for deltas.
    MAP_CHANGE = b'e', "mapchange";
    /// `member/<disk><pg>`: groups of a disk.
    MEMBER = b'M', "member";
    /// `session/<session>`.
    SESSION = b's', "session";
    /// `reply/<session><slot>`: the exactly-once window, a ring.
    REPLY = b'r', "reply";
    /// `ended/<index><session>`: sessions that ended, oldest first.
    ENDED = b'E', "ended";
    /// `grant/<grant>` → session, while open.
    GRANT = b'g', "grant";
    /// `inode/<ino>`.
    INODE = b'i', "inode";
    /// `extent/<ino><offset>`.
    EXTENT = b'x', "extent";
    /// `inline/<ino>`: raw bytes of a tiny file.
    INLINE = b'y', "inline";
    /// `dentry/<parent><name>`; a directory's name ends with `/`.
    DENTRY = b't', "dentry";
    /// `longname/<parent><digest>` → stored name, for names that no mount can carry.
    LONG_NAME = b'z', "longname";
    /// `xattr/<ino><name>`: raw value.
    XATTR = b'X', "xattr";
    /// `version/<parent><name><inverted seq>`: reserved for object versions.
    VERSION = b'v', "version";
    /// `trash/<due><ino>`: files without names that are kept until then, in seconds of uptime.
    TRASH = b'T', "trash";
    /// `trashpath/<path><inverted index><ino>`: the same by where they were, the last deleted first.
    TRASH_PATH = b'Y', "trashpath";
    /// `quota/<quota>`: limits and usage of a directory's tree.
    QUOTA = b'q', "quota";
    /// `quotawalk/<quota><ino>`: a directory whose entries are still to be counted, and how far that is.
    QUOTA_WALK = b'Q', "quotawalk";
    /// `lock/<ino>`: locks on ranges of a file.
    LOCK = b'L', "lock";
    /// `locking/<session><ino>`: the same, by session.
    LOCKING = b'K', "locking";
    /// `chunk/<pg><number>`.
    CHUNK = b'c', "chunk";
    /// `missing/<disk><pg><number>`: a member that lacks a chunk it should have.
    MISSING = b'm', "missing";
    /// `gc/<pg><index>`: chunks that died with the command at that index.
    GC = b'b', "gc";
    /// `gccursor/<pg><disk><incarnation>`: how far a member is with the group's garbage.
    GC_CURSOR = b'B', "gccursor";
    /// `leave/<disk><pg>`: a disk that left a group and may still hold its chunks.
    LEAVE = b'w', "leave";
    /// `gcino/<ino>`: an inode without names whose extents are freed in steps.
    GC_INO = b'o', "gcino";
    /// `fragmented/<ino>`: a file with very many small extents.
    FRAGMENTED = b'G', "fragmented";
    /// `converting/<ino>`: a file whose content is to go into chunks of its class.
    CONVERTING = b'V', "converting";
    /// `nameless/<ino>`: an inode without names that sessions may hold open, or a draft.
    NAMELESS = b'h', "nameless";
    /// `holding/<session><ino>`: drafts, by session.
    HOLDING = b'H', "holding";
    /// `bucket/<ino>`: what S3 knows of a top-level directory.
    BUCKET = b'k', "bucket";
    /// `upload/<upload>`: a multipart upload.
    UPLOAD = b'u', "upload";
    /// `uploadkey/<bucket><key><upload>`: uploads under way, in S3 order.
    UPLOAD_KEY = b'U', "uploadkey";
    /// `part/<upload><part>`.
    PART = b'P', "part";
    /// `spent/<upload>`: an ended upload whose parts are freed in steps.
    SPENT = b'W', "spent";
    /// `finished/<upload>` → the object it became.
    FINISHED = b'f', "finished";
    /// `key/<access key>`: an S3 access key.
    ACCESS_KEY = b'a', "key";
    /// `setting/<name>`.
    SETTING = b'S', "setting";
    /// `token`: digest of the join token. One record.
    TOKEN = b'j', "token";
    /// `ailing/<pg>`: since when a group lacks redundancy.
    AILING = b'A', "ailing";
    /// `balance`: the run that evens out how full disks are, or the last one. One record.
    BALANCE = b'R', "balance";
    /// `account/<name>`: who administers the cluster.
    ACCOUNT = b'1', "account";
    /// `credential/<account>/<digest>`: a login or a token.
    CREDENTIAL = b'2', "credential";
    /// `share/<digest>`: a link to a file.
    SHARE = b'3', "share";
    /// `audit/<seq>`: an entry of the audit log.
    AUDIT = b'4', "audit";
    /// `auditends`: both ends of the audit log. One record.
    AUDIT_ENDS = b'5', "auditends";
    /// `usage/<hour>`: how full and busy the cluster was.
    USAGE = b'6', "usage";
}

/// Kinds of objects of the map, as they stand in `mapchange/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MapKind {
    /// A node.
    Node = 1,
    /// A disk.
    Disk = 2,
    /// A storage class.
    Class = 3,
    /// A placement group.
    Pg = 4,
}

fn with(tag: u8, more: usize) -> BytesMut {
    let mut key = BytesMut::with_capacity(1 + more);
    key.put_u8(tag);
    key
}

fn key32(tag: u8, a: u32) -> Bytes {
    let mut key = with(tag, 4);
    key.put_u32(a);
    key.freeze()
}

fn key64(tag: u8, a: u64) -> Bytes {
    let mut key = with(tag, 8);
    key.put_u64(a);
    key.freeze()
}

fn key64_64(tag: u8, a: u64, b: u64) -> Bytes {
    let mut key = with(tag, 16);
    key.put_u64(a);
    key.put_u64(b);
    key.freeze()
}

fn key32_64(tag: u8, a: u32, b: u64) -> Bytes {
    let mut key = with(tag, 12);
    key.put_u32(a);
    key.put_u64(b);
    key.freeze()
}

fn key32_32(tag: u8, a: u32, b: u32) -> Bytes {
    let mut key = with(tag, 8);
    key.put_u32(a);
    key.put_u32(b);
    key.freeze()
}

fn key64_bytes(tag: u8, a: u64, b: &[u8]) -> Bytes {
    let mut key = with(tag, 8 + b.len());
    key.put_u64(a);
    key.put_slice(b);
    key.freeze()
}

fn key_bytes(tag: u8, a: &[u8]) -> Bytes {
    let mut key = with(tag, a.len());
    key.put_slice(a);
    key.freeze()
}

/// `state`.
pub fn state() -> Bytes {
    Bytes::from_static(&[STATE])
}

/// `cluster`.
pub fn cluster() -> Bytes {
    Bytes::from_static(&[CLUSTER])
}

/// `token`.
pub fn token() -> Bytes {
    Bytes::from_static(&[TOKEN])
}

/// `balance`.
pub fn balance() -> Bytes {
    Bytes::from_static(&[BALANCE])
}

/// `account/<name>`.
pub fn account(name: &str) -> Bytes {
    key_bytes(ACCOUNT, name.as_bytes())
}

/// `credential/<account>/<digest>`. No account's name has a slash.
pub fn credential(account: &str, digest: &[u8]) -> Bytes {
    let mut key = with(CREDENTIAL, account.len() + 1 + digest.len());
    key.put_slice(account.as_bytes());
    key.put_u8(b'/');
    key.put_slice(digest);
    key.freeze()
}

/// `share/<digest>`.
pub fn share(digest: &[u8]) -> Bytes {
    key_bytes(SHARE, digest)
}

/// `audit/<seq>`.
pub fn audit(seq: u64) -> Bytes {
    key64(AUDIT, seq)
}

/// `auditends`.
pub fn audit_ends() -> Bytes {
    Bytes::from_static(&[AUDIT_ENDS])
}

/// `usage/<hour>`.
pub fn usage(hour: u64) -> Bytes {
    key64(USAGE, hour)
}

/// `node/<node>`.
pub fn node(id: u64) -> Bytes {
    key64(NODE, id)
}

/// `nonce/<bytes>`.
pub fn nonce(nonce: &[u8]) -> Bytes {
    key_bytes(NONCE, nonce)
}

/// `disk/<disk>`.
pub fn disk(id: u32) -> Bytes {
    key32(DISK, id)
}

/// `fingerprint/<bytes>`.
pub fn fingerprint(fingerprint: &[u8]) -> Bytes {
    key_bytes(FINGERPRINT, fingerprint)
}

/// `class/<class>`.
pub fn class(id: u32) -> Bytes {
    key32(CLASS, id)
}

/// `pg/<pg>`.
pub fn pg(id: u32) -> Bytes {
    key32(PG, id)
}

/// `ailing/<pg>`.
pub fn ailing(pg: u32) -> Bytes {
    key32(AILING, pg)
}

/// `mapchange/<epoch><kind><id>`.
pub fn map_change(epoch: u64, kind: MapKind, id: u64) -> Bytes {
    let mut key = with(MAP_CHANGE, 17);
    key.put_u64(epoch);
    key.put_u8(kind as u8);
    key.put_u64(id);
    key.freeze()
}

/// Start of all changes of the map from `epoch` on.
pub fn map_changes_from(epoch: u64) -> Bytes {
    key64(MAP_CHANGE, epoch)
}

/// `member/<disk><pg>`.
pub fn member(disk: u32, pg: u32) -> Bytes {
    key32_32(MEMBER, disk, pg)
}

/// All groups of a disk.
pub fn members_of(disk: u32) -> Bytes {
    key32(MEMBER, disk)
}

/// `session/<session>`.
pub fn session(id: u64) -> Bytes {
    key64(SESSION, id)
}

/// `reply/<session><slot>`.
pub fn reply(session: u64, slot: u16) -> Bytes {
    let mut key = with(REPLY, 10);
    key.put_u64(session);
    key.put_u16(slot);
    key.freeze()
}

/// All kept replies of a session.
pub fn replies(session: u64) -> Bytes {
    key64(REPLY, session)
}

/// `ended/<index><session>`.
pub fn ended(index: u64, session: u64) -> Bytes {
    key64_64(ENDED, index, session)
}

/// `grant/<grant>`.
pub fn grant(grant: u64) -> Bytes {
    key64(GRANT, grant)
}

/// `inode/<ino>`.
pub fn inode(ino: u64) -> Bytes {
    key64(INODE, ino)
}

/// `extent/<ino><offset>`.
pub fn extent(ino: u64, offset: u64) -> Bytes {
    key64_64(EXTENT, ino, offset)
}

/// All extents of an inode.
pub fn extents(ino: u64) -> Bytes {
    key64(EXTENT, ino)
}

/// `fragmented/<ino>`.
pub fn fragmented(ino: u64) -> Bytes {
    key64(FRAGMENTED, ino)
}

/// `converting/<ino>`.
pub fn converting(ino: u64) -> Bytes {
    key64(CONVERTING, ino)
}

/// `inline/<ino>`.
pub fn inline(ino: u64) -> Bytes {
    key64(INLINE, ino)
}

/// `dentry/<parent><name>`; `name` as stored.
pub fn dentry(parent: u64, name: &[u8]) -> Bytes {
    key64_bytes(DENTRY, parent, name)
}

/// `dentry/<parent><name>/` of a directory with the plain `name`.
pub fn dir_dentry(parent: u64, name: &[u8]) -> Bytes {
    let mut key = with(DENTRY, 9 + name.len());
    key.put_u64(parent);
    key.put_slice(name);
    key.put_u8(b'/');
    key.freeze()
}

/// All entries of a directory.
pub fn dentries(parent: u64) -> Bytes {
    key64(DENTRY, parent)
}

/// `longname/<parent><digest>`.
pub fn long_name(parent: u64, digest: &[u8]) -> Bytes {
    key64_bytes(LONG_NAME, parent, digest)
}

/// `xattr/<ino><name>`.
pub fn xattr(ino: u64, name: &[u8]) -> Bytes {
    key64_bytes(XATTR, ino, name)
}

/// All attributes of an inode.
pub fn xattrs(ino: u64) -> Bytes {
    key64(XATTR, ino)
}

/// `chunk/<pg><number>`.
pub fn chunk(id: ChunkId) -> Bytes {
    key32_64(CHUNK, id.pg.0, id.number.0)
}

/// All chunks of a group.
pub fn chunks(pg: u32) -> Bytes {
    key32(CHUNK, pg)
}

/// `missing/<disk><pg><number>`.
pub fn missing(disk: u32, pg: u32, number: u64) -> Bytes {
    let mut key = with(MISSING, 16);
    key.put_u32(disk);
    key.put_u32(pg);
    key.put_u64(number);
    key.freeze()
}

/// All chunks of a group that a disk lacks.
pub fn missing_in(disk: u32, pg: u32) -> Bytes {
    key32_32(MISSING, disk, pg)
}

/// All chunks that a disk lacks.
pub fn missing_on(disk: u32) -> Bytes {
    key32(MISSING, disk)
}

/// `gc/<pg><index>`.
pub fn gc(pg: u32, index: u64) -> Bytes {
    key32_64(GC, pg, index)
}

/// All garbage of a group.
pub fn gc_of(pg: u32) -> Bytes {
    key32(GC, pg)
}

/// `gccursor/<pg><disk><incarnation>`.
pub fn gc_cursor(pg: u32, disk: u32, incarnation: u64) -> Bytes {
    let mut key = with(GC_CURSOR, 16);
    key.put_u32(pg);
    key.put_u32(disk);
    key.put_u64(incarnation);
    key.freeze()
}

/// `leave/<disk><pg>`.
pub fn leave(disk: u32, pg: u32) -> Bytes {
    key32_32(LEAVE, disk, pg)
}

/// `gcino/<ino>`.
pub fn gc_ino(ino: u64) -> Bytes {
    key64(GC_INO, ino)
}

/// `nameless/<ino>`.
pub fn nameless(ino: u64) -> Bytes {
    key64(NAMELESS, ino)
}

/// `holding/<session><ino>`.
pub fn holding(session: u64, ino: u64) -> Bytes {
    key64_64(HOLDING, session, ino)
}

/// All drafts of a session.
pub fn holdings(session: u64) -> Bytes {
    key64(HOLDING, session)
}

/// `trash/<due><ino>`; due in seconds of uptime.
pub fn trash(due_s: u64, ino: u64) -> Bytes {
    key64_64(TRASH, due_s, ino)
}

/// `trashpath/<path><inverted index><ino>`; the path is written as in [`upload_key`].
pub fn trash_path(path: &[u8], index: u64, ino: u64) -> Bytes {
    let mut bytes = with(TRASH_PATH, 18 + path.len());
    put_escaped(&mut bytes, path);
    bytes.put_slice(&[0, 0]);
    bytes.put_u64(!index);
    bytes.put_u64(ino);
    bytes.freeze()
}

/// Start of everything in the trash that was at exactly this path.
pub fn trash_at(path: &[u8]) -> Bytes {
    let mut bytes = with(TRASH_PATH, 2 + path.len());
    put_escaped(&mut bytes, path);
    bytes.put_slice(&[0, 0]);
    bytes.freeze()
}

/// Start of everything in the trash whose path starts with `prefix`.
pub fn trash_below(prefix: &[u8]) -> Bytes {
    let mut bytes = with(TRASH_PATH, prefix.len());
    put_escaped(&mut bytes, prefix);
    bytes.freeze()
}

/// The inode at the end of a `trashpath/` key.
pub fn trash_path_ino(key: &[u8]) -> u64 {
    key.len().checked_sub(8).map_or(0, |at| u64_at(key, at))
}

/// `lock/<ino>`.
pub fn lock(ino: u64) -> Bytes {
    key64(LOCK, ino)
}

/// `locking/<session><ino>`.
pub fn locking(session: u64, ino: u64) -> Bytes {
    key64_64(LOCKING, session, ino)
}

/// Every file on which a session has locks.
pub fn lockings(session: u64) -> Bytes {
    key64(LOCKING, session)
}

/// `quota/<quota>`.
pub fn quota(number: u64) -> Bytes {
    key64(QUOTA, number)
}

/// `quotawalk/<quota><ino>`.
pub fn quota_walk(number: u64, dir: u64) -> Bytes {
    key64_64(QUOTA_WALK, number, dir)
}

/// Every directory that is still to be counted for a quota.
pub fn quota_walks(number: u64) -> Bytes {
    key64(QUOTA_WALK, number)
}

/// `bucket/<ino>`.
pub fn bucket(ino: u64) -> Bytes {
    key64(BUCKET, ino)
}

/// `upload/<upload>`.
pub fn upload(id: u64) -> Bytes {
    key64(UPLOAD, id)
}

/// `uploadkey/<bucket><key><upload>`. The object key is written so that order is kept and its end is clear:
/// a zero byte becomes `00 ff`, the end is `00 00`.
pub fn upload_key(bucket: u64, key: &[u8], upload: u64) -> Bytes {
    let mut bytes = with(UPLOAD_KEY, 18 + key.len());
    bytes.put_u64(bucket);
    put_escaped(&mut bytes, key);
    bytes.put_slice(&[0, 0]);
    bytes.put_u64(upload);
    bytes.freeze()
}

/// Start of the uploads of a bucket whose keys start with `prefix`.
pub fn upload_keys(bucket: u64, prefix: &[u8]) -> Bytes {
    let mut bytes = with(UPLOAD_KEY, 8 + prefix.len());
    bytes.put_u64(bucket);
    put_escaped(&mut bytes, prefix);
    bytes.freeze()
}

fn put_escaped(bytes: &mut BytesMut, key: &[u8]) {
    for &byte in key {
        bytes.put_u8(byte);
        if byte == 0 {
            bytes.put_u8(0xff);
        }
    }
}

/// `part/<upload><part>`.
pub fn part(upload: u64, part: u32) -> Bytes {
    let mut key = with(PART, 12);
    key.put_u64(upload);
    key.put_u32(part);
    key.freeze()
}

/// All parts of an upload.
pub fn parts(upload: u64) -> Bytes {
    key64(PART, upload)
}

/// `spent/<upload>`.
pub fn spent(upload: u64) -> Bytes {
    key64(SPENT, upload)
}

/// `finished/<upload>`.
pub fn finished(upload: u64) -> Bytes {
    key64(FINISHED, upload)
}

/// `key/<access key>`.
pub fn access_key(name: &str) -> Bytes {
    key_bytes(ACCESS_KEY, name.as_bytes())
}

/// `setting/<name>`.
pub fn setting(name: &str) -> Bytes {
    key_bytes(SETTING, name.as_bytes())
}

/// Start of everything with this tag.
pub fn all(tag: u8) -> Bytes {
    Bytes::copy_from_slice(&[tag])
}

/// The first key behind `key`.
pub fn next(key: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(key.len() + 1);
    next.put_slice(key);
    next.put_u8(0);
    next.freeze()
}

/// The first key behind everything that starts with `prefix`.
pub fn after_prefix(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end.into();
        }
    }
    // Tags are ASCII, so no prefix of ours is all 0xff; an empty prefix means everything.
    Bytes::from_static(&[0xff])
}

/// Reads the big-endian number at `at`.
pub fn u64_at(key: &[u8], at: usize) -> u64 {
    key.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// Reads the big-endian number at `at`.
pub fn u32_at(key: &[u8], at: usize) -> u32 {
    key.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes)
}

/// The chunk that a `chunk/` key is about.
pub fn chunk_of(key: &[u8]) -> ChunkId {
    ChunkId::new(u32_at(key, 1), u64_at(key, 5))
}

/// The stored name in a `dentry/` key.
pub fn name_of(key: &Bytes) -> Bytes {
    key.slice(9.min(key.len())..)
}

/// A key for people: its tag's name and the rest in hex.
pub fn describe(key: &[u8]) -> String {
    let Some((&tag, rest)) = key.split_first() else { return "(empty)".into() };
    let name = TAGS.iter().find(|(t, _)| *t == tag).map_or("?", |(_, name)| name);
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name}/{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_unique() {
        for (at, (tag, name)) in TAGS.iter().enumerate() {
            assert!(TAGS[at + 1..].iter().all(|(t, n)| t != tag && n != name), "{name}");
        }
    }

    #[test]
    fn numeric_order_is_key_order() {
        assert!(extent(1, 255) < extent(1, 256));
        assert!(extent(1, u64::MAX) < extents(2));
        assert_eq!(after_prefix(&[1, 0xff]), Bytes::from_static(&[2]));
    }

    proptest::proptest! {
        #[test]
        fn upload_keys_sort_like_their_object_keys(a in ".{0,6}", b in ".{0,6}", x in 0u64..3, y in 0u64..3) {
            let (ka, kb) = (upload_key(1, a.as_bytes(), x), upload_key(1, b.as_bytes(), y));
            proptest::prop_assert_eq!((a.as_bytes(), x).cmp(&(b.as_bytes(), y)), ka.cmp(&kb));
        }
    }
}
