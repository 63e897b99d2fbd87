//! `holdfast ls`: entries of directories, a page at a time, whatever their size.

use std::io::Write;

use futures::StreamExt;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode};

use super::view::{View, printable};
use crate::args::LsArgs;
use crate::failure::Outcome;
use crate::output::{self, Output};
use crate::place::RemotePath;
use crate::remote::{self, Remote};

pub(crate) async fn run(remote: &Remote, args: &LsArgs, output: Output) -> Outcome<()> {
    let paths = super::remote_paths_or_root(&args.paths)?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let several = paths.len() > 1 || args.recursive;
    for (number, path) in paths.iter().enumerate() {
        let found = remote.need(path, !args.directory).await?;
        if args.directory || !found.is_directory() {
            line(&mut out, args, output, &path.to_string(), &path.to_string(), &found.inode)?;
            continue;
        }
        // Directories still to list; a stack, so that memory follows the depth and width of one branch only.
        let mut todo = vec![(path.clone(), Ino(found.inode.ino))];
        let mut first = number == 0;
        while let Some((path, ino)) = todo.pop() {
            if several && !output.json {
                writeln!(out, "{}{path}:", if first { "" } else { "\n" })?;
            }
            first = false;
            let mut inner = list(remote, &path, ino, args, output, &mut out).await?;
            inner.reverse();
            todo.append(&mut inner);
        }
    }
    out.flush()?;
    Ok(())
}

/// Lists one directory; returns its subdirectories when they shall be listed too.
async fn list(
    remote: &Remote,
    path: &RemotePath,
    ino: Ino,
    args: &LsArgs,
    output: Output,
    out: &mut impl Write,
) -> Outcome<Vec<(RemotePath, Ino)>> {
    let mut inner = Vec::new();
    let mut entries = std::pin::pin!(remote.entries(ino));
    while let Some(entry) = entries.next().await {
        let entry = entry?;
        let below = path.join(&entry.name);
        let inode = entry.inode.unwrap_or_default();
        let mut shown = printable(&entry.name);
        match remote::kind(&inode) {
            FileKind::Directory => shown.push('/'),
            FileKind::Symlink if args.long => {
                shown.push_str(" -> ");
                shown.push_str(&printable(&inode.target));
            }
            _ => {}
        }
        line(out, args, output, &below.to_string(), &shown, &inode)?;
        if args.recursive && remote::kind(&inode) == FileKind::Directory {
            inner.push((below, Ino(inode.ino)));
        }
    }
    Ok(inner)
}

fn line(
    out: &mut impl Write,
    args: &LsArgs,
    output: Output,
    path: &str,
    shown: &str,
    inode: &Inode,
) -> Outcome<()> {
    if output.json {
        return output.line(out, &View::new(path, inode), "");
    }
    if !args.long {
        writeln!(out, "{shown}")?;
        return Ok(());
    }
    let kind = remote::kind(inode);
    let size = if kind == FileKind::Directory { inode.children } else { inode.size };
    writeln!(
        out,
        "{} {:>3} {:>5} {:>5} {:>12} {} {shown}",
        output::mode(kind, inode.mode),
        inode.nlink,
        inode.uid,
        inode.gid,
        size,
        output::time_ns(inode.mtime_ns),
    )?;
    Ok(())
}
