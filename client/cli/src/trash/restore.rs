//! `holdfast trash restore`: deleted files get their names again, where they were or elsewhere.

use std::ffi::OsString;

use bytes::Bytes;
use clap::Args;
use holdfast_proto::op::{Op, RestoreFile, TrashRef};
use holdfast_proto::query::{ListTrash, Query, TrashItem};
use serde::Serialize;

use super::{PAGE, Pages, Target, item, shown};
use crate::failure::{Doing, Exit, Failure, Outcome};
use crate::output::{Output, warn};
use crate::place::RemotePath;
use crate::remote::Remote;

#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    /// An item's number, or a path: the file that was deleted there last
    item: OsString,

    /// Everything that was below the path, of each path what was deleted last
    #[arg(long, short)]
    recursive: bool,

    /// Restore to this path instead of where it was; into it, if it is a directory
    #[arg(long, value_name = "PATH")]
    to: Option<OsString>,

    /// Replace a file that is there; it goes to the trash in its turn
    #[arg(long)]
    replace: bool,
}

#[derive(Serialize)]
struct Restored {
    id: u64,
    from: String,
    to: String,
}

pub(super) async fn run(remote: &Remote, args: &RestoreArgs, output: Output) -> Outcome<()> {
    let to = args.to.as_ref().map(|to| RemotePath::parse(to)).transpose()?;
    match (Target::parse(&args.item)?, args.recursive) {
        (Target::Item(_), true) => Err(Failure::usage("an item is one file: -r goes with a path")),
        (Target::Item(number), false) => one(remote, args, item(remote, number).await?, to, output).await,
        (Target::Path(path), false) => one(remote, args, last_at(remote, &path).await?, to, output).await,
        (Target::Path(path), true) => all(remote, args, &path, to, output).await,
    }
}

/// The file that was deleted last at a path.
async fn last_at(remote: &Remote, path: &RemotePath) -> Outcome<TrashItem> {
    let ask = ListTrash { path: path.to_bytes(), most: 1, exact: true, ..ListTrash::default() };
    if let Some(item) = remote.ask(Query::ListTrash(ask.clone())).await?.trash.into_iter().next() {
        return Ok(item);
    }
    let below = remote.ask(Query::ListTrash(ListTrash { exact: false, ..ask })).await?;
    Err(match below.trash.is_empty() {
        true => Failure::not_found(format!("{path}: no file of that path is in the trash")),
        false => Failure::refused(format!("{path} was a directory: -r restores what was below it")),
    })
}

async fn one(
    remote: &Remote,
    args: &RestoreArgs,
    item: TrashItem,
    to: Option<RemotePath>,
    output: Output,
) -> Outcome<()> {
    let to = match to {
        Some(to) if to.wants_directory || remote.is_directory(&to).await? => {
            let name = item.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if name.is_empty() {
                return Err(Failure::usage(
                    "this object has no name of its own: give its whole path with --to",
                ));
            }
            Some(to.join(name))
        }
        to => to,
    };
    let restored = restore(remote, &item, to.as_ref().map(RemotePath::to_bytes), args.replace).await?;
    output.show(&restored, |out| writeln!(out, "restored {}", restored.to))
}

async fn restore(remote: &Remote, item: &TrashItem, to: Option<Bytes>, replace: bool) -> Outcome<Restored> {
    let path = to.unwrap_or_default();
    let target = if path.is_empty() { item.path.clone() } else { path.clone() };
    let target = String::from_utf8_lossy(&target).into_owned();
    let wanted = TrashRef { ino: item.ino, index: item.index };
    let op = RestoreFile { item: Some(wanted), path, replace, unheld: None };
    remote.mutate(Op::RestoreFile(op)).await.doing(format_args!("restore {target}"))?;
    Ok(Restored { id: item.ino, from: shown(item), to: target })
}

/// What was `rest` below one directory, below another; `rest` is empty or begins with `/`.
fn below(to: &[u8], rest: &[u8]) -> Bytes {
    Bytes::from([to.strip_suffix(b"/").unwrap_or(to), rest].concat())
}

/// Everything below a path. What fails is named, and the others go on.
async fn all(
    remote: &Remote,
    args: &RestoreArgs,
    path: &RemotePath,
    to: Option<RemotePath>,
    output: Output,
) -> Outcome<()> {
    let from = path.to_bytes();
    let from = from.strip_suffix(b"/").unwrap_or(&from);
    let (mut done, mut failed, mut seen) = (0_u64, 0_u64, false);
    let mut last = Bytes::new();
    let mut pages = Pages::new(remote, path, PAGE);
    while let Some(page) = pages.next().await? {
        for item in page {
            seen = true;
            // Of one path the last deleted comes first.
            if std::mem::replace(&mut last, item.path.clone()) == item.path {
                continue;
            }
            let rest = item.path.strip_prefix(from).unwrap_or_default();
            let target = to.as_ref().map(|to| below(&to.to_bytes(), rest));
            match restore(remote, &item, target, args.replace).await {
                Ok(_) => done += 1,
                Err(failure) if failure.exit == Exit::Unreachable => return Err(failure),
                Err(failure) => {
                    warn(&failure);
                    failed += 1;
                }
            }
        }
    }
    if !seen {
        return Err(Failure::not_found(format!(
            "{path}: nothing that was there or below it is in the trash"
        )));
    }
    output.show(&serde_json::json!({ "restored": done, "failed": failed }), |out| {
        writeln!(out, "restored {done} files")
    })?;
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(Exit::Partial, format!("{failed} files were not restored"))),
    }
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn no_name_is_empty_below_the_root() {
        assert_eq!(below(b"/", b"/dir/f"), "/dir/f");
        assert_eq!(below(b"/other", b"/dir/f"), "/other/dir/f");
        assert_eq!(below(b"/other/", b"/f"), "/other/f");
    }
}
