//! `holdfast trash empty`: deleted files are let go of for good.

use std::ffi::OsString;

use clap::Args;
use holdfast_proto::op::{EmptyTrash, Op, TrashRef};
use holdfast_proto::query::TrashItem;

use super::{PAGE, Pages, Target, item};
use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, size};
use crate::place::RemotePath;
use crate::remote::Remote;

/// Items of one command.
const BATCH: u32 = 100;

#[derive(Args, Debug)]
pub(super) struct EmptyArgs {
    /// An item's number, or a path: what was there or below it; everything when nothing is named
    item: Option<OsString>,

    /// Do it: what is let go of cannot be brought back
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(remote: &Remote, args: &EmptyArgs, output: Output) -> Outcome<()> {
    let target = match &args.item {
        Some(item) => Target::parse(item)?,
        None => Target::Path(RemotePath::root()),
    };
    if !args.yes {
        let (files, bytes) = count(remote, &target).await?;
        return Err(Failure::refused(format!(
            "{files} files ({}) would be gone for good: say --yes if that is meant",
            size(bytes)
        )));
    }
    let (mut files, mut bytes) = (0, 0);
    match target {
        Target::Item(number) => {
            let item = item(remote, number).await?;
            (files, bytes) = (1, item.size);
            let_go(remote, &[item]).await?;
        }
        Target::Path(path) => {
            let mut pages = Pages::new(remote, &path, BATCH);
            while let Some(page) = pages.next().await? {
                let_go(remote, &page).await?;
                files += page.len() as u64;
                bytes += page.iter().map(|item| item.size).sum::<u64>();
            }
        }
    }
    output.show(&serde_json::json!({ "files": files, "bytes": bytes }), |out| {
        writeln!(out, "let go of {files} files ({})", size(bytes))
    })
}

async fn count(remote: &Remote, target: &Target) -> Outcome<(u64, u64)> {
    let path = match target {
        Target::Item(number) => return Ok((1, item(remote, *number).await?.size)),
        Target::Path(path) => path,
    };
    let (mut files, mut bytes) = (0, 0);
    let mut pages = Pages::new(remote, path, PAGE);
    while let Some(page) = pages.next().await? {
        files += page.len() as u64;
        bytes += page.iter().map(|item| item.size).sum::<u64>();
    }
    Ok((files, bytes))
}

/// Lets go of a page; a command may do less than it was told when files are large.
async fn let_go(remote: &Remote, page: &[TrashItem]) -> Outcome<()> {
    let items: Vec<TrashRef> =
        page.iter().map(|item| TrashRef { ino: item.ino, index: item.index }).collect();
    let mut rest = items.as_slice();
    while !rest.is_empty() {
        let op = Op::EmptyTrash(EmptyTrash { items: rest.to_vec(), due: false });
        let done = remote.mutate(op).await.doing("empty the trash")?.progress as usize;
        if done == 0 {
            return Err(Failure::failed("the trash was not emptied: the cluster did nothing of it"));
        }
        rest = rest.get(done..).unwrap_or_default();
    }
    Ok(())
}
