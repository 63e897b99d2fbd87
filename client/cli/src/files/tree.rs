//! `holdfast tree`: a directory drawn as a tree.

use std::io::Write;

use futures::future::BoxFuture;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::FileKind;
use holdfast_proto::query::Entry;
use serde::Serialize;

use super::view::{kind_name, printable};
use crate::args::TreeArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};
use crate::place::RemotePath;
use crate::remote::{self, Remote};

/// Deepest level that is followed, so that a damaged tree cannot exhaust the stack.
const DEEPEST: usize = 512;

#[derive(Serialize)]
struct Node {
    name: String,
    kind: &'static str,
    size: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<Node>,
}

pub(crate) async fn run(remote: &Remote, args: &TreeArgs, output: Output) -> Outcome<()> {
    let path = match &args.path {
        Some(text) => RemotePath::parse(text)?,
        None => RemotePath::root(),
    };
    let found = remote.need(&path, true).await?;
    if !found.is_directory() {
        return Err(Failure::refused(format!("{path}: not a directory")));
    }
    let depth = args.max_depth.unwrap_or(DEEPEST).min(DEEPEST);
    let ino = Ino(found.inode.ino);
    if output.json {
        let children = collect(remote, ino, depth).await?;
        let node = Node { name: path.to_string(), kind: "directory", size: found.inode.size, children };
        return output.show(&node, |_| Ok(()));
    }
    let mut out = std::io::BufWriter::new(std::io::stdout());
    writeln!(out, "{path}")?;
    let mut counts = (0, 0);
    draw(remote, ino, depth, args.size, String::new(), &mut out, &mut counts).await?;
    writeln!(out, "\n{} directories, {} files", counts.0, counts.1)?;
    out.flush()?;
    Ok(())
}

fn collect(remote: &Remote, ino: Ino, depth: usize) -> BoxFuture<'_, Outcome<Vec<Node>>> {
    Box::pin(async move {
        let mut nodes = Vec::new();
        if depth == 0 {
            return Ok(nodes);
        }
        for entry in remote.all_entries(ino).await? {
            let inode = entry.inode.unwrap_or_default();
            let kind = remote::kind(&inode);
            let children = match kind {
                FileKind::Directory => collect(remote, Ino(inode.ino), depth - 1).await?,
                _ => Vec::new(),
            };
            nodes.push(Node {
                name: printable(&entry.name),
                kind: kind_name(kind),
                size: inode.size,
                children,
            });
        }
        Ok(nodes)
    })
}

fn draw<'a, W: Write + Send>(
    remote: &'a Remote,
    ino: Ino,
    depth: usize,
    sizes: bool,
    indent: String,
    out: &'a mut W,
    counts: &'a mut (u64, u64),
) -> BoxFuture<'a, Outcome<()>> {
    Box::pin(async move {
        if depth == 0 {
            return Ok(());
        }
        let entries = remote.all_entries(ino).await?;
        let last = entries.len();
        for (number, entry) in entries.into_iter().enumerate() {
            let (branch, below) =
                if number + 1 == last { ("└── ", "    ") } else { ("├── ", "│   ") };
            writeln!(out, "{indent}{branch}{}", label(&entry, sizes))?;
            let inode = entry.inode.unwrap_or_default();
            if remote::kind(&inode) == FileKind::Directory {
                counts.0 += 1;
                draw(remote, Ino(inode.ino), depth - 1, sizes, format!("{indent}{below}"), out, counts)
                    .await?;
            } else {
                counts.1 += 1;
            }
        }
        Ok(())
    })
}

fn label(entry: &Entry, sizes: bool) -> String {
    let mut text = printable(&entry.name);
    let Some(inode) = &entry.inode else { return text };
    match remote::kind(inode) {
        FileKind::Directory => text.push('/'),
        FileKind::Symlink => text = format!("{text} -> {}", printable(&inode.target)),
        _ if sizes => text = format!("{text} ({})", output::size(inode.size)),
        _ => {}
    }
    text
}
