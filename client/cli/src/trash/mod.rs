//! `holdfast trash`: deleted files that are kept for a while. One file per command.

mod empty;
mod keep;
mod ls;
mod restore;

use std::ffi::OsString;

use clap::{Args, Subcommand};
use holdfast_proto::op::TrashWay;
use holdfast_proto::query::{ListTrash, Query, TrashItem};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, span_ms, time_ns};
use crate::place::RemotePath;
use crate::remote::Remote;

/// Items of one page.
const PAGE: u32 = 1000;

const ABOUT: &str = "\
A file that loses its last name (rm, an S3 DELETE, something renamed or put over it) is kept with all that belongs to \
it, until its time is over or the cluster needs the room. Not kept are empty files, links, what a program overwrote or \
cut off within a file, and files that were younger than the cluster setting trash_min_age_seconds when they were \
deleted. How long says the nearest directory above that says it (`holdfast trash keep`), else the cluster setting \
trash_seconds.";

#[derive(Args, Debug)]
#[command(after_help = ABOUT)]
pub(crate) struct TrashArgs {
    #[command(subcommand)]
    command: TrashCommand,
}

#[derive(Subcommand, Debug)]
enum TrashCommand {
    /// List what is kept, in order of path, of one path the last deleted first
    Ls {
        /// What was there or below it; everything when nothing is named
        path: Option<OsString>,
    },
    /// Give deleted files their names again
    Restore(restore::RestoreArgs),
    /// Let go of deleted files for good, and of their room
    Empty(empty::EmptyArgs),
    /// Show or say for how long files are kept that are deleted below a directory
    Keep(keep::KeepArgs),
}

pub(crate) async fn run(remote: &Remote, args: &TrashArgs, output: Output) -> Outcome<()> {
    match &args.command {
        TrashCommand::Ls { path } => ls::run(remote, path.as_ref(), output).await,
        TrashCommand::Restore(args) => restore::run(remote, args, output).await,
        TrashCommand::Empty(args) => empty::run(remote, args, output).await,
        TrashCommand::Keep(args) => keep::run(remote, args, output).await,
    }
}

/// What a command is about.
#[derive(Clone, Debug, PartialEq)]
enum Target {
    /// One item, by its number.
    Item(u64),
    /// What was at a path, or below it.
    Path(RemotePath),
}

impl Target {
    fn parse(text: &OsString) -> Outcome<Self> {
        match text.to_str().and_then(|text| text.parse().ok()) {
            Some(0) => Err(Failure::usage("items are numbered from 1: `holdfast trash ls` shows them")),
            Some(item) => Ok(Self::Item(item)),
            None => Ok(Self::Path(RemotePath::parse(text)?)),
        }
    }
}

/// One item by its number.
async fn item(remote: &Remote, ino: u64) -> Outcome<TrashItem> {
    let reply = remote.ask(Query::ListTrash(ListTrash { ino, ..ListTrash::default() })).await;
    let found = reply.map_err(|failure| Failure::new(failure.exit, format!("item {ino}: {failure}")))?;
    let none = || Failure::not_found(format!("item {ino} is not in the trash"));
    found.trash.into_iter().next().ok_or_else(none)
}

/// Goes through what was at a path and below it, page by page.
struct Pages<'a> {
    remote: &'a Remote,
    ask: Option<ListTrash>,
}

impl<'a> Pages<'a> {
    fn new(remote: &'a Remote, path: &RemotePath, most: u32) -> Self {
        Self { remote, ask: Some(ListTrash { path: path.to_bytes(), most, ..ListTrash::default() }) }
    }

    /// The next page; `None` behind the last.
    async fn next(&mut self) -> Outcome<Option<Vec<TrashItem>>> {
        let Some(ask) = self.ask.take() else { return Ok(None) };
        let reply = self.remote.ask(Query::ListTrash(ask.clone())).await?;
        if reply.more {
            self.ask = Some(ListTrash { after: reply.next, ..ask });
        }
        Ok(Some(reply.trash))
    }
}

/// An item as it is shown.
#[derive(Serialize)]
struct View {
    id: u64,
    path: String,
    size: u64,
    deleted: String,
    by: &'static str,
    /// Seconds of the cluster's uptime.
    seconds_left: u64,
    /// Somebody still has it open.
    open: bool,
}

impl View {
    fn of(item: &TrashItem) -> Self {
        Self {
            id: item.ino,
            path: shown(item),
            size: item.size,
            deleted: time_ns(item.deleted_ns),
            by: way(item.way()),
            seconds_left: item.left_s,
            open: item.open,
        }
    }

    fn left(&self) -> String {
        match self.seconds_left {
            0 => "due".to_owned(),
            seconds => span_ms(seconds.saturating_mul(1000)),
        }
    }
}

fn shown(item: &TrashItem) -> String {
    String::from_utf8_lossy(&item.path).into_owned()
}

fn way(way: TrashWay) -> &'static str {
    match way {
        TrashWay::Unlinked => "removed",
        TrashWay::RenamedOver => "renamed over",
        TrashWay::Deleted => "deleted",
        TrashWay::Overwritten => "overwritten",
        TrashWay::RestoredOver => "restored over",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn numbers_are_items_and_everything_else_is_a_path() {
        assert_eq!(Target::parse(&"17".into()).unwrap(), Target::Item(17));
        assert_eq!(
            Target::parse(&"hf:/b/17".into()).unwrap(),
            Target::Path(RemotePath::root().join(b"b").join(b"17"))
        );
        assert_eq!(Target::parse(&"0".into()).unwrap_err().exit, Exit::Usage);
        assert_eq!(Target::parse(&"b/17".into()).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn what_is_due_says_so() {
        let item = TrashItem { ino: 3, left_s: 0, path: "/b/x".into(), ..TrashItem::default() };
        let due = View::of(&item);
        assert_eq!((due.left().as_str(), due.path.as_str(), due.by), ("due", "/b/x", "removed"));
        assert_eq!(View::of(&TrashItem { left_s: 7200, ..item }).left(), "2h 0m");
    }
}
