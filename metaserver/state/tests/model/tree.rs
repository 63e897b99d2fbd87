//! The second implementation: nodes in a vector, directories as maps from stored names to nodes.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

pub const ROOT: usize = 0;

enum Node {
    Dir { entries: BTreeMap<String, usize>, implicit: bool },
    File(Vec<u8>),
}

pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub fn new() -> Self {
        Self { nodes: vec![Node::Dir { entries: BTreeMap::new(), implicit: false }] }
    }

    fn entries(&self, dir: usize) -> &BTreeMap<String, usize> {
        match &self.nodes[dir] {
            Node::Dir { entries, .. } => entries,
            Node::File(_) => panic!("not a directory"),
        }
    }

    /// The entries of a directory; through a mount it becomes explicit.
    fn entries_mut(&mut self, dir: usize, posix: bool) -> &mut BTreeMap<String, usize> {
        match &mut self.nodes[dir] {
            Node::Dir { entries, implicit } => {
                *implicit &= !posix;
                entries
            }
            Node::File(_) => panic!("not a directory"),
        }
    }

    /// Keeps a directory, whatever made it.
    pub fn make_explicit(&mut self, dir: usize) {
        self.entries_mut(dir, true);
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn reachable(&self) -> BTreeSet<usize> {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![ROOT]);
        while let Some(node) = todo.pop() {
            if seen.insert(node)
                && let Node::Dir { entries, .. } = &self.nodes[node]
            {
                todo.extend(entries.values());
            }
        }
        seen
    }

    pub fn dirs(&self) -> Vec<usize> {
        self.reachable().into_iter().filter(|node| self.bytes(*node).is_none()).collect()
    }

    pub fn files(&self) -> Vec<usize> {
        self.reachable().into_iter().filter(|node| self.bytes(*node).is_some()).collect()
    }

    pub fn bytes(&self, node: usize) -> Option<&[u8]> {
        match &self.nodes[node] {
            Node::File(bytes) => Some(bytes),
            Node::Dir { .. } => None,
        }
    }

    pub fn names(&self, dir: usize) -> Vec<String> {
        self.entries(dir).keys().cloned().collect()
    }

    pub fn child(&self, dir: usize, stored: &str) -> usize {
        self.entries(dir)[stored]
    }

    /// All keys, sorted as text: independent of how the listing walks.
    pub fn keys(&self) -> Vec<String> {
        let (mut keys, mut todo) = (Vec::new(), vec![(ROOT, String::new())]);
        while let Some((dir, path)) = todo.pop() {
            for (name, node) in self.entries(dir) {
                match &self.nodes[*node] {
                    Node::File(_) => keys.push(format!("{path}{name}")),
                    Node::Dir { .. } => todo.push((*node, format!("{path}{name}"))),
                }
            }
        }
        keys.sort();
        keys
    }

    fn split(key: &str) -> (Vec<String>, String) {
        let mut parts: Vec<&str> = key.split('/').collect();
        let name = parts.pop().unwrap().to_owned();
        (parts.into_iter().map(|part| format!("{part}/")).collect(), name)
    }

    fn object(&self, key: &str) -> Option<usize> {
        let (dirs, name) = Self::split(key);
        let mut at = ROOT;
        for dir in dirs {
            at = *self.entries(at).get(&dir)?;
        }
        self.entries(at).get(&name).copied()
    }

    pub fn put(&mut self, key: &str, bytes: Vec<u8>) {
        let file = self.add(Node::File(bytes));
        self.place(key, file);
    }

    /// Gives a file a name, with its parents.
    fn place(&mut self, key: &str, file: usize) {
        let (dirs, name) = Self::split(key);
        let mut at = ROOT;
        for dir in dirs {
            at = match self.entries(at).get(&dir) {
                Some(found) => *found,
                None => {
                    let made = self.add(Node::Dir { entries: BTreeMap::new(), implicit: true });
                    self.entries_mut(at, false).insert(dir, made);
                    made
                }
            };
        }
        self.entries_mut(at, false).insert(name, file);
    }

    /// Gives a node that nothing leads to a name again. By S3's rules a file and a directory may have one name.
    pub fn restore(&mut self, node: usize, key: &str, replace: bool, by_key: bool) -> bool {
        let (dirs, name) = Self::split(key);
        let mut at = Some(ROOT);
        for dir in &dirs {
            let plain = dir.trim_end_matches('/');
            if let Some(here) = at {
                at = self.entries(here).get(dir).copied();
                if at.is_none() && !by_key && self.entries(here).contains_key(plain) {
                    return false;
                }
            }
            // No mount could make a directory of this name.
            if at.is_none() && !by_key && plain.is_empty() {
                return false;
            }
        }
        if !by_key
            && (name.is_empty() || at.is_some_and(|at| self.entries(at).contains_key(&format!("{name}/"))))
        {
            return false;
        }
        if self.object(key).is_some() && !replace {
            return false;
        }
        self.place(key, node);
        true
    }

    pub fn delete(&mut self, key: &str) {
        if self.object(key).is_none() {
            return;
        }
        let (dirs, name) = Self::split(key);
        let mut path = vec![ROOT];
        for dir in &dirs {
            path.push(self.entries(*path.last().unwrap())[dir]);
        }
        self.entries_mut(*path.last().unwrap(), false).remove(&name);
        for depth in (1..path.len()).rev() {
            match &self.nodes[path[depth]] {
                Node::Dir { entries, implicit: true } if entries.is_empty() => {
                    self.entries_mut(path[depth - 1], false).remove(&dirs[depth - 1]);
                }
                _ => break,
            }
        }
    }

    pub fn copy(&mut self, from: &str, to: &str) -> bool {
        let Some(bytes) = self.object(from).and_then(|node| self.bytes(node)).map(<[u8]>::to_vec) else {
            return false;
        };
        self.put(to, bytes);
        true
    }

    /// What a mount finds under a plain name: the directory wins.
    pub fn shown(&self, dir: usize, name: &str) -> Option<(String, usize)> {
        let as_dir = format!("{name}/");
        let entries = self.entries(dir);
        if let Some(node) = entries.get(&as_dir) {
            return Some((as_dir, *node));
        }
        entries.get(name).map(|node| (name.to_owned(), *node))
    }

    pub fn create(&mut self, dir: usize, name: &str, directory: bool) -> bool {
        if self.shown(dir, name).is_some() {
            return false;
        }
        let (stored, node) = match directory {
            true => (format!("{name}/"), Node::Dir { entries: BTreeMap::new(), implicit: false }),
            false => (name.to_owned(), Node::File(Vec::new())),
        };
        let node = self.add(node);
        self.entries_mut(dir, true).insert(stored, node);
        true
    }

    pub fn unlink(&mut self, dir: usize, name: &str) -> bool {
        match self.shown(dir, name) {
            Some((stored, node)) if self.bytes(node).is_some() => {
                self.entries_mut(dir, true).remove(&stored);
                true
            }
            _ => false,
        }
    }

    pub fn remove_dir(&mut self, dir: usize, name: &str) -> bool {
        match self.shown(dir, name) {
            Some((stored, node)) if self.bytes(node).is_none() && self.entries(node).is_empty() => {
                self.entries_mut(dir, true).remove(&stored);
                true
            }
            _ => false,
        }
    }

    pub fn link(&mut self, file: usize, dir: usize, name: &str) -> bool {
        if self.shown(dir, name).is_some() {
            return false;
        }
        self.entries_mut(dir, true).insert(name.to_owned(), file);
        true
    }

    pub fn is_below(&self, node: usize, ancestor: usize) -> bool {
        node == ancestor
            || match &self.nodes[ancestor] {
                Node::Dir { entries, .. } => entries.values().any(|child| self.is_below(node, *child)),
                Node::File(_) => false,
            }
    }

    pub fn rename(&mut self, dir: usize, name: &str, to: usize, new_name: &str, replace: bool) -> bool {
        let Some((stored, node)) = self.shown(dir, name) else { return false };
        let directory = self.bytes(node).is_none();
        if directory && self.is_below(to, node) {
            return false;
        }
        if let Some((there, target)) = self.shown(to, new_name) {
            if !replace {
                return false;
            }
            if target == node {
                return true;
            }
            let target_is_dir = self.bytes(target).is_none();
            if directory != target_is_dir || (target_is_dir && !self.entries(target).is_empty()) {
                return false;
            }
            self.entries_mut(to, true).remove(&there);
        }
        self.entries_mut(dir, true).remove(&stored);
        let stored = if directory { format!("{new_name}/") } else { new_name.to_owned() };
        self.entries_mut(to, true).insert(stored, node);
        if let Node::Dir { implicit, .. } = &mut self.nodes[node] {
            *implicit = false;
        }
        true
    }

    fn file_mut(&mut self, file: usize) -> &mut Vec<u8> {
        match &mut self.nodes[file] {
            Node::File(bytes) => bytes,
            Node::Dir { .. } => panic!("not a file"),
        }
    }

    /// Writes at an offset, or at the end.
    pub fn write(&mut self, file: usize, offset: Option<usize>, new: &[u8]) {
        let bytes = self.file_mut(file);
        let offset = offset.unwrap_or(bytes.len());
        if bytes.len() < offset + new.len() {
            bytes.resize(offset + new.len(), 0);
        }
        bytes[offset..offset + new.len()].copy_from_slice(new);
    }

    pub fn resize(&mut self, file: usize, size: usize) {
        self.file_mut(file).resize(size, 0);
    }

    pub fn copy_range(&mut self, from: usize, at: usize, to: usize, offset: usize, length: usize) {
        let source = self.bytes(from).unwrap_or_default();
        let end = source.len().min(at + length);
        if at < end {
            let part = source[at..end].to_vec();
            self.write(to, Some(offset), &part);
        }
    }
}
