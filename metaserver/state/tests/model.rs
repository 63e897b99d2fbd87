//! The state machine against a tiny second implementation of namespace and content: plain maps, no records, no
//! extents. After every step both must show the same tree, the same bytes, the same hard links and the same
//! listings, and the checker must be content.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
#[path = "model/locks.rs"]
mod locks;
#[path = "model/quotas.rs"]
mod quotas;
#[path = "model/trash.rs"]
mod trash;
#[path = "model/tree.rs"]
mod tree;

use std::collections::BTreeMap;

use bytes::Bytes;
use common::{BUCKET, World, create, delete_objects, inline, inline_piece, piece, put_object, whole};
use holdfast_proto::inode::FileKind;
use holdfast_proto::op::*;
use holdfast_proto::query::{Query, ReadDir};
use holdfast_state::keys;
use proptest::prelude::*;
use quotas::Quotas;
use tree::{ROOT, Tree};

const NAMES: [&str; 3] = ["a", "b", "c"];
const KEYS: [&str; 8] = ["a", "b", "a/b", "a/b/c", "a/", "b//c", "c/a", "c/a/b"];

/// One random step: which operation, and numbers that choose its arguments.
#[derive(Clone, Debug)]
struct Step {
    kind: u8,
    x: usize,
    y: usize,
    z: usize,
    offset: u64,
    bytes: Vec<u8>,
    chunked: bool,
}

/// Steps of so many kinds.
fn step(kinds: u8) -> impl Strategy<Value = Step> {
    let bytes = proptest::collection::vec(any::<u8>(), 1..24);
    (0..kinds, 0usize..64, 0usize..64, 0usize..64, 0u64..40, bytes, any::<bool>())
        .prop_map(|(kind, x, y, z, offset, bytes, chunked)| Step { kind, x, y, z, offset, bytes, chunked })
}

struct Pair {
    world: World,
    tree: Tree,
    /// Inode numbers of the model's nodes.
    inos: BTreeMap<usize, u64>,
    quotas: Quotas,
}

impl Pair {
    /// With a session that may hold files open, or none.
    fn new(held: bool) -> Self {
        let mut world = World::new();
        if held {
            world.open_with(88, true);
        }
        let inos = BTreeMap::from([(ROOT, world.bucket())]);
        Self { world, tree: Tree::new(), inos, quotas: Quotas::default() }
    }

    fn dir(&self, choice: usize) -> usize {
        let dirs = self.tree.dirs();
        dirs[choice % dirs.len()]
    }

    fn file(&self, choice: usize) -> Option<usize> {
        let files = self.tree.files();
        (!files.is_empty()).then(|| files[choice % files.len()])
    }

    /// The leader frees what lost its last name while it might have been open.
    fn free_nameless(&mut self) {
        let nameless: Vec<u64> = (self.world.table.iter())
            .filter(|(key, _)| key.first() == Some(&keys::NAMELESS))
            .map(|(key, _)| keys::u64_at(key, 1))
            .collect();
        let unheld = Some(Unheld { inos: nameless.clone(), as_of: self.world.index, term: 0 });
        let freed = self.world.lead(Op::FreeNameless(FreeNameless { unheld })).progress;
        assert_eq!(freed, nameless.len() as u64);
    }

    /// Carries a step out on both sides; they must agree on whether it works.
    fn run(&mut self, step: &Step) {
        let name = NAMES[step.y % NAMES.len()];
        let key = KEYS[step.x % KEYS.len()];
        let dir = self.dir(step.x);
        let ino = self.inos[&dir];
        let (op, works) = match step.kind {
            0 | 1 => {
                let content = match step.chunked {
                    true => self.world.content(&[&step.bytes]),
                    false => inline(&step.bytes),
                };
                self.tree.put(key, step.bytes.clone());
                (put_object(key, content), true)
            }
            2 => {
                self.tree.delete(key);
                (delete_objects(&[key]), true)
            }
            3 => (create(ino, name, FileKind::Directory), self.tree.create(dir, name, true)),
            4 => (create(ino, name, FileKind::File), self.tree.create(dir, name, false)),
            5 => {
                let op = Unlink { parent: ino, name: name.into(), unheld: None };
                (Op::Unlink(op), self.tree.unlink(dir, name))
            }
            6 => {
                let op = RemoveDir { parent: ino, name: name.into() };
                (Op::RemoveDir(op), self.tree.remove_dir(dir, name))
            }
            7 => self.rename(step, dir, name),
            8 => {
                let Some(file) = self.file(step.z) else { return };
                let op = Link { ino: self.inos[&file], parent: ino, name: name.into() };
                (Op::Link(op), self.tree.link(file, dir, name))
            }
            9 | 10 => {
                let Some(file) = self.file(step.z) else { return };
                (self.write(step, file), true)
            }
            11 => {
                let Some(file) = self.file(step.z) else { return };
                self.tree.resize(file, step.offset as usize);
                let size = Some(step.offset);
                (Op::SetAttr(SetAttr { ino: self.inos[&file], size, ..SetAttr::default() }), true)
            }
            12 => {
                let (Some(from), Some(to)) = (self.file(step.y), self.file(step.z)) else { return };
                if from == to {
                    return;
                }
                let length = step.bytes.len() as u64;
                let op = CopyRange {
                    source: self.inos[&from],
                    source_offset: step.x as u64 % 20,
                    target: self.inos[&to],
                    target_offset: step.offset,
                    length,
                };
                self.tree.copy_range(
                    from,
                    op.source_offset as usize,
                    to,
                    step.offset as usize,
                    length as usize,
                );
                (Op::CopyRange(op), true)
            }
            13 => return self.free_nameless(),
            _ => {
                let target = KEYS[step.z % KEYS.len()];
                let op = CopyObject {
                    source_bucket: BUCKET.into(),
                    source_key: key.into(),
                    bucket: BUCKET.into(),
                    key: target.into(),
                    ..CopyObject::default()
                };
                (Op::CopyObject(op), self.tree.copy(key, target))
            }
        };
        let reply = self.world.run(op);
        assert_eq!(reply.is_ok(), works, "{step:?}: {reply:?}");
    }

    fn rename(&mut self, step: &Step, dir: usize, name: &str) -> (Op, bool) {
        let to = self.dir(step.z);
        let new_name = NAMES[(step.offset as usize) % NAMES.len()];
        let mode = if step.chunked { RenameMode::Replace } else { RenameMode::NoReplace };
        let op = Rename {
            parent: self.inos[&dir],
            name: Bytes::copy_from_slice(name.as_bytes()),
            new_parent: self.inos[&to],
            new_name: Bytes::copy_from_slice(new_name.as_bytes()),
            mode: mode as i32,
            unheld: None,
        };
        let source = self.tree.shown(dir, name);
        if source.is_some_and(|(_, node)| self.quotas.forbid(&self.tree, node, dir, to)) {
            return (Op::Rename(op), false);
        }
        (Op::Rename(op), self.tree.rename(dir, name, to, new_name, mode == RenameMode::Replace))
    }

    fn write(&mut self, step: &Step, file: usize) -> Op {
        let length = step.bytes.len() as u64;
        let append = step.x.is_multiple_of(4);
        let hole = !append && step.x % 4 == 1;
        let offset = if append { 0 } else { step.offset };
        let mut op = Write { ino: self.inos[&file], append, ..Write::default() };
        op.pieces.push(match (hole, step.chunked) {
            (true, _) => piece(offset, length, None),
            (false, true) => {
                let commit = self.world.chunk(&step.bytes);
                let source = whole(&commit, 0);
                op.chunks.push(commit);
                piece(offset, length, Some(source))
            }
            (false, false) => inline_piece(offset, &step.bytes),
        });
        let bytes = if hole { vec![0; step.bytes.len()] } else { step.bytes.clone() };
        self.tree.write(file, (!append).then_some(offset as usize), &bytes);
        Op::Write(op)
    }

    /// Compares everything, and learns which inode is which node.
    fn compare(&mut self) {
        self.inos = BTreeMap::from([(ROOT, self.world.bucket())]);
        self.compare_dir(ROOT);
        let keys = self.tree.keys();
        assert_eq!(self.world.list_all(), keys);
        let mut grouped: Vec<String> = Vec::new();
        for name in self.tree.names(ROOT) {
            grouped.push(if name.ends_with('/') { format!("{name}*") } else { name });
        }
        assert_eq!(self.world.list("", "/", "", 1000).0, grouped);
        let (first, more) = self.world.list("", "", "", 2);
        assert_eq!(first, keys[..keys.len().min(2)]);
        assert_eq!(more, keys.len() > 2);
    }

    fn compare_dir(&mut self, dir: usize) {
        let ask = ReadDir { ino: self.inos[&dir], after: Bytes::new(), most: 4096, inodes: false };
        let entries = self.world.ask(Query::ReadDir(ask)).entries;
        let found: Vec<String> =
            entries.iter().map(|entry| String::from_utf8(entry.key.to_vec()).unwrap()).collect();
        assert_eq!(found, self.tree.names(dir));
        for entry in entries {
            let node = self.tree.child(dir, std::str::from_utf8(&entry.key).unwrap());
            // The same node is the same inode, under whatever name.
            assert_eq!(*self.inos.entry(node).or_insert(entry.ino), entry.ino);
            match self.tree.bytes(node) {
                Some(bytes) => assert_eq!(self.world.read_inode(entry.ino), bytes),
                None => self.compare_dir(node),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_model_agrees(held in any::<bool>(), steps in proptest::collection::vec(step(15), 1..60)) {
        let mut pair = Pair::new(held);
        for step in &steps {
            pair.run(step);
            pair.compare();
        }
        // Whatever was made can be taken away without a trace.
        for key in pair.tree.keys() {
            pair.world.ok(delete_objects(&[&key]));
        }
        pair.free_nameless();
        prop_assert_eq!(pair.world.totals().chunks, 0);
    }
}
