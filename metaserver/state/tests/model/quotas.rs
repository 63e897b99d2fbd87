//! Quotas against the tree of the model: what a directory with a quota uses is what lies below it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_proto::op::*;
use holdfast_proto::query::{GetInode, GetQuota, Query};
use holdfast_proto::status::Code;
use holdfast_state::work::quotas_under_way;
use proptest::prelude::*;

use crate::tree::{ROOT, Tree};
use crate::{Pair, Step, step};

/// More than any test uses.
const PLENTY: u64 = 1 << 40;

/// Directories of the model that have a quota, and whether all of it is counted.
#[derive(Default)]
pub(crate) struct Quotas {
    roots: BTreeSet<usize>,
}

impl Quotas {
    /// The directory with a quota in whose tree each directory lies, if any.
    fn zones(&self, tree: &Tree) -> BTreeMap<usize, Option<usize>> {
        let (mut zones, mut todo) = (BTreeMap::new(), vec![(ROOT, None)]);
        while let Some((dir, above)) = todo.pop() {
            let zone = if self.roots.contains(&dir) { Some(dir) } else { above };
            zones.insert(dir, zone);
            let below = tree.names(dir).into_iter().map(|name| tree.child(dir, &name));
            todo.extend(below.filter(|node| tree.bytes(*node).is_none()).map(|node| (node, zone)));
        }
        zones
    }

    /// Whether a directory cannot be moved, because quotas are in the way.
    pub(crate) fn forbid(&self, tree: &Tree, node: usize, from: usize, to: usize) -> bool {
        let zones = self.zones(tree);
        match tree.bytes(node) {
            Some(_) => false,
            None if self.roots.contains(&node) => zones[&to].is_some(),
            None => zones[&from] != zones[&to] && !tree.names(node).is_empty(),
        }
    }

    /// Quotas go with their directories.
    fn forget(&mut self, tree: &Tree) {
        let there: BTreeSet<usize> = tree.dirs().into_iter().collect();
        self.roots.retain(|root| there.contains(root));
    }
}

impl Pair {
    fn set_quota(&mut self, dir: usize, limit: u64) {
        let zones = self.quotas.zones(&self.tree);
        let own = self.quotas.roots.contains(&dir);
        let above = self.quotas.roots.iter().any(|root| *root != dir && self.tree.is_below(*root, dir));
        let works = limit == 0 || own || (zones[&dir].is_none() && !above);
        let op = SetQuota { ino: self.inos[&dir], bytes: limit, files: limit };
        let reply = self.world.run(Op::SetQuota(op));
        assert_eq!(reply.is_ok(), works, "{reply:?}");
        if works && limit == 0 {
            self.quotas.roots.remove(&dir);
        } else if works {
            self.tree.make_explicit(dir);
            self.quotas.roots.insert(dir);
        }
    }

    /// One step of counting, if there is something to count.
    fn count(&mut self, most: u32) -> bool {
        let Some(quota) = quotas_under_way(&self.world.table, 1).unwrap().pop() else { return false };
        self.world.lead(Op::QuotaStep(QuotaStep { quota, most }));
        true
    }

    fn run_with_quotas(&mut self, step: &Step) {
        match step.kind {
            // One file in two trees is the business of other tests.
            8 => {}
            15 | 16 => self.set_quota(self.dir(step.x), PLENTY),
            17 if step.chunked => self.set_quota(self.dir(step.x), 0),
            17 | 18 => drop(self.count(step.y as u32 % 3)),
            _ => self.run(step),
        }
        self.quotas.forget(&self.tree);
        self.compare();
        self.compare_usage();
    }

    /// What is counted to its end must be what the tree says.
    fn compare_usage(&self) {
        let zones = self.quotas.zones(&self.tree);
        let ask = |ino| self.world.ask(Query::GetQuota(GetQuota { ino })).quota;
        for (dir, zone) in &zones {
            let root = ask(self.inos[dir]).map(|quota| quota.root);
            assert_eq!(root, zone.map(|zone| self.inos[&zone]));
        }
        for root in &self.quotas.roots {
            let quota = ask(self.inos[root]).unwrap();
            let (mut files, mut bytes) = (0, 0);
            for (dir, _) in zones.iter().filter(|(_, zone)| **zone == Some(*root)) {
                files += 1;
                for name in self.tree.names(*dir) {
                    let node = self.tree.child(*dir, &name);
                    if self.tree.bytes(node).is_some() {
                        let ask = GetInode { ino: self.inos[&node], content: false, open: 0 };
                        files += 1;
                        bytes += self.world.ask(Query::GetInode(ask)).inode.unwrap().allocated;
                    }
                }
            }
            let used = (quota.used_bytes, quota.used_files);
            assert!(quota.counting && used <= (bytes, files) || used == (bytes, files), "{quota:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn quotas_agree_with_the_tree(steps in proptest::collection::vec(step(19), 1..60)) {
        let mut pair = Pair::new(false);
        for step in &steps {
            pair.run_with_quotas(step);
        }
        while pair.count(500) {}
        pair.compare_usage();
        // Nothing is left over but what is asked about.
        for root in pair.quotas.roots.clone() {
            let full = SetQuota { ino: pair.inos[&root], bytes: 0, files: 1 };
            pair.world.ok(Op::SetQuota(full));
            let name = "never-there";
            let op = crate::create(pair.inos[&root], name, holdfast_proto::inode::FileKind::File);
            pair.world.refused(op, Code::QuotaExceeded);
        }
    }
}
