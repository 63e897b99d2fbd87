//! `holdfast admin quota`: how much a directory and everything below it may hold.

use std::ffi::OsString;

use clap::Args;
use holdfast_proto::op::{Op, SetQuota};
use holdfast_proto::query::{GetQuota, Query, Quota};
use holdfast_support::config::Size;
use serde::Serialize;

use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, size};
use crate::place::RemotePath;
use crate::remote::Remote;

#[derive(Args, Debug)]
pub(crate) struct QuotaArgs {
    /// The directory
    path: OsString,

    /// At most so many bytes, such as 500GiB; 0: any number
    #[arg(long, value_name = "SIZE")]
    bytes: Option<Size>,

    /// At most so many files and directories, itself included; 0: any number
    #[arg(long, value_name = "COUNT")]
    files: Option<u64>,

    /// Remove the quota
    #[arg(long, conflicts_with_all = ["bytes", "files"])]
    remove: bool,
}

#[derive(Serialize)]
struct View {
    /// Inode of the directory that has the quota: this one or one above.
    root: u64,
    bytes: u64,
    files: u64,
    used_bytes: u64,
    used_files: u64,
    counting: bool,
}

pub(super) async fn run(remote: &Remote, args: &QuotaArgs, output: Output) -> Outcome<()> {
    let path = RemotePath::parse(&args.path)?;
    let found = remote.find(&path, true).await?;
    let found = found.ok_or_else(|| Failure::not_found(format!("{path} does not exist")))?;
    let ino = found.inode.ino;
    let now = remote.ask(Query::GetQuota(GetQuota { ino })).await?.quota;
    if args.remove || args.bytes.is_some() || args.files.is_some() {
        // What is not named stays.
        let old = now.filter(|quota| quota.root == ino).unwrap_or_default();
        let (bytes, files) = match args.remove {
            true => (0, 0),
            false => (args.bytes.map_or(old.bytes, |size| size.0), args.files.unwrap_or(old.files)),
        };
        let op = Op::SetQuota(SetQuota { ino, bytes, files });
        remote.mutate(op).await.doing(format_args!("set the quota of {path}"))?;
        return Ok(());
    }
    show(&path, ino, now, output)
}

fn show(path: &RemotePath, ino: u64, quota: Option<Quota>, output: Output) -> Outcome<()> {
    let Some(quota) = quota else {
        return output.show(&serde_json::Value::Null, |out| writeln!(out, "{path} has no quota"));
    };
    let view = View {
        root: quota.root,
        bytes: quota.bytes,
        files: quota.files,
        used_bytes: quota.used_bytes,
        used_files: quota.used_files,
        counting: quota.counting,
    };
    output.show(&view, |out| {
        if quota.root != ino {
            writeln!(out, "{path} lies in a directory with a quota (inode {})", quota.root)?;
        }
        if quota.counting {
            writeln!(out, "What was there before is being counted; until that is done nothing is refused.")?;
        }
        let limit = |limit: u64, text: String| if limit == 0 { "no limit".to_owned() } else { text };
        writeln!(out, "Bytes: {:>10} of {}", size(quota.used_bytes), limit(quota.bytes, size(quota.bytes)))?;
        writeln!(out, "Files: {:>10} of {}", quota.used_files, limit(quota.files, quota.files.to_string()))
    })
}
