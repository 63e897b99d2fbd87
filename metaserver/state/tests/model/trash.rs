//! The trash in the model: a file that nothing leads to any more, has content and was not let go of, is kept under the path
//! that led to it last; restored, it is the same node again.

use std::collections::BTreeMap;

use holdfast_proto::op::*;
use holdfast_proto::query::{ListTrash, Query};
use proptest::prelude::*;

use crate::common::BUCKET;
use crate::tree::ROOT;
use crate::{KEYS, Pair, Step, step};

/// A kept file: the node, the key that led to it, and whether it goes back by S3's rules.
type Kept = BTreeMap<u64, (usize, String, bool)>;

/// Steps on names and content, and those on the trash.
const KINDS: u8 = 15;
const MORE: u8 = 4;

/// Every file with the keys that lead to it.
fn files(pair: &Pair) -> BTreeMap<usize, Vec<String>> {
    let (mut found, mut todo) = (BTreeMap::<usize, Vec<String>>::new(), vec![(ROOT, String::new())]);
    while let Some((dir, path)) = todo.pop() {
        for name in pair.tree.names(dir) {
            let node = pair.tree.child(dir, &name);
            let path = format!("{path}{name}");
            match pair.tree.bytes(node) {
                Some(_) => found.entry(node).or_default().push(path),
                None => todo.push((node, path)),
            }
        }
    }
    found
}

/// Notes what a step took the last name of.
fn note_lost(pair: &Pair, before: &BTreeMap<usize, Vec<String>>, by_key: bool, kept: &mut Kept) {
    let after = files(pair);
    for (node, paths) in before.iter().filter(|(node, _)| !after.contains_key(node)) {
        assert_eq!(paths.len(), 1, "a step takes one name");
        if !pair.tree.bytes(*node).unwrap().is_empty() {
            kept.insert(pair.inos[node], (*node, paths[0].clone(), by_key));
        }
    }
}

/// Restores or lets go of something; whether there was anything.
fn work_on_trash(pair: &mut Pair, step: &Step, kept: &mut Kept) -> bool {
    let choice = step.z % kept.len().max(1);
    let Some((ino, (node, key, by_key))) = kept.iter().nth(choice).map(|(ino, of)| (*ino, of.clone())) else {
        return false;
    };
    let item = TrashRef { ino, index: 0 };
    if step.kind == KINDS {
        kept.remove(&ino);
        pair.world.ok(Op::EmptyTrash(EmptyTrash { items: vec![item], due: false }));
        return true;
    }
    let elsewhere = step.kind == KINDS + 1;
    let target = if elsewhere { KEYS[step.x % KEYS.len()].to_owned() } else { key };
    let path = if elsewhere { format!("/{BUCKET}/{target}") } else { String::new() };
    let replace = step.chunked;
    let op = RestoreFile { item: Some(item), path: path.into(), replace, unheld: None };
    let before = files(pair);
    let works = pair.tree.restore(node, &target, replace, by_key && !elsewhere);
    let reply = pair.world.run(Op::RestoreFile(op));
    assert_eq!(reply.is_ok(), works, "{target} {step:?}: {reply:?}");
    if works {
        kept.remove(&ino);
        note_lost(pair, &before, false, kept);
    }
    true
}

fn compare(pair: &Pair, kept: &Kept) {
    let list = ListTrash { path: "/".into(), most: 1000, ..ListTrash::default() };
    let found: BTreeMap<u64, (String, u64)> = (pair.world.ask(Query::ListTrash(list)).trash.into_iter())
        .map(|item| (item.ino, (String::from_utf8(item.path.to_vec()).unwrap(), item.size)))
        .collect();
    let of = |(node, key, _): &(usize, String, bool)| {
        (format!("/{BUCKET}/{key}"), pair.tree.bytes(*node).unwrap().len() as u64)
    };
    assert_eq!(found, kept.iter().map(|(ino, kept)| (*ino, of(kept))).collect());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_deleted_is_kept_and_comes_back(
        held in any::<bool>(),
        steps in proptest::collection::vec(step(KINDS + MORE), 1..60),
    ) {
        let mut pair = Pair::new(held);
        let young = PutSetting { name: "trash_min_age_seconds".into(), value: "0".into() };
        pair.world.ok(Op::PutSetting(young));
        let mut kept = Kept::new();
        pair.compare();
        for step in &steps {
            if step.kind >= KINDS {
                if !work_on_trash(&mut pair, step, &mut kept) {
                    continue;
                }
            } else {
                let before = files(&pair);
                pair.run(step);
                // Unlink and rename are a mount's.
                note_lost(&pair, &before, ![5, 7].contains(&step.kind), &mut kept);
            }
            pair.compare();
            compare(&pair, &kept);
        }
        // Let go of all that is left, it is gone without a trace.
        for key in pair.tree.keys() {
            pair.world.ok(crate::delete_objects(&[&key]));
        }
        let list = ListTrash { path: "/".into(), most: 1000, ..ListTrash::default() };
        for item in pair.world.ask(Query::ListTrash(list)).trash {
            let items = vec![TrashRef { ino: item.ino, index: item.index }];
            pair.world.ok(Op::EmptyTrash(EmptyTrash { items, due: false }));
        }
        pair.free_nameless();
        prop_assert_eq!(pair.world.totals().chunks, 0);
        prop_assert_eq!(pair.world.totals().trash_bytes, 0);
    }
}
