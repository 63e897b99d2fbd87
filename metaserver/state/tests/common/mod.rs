//! A small world to test in: a cluster with three nodes, a disk each, one class, one group, and a client session.
//! Every command is followed by the whole-state checker.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_proto::ids::{ChunkNumber, Grant, LogIndex};
use holdfast_proto::inode::{ChunkAck, ChunkCommit, Content, Extent, Inode};
use holdfast_proto::map::{Member, Pg, Redundancy, roles};
use holdfast_proto::op::*;
use holdfast_proto::query::*;
use holdfast_proto::session::OpenSession;
use holdfast_proto::status::Code;
use holdfast_state::{MemTable, Overlay, apply, check, query};

pub const SESSION: u64 = 77;
pub const BUCKET: &str = "bucket";

#[derive(Clone)]
pub struct World {
    pub table: MemTable,
    pub index: u64,
    pub now: i64,
    pub seqs: BTreeMap<u64, u64>,
    pub grant: u64,
    pub counter: u32,
    /// What lies in chunks, so that files can be read back.
    pub stored: BTreeMap<(u32, u64), Vec<u8>>,
    pub pg: u32,
    /// Every command so far.
    pub log: Vec<(u64, Command)>,
    /// Run the checker after each command.
    pub checked: bool,
}

impl World {
    /// A cluster with three disks, a group over them, a session with a grant, and a bucket.
    pub fn new() -> Self {
        let mut world = Self::empty();
        world.genesis(3, 2);
        for node in 2..=3 {
            world.lead(register_node(node));
        }
        for disk in 1..=3 {
            world.add_disk(disk);
        }
        world.pg = world.create_pg(&[1, 2, 3]);
        let reply = world.open(SESSION);
        world.grant = reply.grant;
        world.ok(Op::CreateBucket(CreateBucket { name: BUCKET.into(), owner: "key".into(), class: 0 }));
        world
    }

    pub fn empty() -> Self {
        Self {
            table: MemTable::new(),
            index: 0,
            now: 1_000_000_000_000,
            seqs: BTreeMap::new(),
            grant: 0,
            counter: 0,
            stored: BTreeMap::new(),
            pg: 0,
            log: Vec::new(),
            checked: true,
        }
    }

    pub fn genesis(&mut self, copies: u32, min_copies: u32) -> Reply {
        let Op::RegisterNode(node) = register_node(1) else { unreachable!() };
        let class = PutClass {
            name: "standard".into(),
            redundancy: Some(Redundancy::replicated(copies, min_copies)),
            inline_limit: 4096,
            chunk_bytes: 8 << 20,
            ..PutClass::default()
        };
        self.lead(Op::Genesis(Genesis {
            cluster: Bytes::from_static(&[7; 16]),
            node: Some(node),
            class: Some(class),
            state_version: 1,
            ..Genesis::default()
        }))
    }

    /// Registers a disk on the node of the same number.
    pub fn add_disk(&mut self, number: u64) -> Reply {
        let nodes = self.nodes();
        self.lead(Op::RegisterDisk(RegisterDisk {
            node: nodes[(number as usize - 1) % nodes.len()],
            fingerprint: vec![number as u8; 16].into(),
            capacity: 1 << 40,
            path: format!("/disk{number}"),
            ..RegisterDisk::default()
        }))
    }

    pub fn nodes(&self) -> Vec<u64> {
        holdfast_state::map_view::nodes(&self.table).unwrap().iter().map(|node| node.id).collect()
    }

    pub fn disk_ref(&self, disk: u32) -> DiskRef {
        let disks = holdfast_state::map_view::disks(&self.table).unwrap();
        let disk = disks.iter().find(|d| d.id == disk).unwrap();
        DiskRef { disk: disk.id, incarnation: disk.incarnation }
    }

    pub fn create_pg(&mut self, disks: &[u32]) -> u32 {
        let disks = disks.iter().map(|disk| self.disk_ref(*disk)).collect();
        self.lead(Op::CreatePgs(CreatePgs { pgs: vec![NewPg { class: 1, disks }] })).id as u32
    }

    pub fn pg(&self) -> Pg {
        self.group(self.pg)
    }

    pub fn group(&self, pg: u32) -> Pg {
        let map = holdfast_state::map_view::load_map(&self.table, 0, &[pg], true).unwrap();
        map.pgs.into_iter().find(|found| found.id == pg).unwrap()
    }

    pub fn member(&self, disk: u32) -> Member {
        *self.pg().members.iter().find(|member| member.disk == disk).unwrap()
    }

    pub fn open(&mut self, session: u64) -> Reply {
        self.open_with(session, false)
    }

    /// A session that holds files open, or not.
    pub fn open_with(&mut self, session: u64, holds_files: bool) -> Reply {
        let open = OpenSession { description: "test".into(), ttl_ms: 10_000, grant: true, holds_files };
        let seq = self.next_seq(session);
        let command =
            Command { session, seq, open: Some(open), op: Some(Op::Noop(Noop {})), ..Command::default() };
        let reply = self.send(command);
        assert!(reply.is_ok(), "{reply:?}");
        reply
    }

    pub fn next_seq(&mut self, session: u64) -> u64 {
        let seq = self.seqs.entry(session).or_default();
        *seq += 1;
        *seq
    }

    /// Applies a command as the next log entry, through an overlay as a server does.
    pub fn send(&mut self, mut command: Command) -> Reply {
        self.index += 1;
        self.now += 1_000_000;
        command.now_ns = self.now;
        let mut overlay = Overlay::new(&self.table);
        let reply = apply(&mut overlay, LogIndex(self.index), &command).unwrap();
        let changes: Vec<_> = overlay.into_changes().collect();
        self.table.write(changes);
        self.log.push((self.index, command.clone()));
        if self.checked {
            self.check();
        }
        reply
    }

    pub fn check(&self) {
        let report = check(&self.table).unwrap();
        assert!(report.is_clean(), "after {:?}: {:#?}", self.log.last(), report.problems);
    }

    /// As the leader.
    pub fn try_lead(&mut self, op: Op) -> Reply {
        self.send(Command { op: Some(op), ..Command::default() })
    }

    pub fn lead(&mut self, op: Op) -> Reply {
        let reply = self.try_lead(op);
        assert!(reply.is_ok(), "{reply:?}");
        reply
    }

    pub fn lead_refused(&mut self, op: Op, code: Code) {
        let reply = self.try_lead(op);
        assert_eq!(reply.status.clone().unwrap_or_default().kind(), code, "{reply:?}");
    }

    /// As a session, in order.
    pub fn run_as(&mut self, session: u64, op: Op) -> Reply {
        let seq = self.next_seq(session);
        self.send(Command { session, seq, lowest_unanswered: seq, op: Some(op), ..Command::default() })
    }

    pub fn run(&mut self, op: Op) -> Reply {
        self.run_as(SESSION, op)
    }

    pub fn ok(&mut self, op: Op) -> Reply {
        let reply = self.run(op);
        assert!(reply.is_ok(), "{reply:?}");
        self.check_told(&reply);
        reply
    }

    /// Mounts keep what replies tell of an inode: it is the inode as it was left.
    fn check_told(&self, reply: &Reply) {
        let Some(told) = &reply.inode else { return };
        let ask = GetInode { ino: told.ino, content: false, open: 0 };
        if let Some(left) = self.ask(Query::GetInode(ask)).inode {
            let [told, left] = [told, &left].map(|inode| Inode { extents: Vec::new(), ..inode.clone() });
            assert_eq!(told, left);
        }
    }

    pub fn refused(&mut self, op: Op, code: Code) -> Reply {
        let before = self.table.len();
        let reply = self.run(op);
        assert_eq!(reply.status.clone().unwrap_or_default().kind(), code, "{reply:?}");
        // At most the reply is new, and what the audit log says of it.
        assert!(self.table.len() <= before + 3);
        reply
    }

    pub fn ask(&self, asked: Query) -> QueryReply {
        let request = QueryRequest { session: 0, lease: false, query: Some(asked) };
        query(&self.table, LogIndex(self.index), &request).unwrap()
    }

    pub fn ask_code(&self, asked: Query) -> Code {
        self.ask(asked).status.unwrap_or_default().kind()
    }

    /// A chunk with these bytes, acknowledged by the given disks of the group.
    pub fn chunk_on(&mut self, bytes: &[u8], disks: &[u32]) -> ChunkCommit {
        self.counter += 1;
        let number = ChunkNumber::from_grant(Grant(self.grant), self.counter).unwrap().0;
        let pg = self.pg();
        self.stored.insert((pg.id, number), bytes.to_vec());
        let acks = (pg.members.iter())
            .filter(|member| disks.contains(&member.disk))
            .map(|m| ChunkAck { disk: m.disk, incarnation: m.incarnation, epoch: pg.epoch })
            .collect();
        let blake3 = Bytes::copy_from_slice(blake3::hash(bytes).as_bytes());
        ChunkCommit { pg: pg.id, number, length: bytes.len() as u64, blake3, acks }
    }

    pub fn chunk(&mut self, bytes: &[u8]) -> ChunkCommit {
        let disks: Vec<u32> = self.pg().members.iter().map(|member| member.disk).collect();
        self.chunk_on(bytes, &disks)
    }

    /// Content in one chunk per piece.
    pub fn content(&mut self, pieces: &[&[u8]]) -> Content {
        let mut content = Content::default();
        for piece in pieces {
            let commit = self.chunk(piece);
            content.extents.push(whole(&commit, content.size));
            content.size += commit.length;
            content.chunks.push(commit);
        }
        content
    }

    pub fn put(&mut self, key: &str, content: Content) -> Reply {
        self.run(put_object(key, content))
    }

    /// A small object.
    pub fn put_text(&mut self, key: &str, text: &str) -> Inode {
        let reply = self.put(key, inline(text.as_bytes()));
        assert!(reply.is_ok(), "{reply:?}");
        reply.inode.unwrap()
    }

    pub fn delete(&mut self, key: &str) -> Reply {
        self.run(delete_objects(&[key]))
    }

    pub fn object(&self, key: &str) -> Option<Inode> {
        self.ask(Query::GetObject(GetObject {
            bucket: BUCKET.into(),
            key: Bytes::copy_from_slice(key.as_bytes()),
            content: true,
            conditions: None,
        }))
        .inode
    }

    pub fn read(&self, key: &str) -> Vec<u8> {
        self.read_inode(self.object(key).expect("the object is there").ino)
    }

    /// The bytes of a file as a reader would put them together.
    pub fn read_inode(&self, ino: u64) -> Vec<u8> {
        let reply = self.ask(Query::GetInode(GetInode { ino, content: true, ..GetInode::default() }));
        let inode = reply.inode.expect("the inode is there");
        if let Some(bytes) = reply.inline {
            return bytes.to_vec();
        }
        let mut bytes = vec![0; inode.size as usize];
        let mut offset = 0;
        loop {
            let page =
                self.ask(Query::GetExtents(GetExtents { ino, offset, end: 0, if_version: inode.version }));
            for extent in &page.extents {
                bytes[extent.offset as usize..extent.end() as usize].copy_from_slice(&self.source(extent));
            }
            if !page.more {
                return bytes;
            }
            offset = std::str::from_utf8(&page.next).unwrap().parse().unwrap();
        }
    }

    /// The first extents of a file.
    pub fn extents(&self, ino: u64) -> Vec<Extent> {
        let ask = GetExtents { ino, offset: 0, end: 0, if_version: 0 };
        self.ask(Query::GetExtents(ask)).extents
    }

    fn source(&self, extent: &Extent) -> Vec<u8> {
        if let Some(bytes) = &extent.inline {
            return bytes.to_vec();
        }
        let chunk = &self.stored[&(extent.pg, extent.number)];
        assert_eq!(extent.chunk_bytes, chunk.len() as u64);
        let from = extent.chunk_offset as usize;
        chunk[from..from + extent.length as usize].to_vec()
    }

    pub fn list(&self, prefix: &str, delimiter: &str, after: &str, most: u32) -> (Vec<String>, bool) {
        let reply = self.ask(Query::ListObjects(ListObjects {
            bucket: BUCKET.into(),
            prefix: prefix.to_owned().into(),
            delimiter: delimiter.to_owned().into(),
            after: after.to_owned().into(),
            most,
        }));
        let show = |entry: &Entry| {
            let key = String::from_utf8(entry.key.to_vec()).unwrap();
            assert_eq!(entry.prefix, entry.inode.is_none());
            if entry.prefix { format!("{key}*") } else { key }
        };
        (reply.entries.iter().map(show).collect(), reply.more)
    }

    pub fn list_all(&self) -> Vec<String> {
        self.list("", "", "", 1000).0
    }

    pub fn bucket(&self) -> u64 {
        self.ask(Query::GetBucket(GetBucket { name: BUCKET.into(), ..GetBucket::default() })).buckets[0].ino
    }

    pub fn lookup(&self, parent: u64, name: &str) -> Option<Inode> {
        self.ask(Query::Lookup(Lookup { parent, name: name.to_owned().into(), content: false })).inode
    }

    pub fn create(&mut self, parent: u64, name: &str, kind: holdfast_proto::inode::FileKind) -> Reply {
        self.run(create(parent, name, kind))
    }

    pub fn read_dir(&self, ino: u64) -> Vec<String> {
        let reply = self.ask(Query::ReadDir(ReadDir { ino, after: Bytes::new(), most: 4096, inodes: true }));
        reply.entries.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned()).collect()
    }

    pub fn totals(&self) -> Totals {
        self.ask(Query::StatFs(StatFs {})).totals.unwrap()
    }

    pub fn garbage(&self) -> Vec<u64> {
        let found = holdfast_state::work::garbage(&self.table, self.pg, LogIndex(0), 1000).unwrap();
        found.into_iter().flat_map(|batch| batch.numbers).collect()
    }

    pub fn missing(&self, disk: u32) -> Vec<u64> {
        holdfast_state::work::missing_in(&self.table, disk, self.pg, 0, 1000).unwrap()
    }
}

pub fn register_node(number: u8) -> Op {
    Op::RegisterNode(RegisterNode {
        nonce: vec![number; 16].into(),
        address: format!("node{number}:1"),
        roles: roles::META | roles::CHUNK,
        ..RegisterNode::default()
    })
}

pub fn inline(bytes: &[u8]) -> Content {
    Content { size: bytes.len() as u64, inline: Some(Bytes::copy_from_slice(bytes)), ..Content::default() }
}

pub fn whole(commit: &ChunkCommit, offset: u64) -> Extent {
    Extent { offset, length: commit.length, pg: commit.pg, number: commit.number, ..Extent::default() }
}

pub fn put_object(key: &str, content: Content) -> Op {
    Op::PutObject(PutObject {
        bucket: BUCKET.into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        content: Some(content),
        ..PutObject::default()
    })
}

pub fn delete_objects(keys: &[&str]) -> Op {
    Op::DeleteObjects(DeleteObjects {
        bucket: BUCKET.into(),
        keys: keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect(),
        ..DeleteObjects::default()
    })
}

pub fn create(parent: u64, name: &str, kind: holdfast_proto::inode::FileKind) -> Op {
    Op::Create(Create {
        parent,
        name: name.to_owned().into(),
        kind: kind as i32,
        mode: 0o755,
        ..Create::default()
    })
}

pub fn piece(offset: u64, length: u64, source: Option<Extent>) -> Piece {
    Piece { offset, length, source }
}

pub fn inline_piece(offset: u64, bytes: &[u8]) -> Piece {
    let source = Extent { inline: Some(Bytes::copy_from_slice(bytes)), ..Extent::default() };
    piece(offset, bytes.len() as u64, Some(source))
}

impl World {
    pub fn put_text_in(&mut self, bucket: &str, key: &str, text: &str) {
        let Op::PutObject(op) = put_object(key, inline(text.as_bytes())) else { unreachable!() };
        self.ok(Op::PutObject(PutObject { bucket: bucket.into(), ..op }));
    }
}
