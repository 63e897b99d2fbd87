//! `holdfast admin pgs files`: which files have content in a group.
//!
//! Chunks do not know their files, so names are walked: it takes as long as listing everything below the directory that is
//! named.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};

use holdfast_admin::group_files::{self, FileIn};
use serde::Serialize;

use super::operator;
use crate::failure::Outcome;
use crate::output::Output;
use crate::place::RemotePath;
use crate::remote::Remote;

/// Files on one page.
const PAGE: usize = 1000;

#[derive(clap::Args, Debug)]
pub(crate) struct FilesArgs {
    /// The group's number
    id: u32,
    /// End after this many files; the last one, given with --after, is where the next page begins
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    /// Go on behind this path, as the last page ended with it
    #[arg(long)]
    after: Option<OsString>,
    /// Only below this directory; everything when none is named
    path: Option<OsString>,
}

#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    size: u64,
    inode: u64,
}

pub(super) async fn run(remote: &Remote, args: &FilesArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let root = args.path.as_deref().map(RemotePath::parse).transpose()?.unwrap_or_else(RemotePath::root);
    let after = args.after.as_deref().map(RemotePath::parse).transpose()?;
    let root = root.to_bytes();
    let mut place = after.map(|after| after.to_bytes().to_vec());
    let mut left = args.limit;
    let mut out = io::stdout();
    loop {
        let most = left.min(PAGE);
        let page = group_files::files(&cluster, args.id, &root, place.as_deref(), most).await?;
        left -= page.items.len().min(left);
        for FileIn { path, ino, size } in &page.items {
            output.line(&mut out, &Line { path, size: *size, inode: *ino }, path)?;
        }
        out.flush()?;
        match group_files::place(page.next.as_deref())? {
            None => return Ok(()),
            Some(_) if left == 0 => {
                if !output.json {
                    crate::output::warn("there are more: go on with --after and the last path");
                }
                return Ok(());
            }
            further => place = further,
        }
    }
}

/// Which of some files have content in a group. Files that are gone are passed over.
pub(crate) async fn files_in(remote: &Remote, pg: u32, inos: Vec<u64>) -> Outcome<BTreeSet<u64>> {
    Ok(group_files::held(&operator::cluster(remote), pg, inos).await?)
}
