//! `holdfast admin quota`: how much a directory and everything below it may hold.

use std::ffi::OsString;

use clap::Args;
use holdfast_admin::files;
use holdfast_support::config::Size;

use super::operator;
use crate::failure::{Doing, Outcome};
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

pub(super) async fn run(remote: &Remote, args: &QuotaArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let path = RemotePath::parse(&args.path)?;
    if args.remove || args.bytes.is_some() || args.files.is_some() {
        // What is not named stays.
        let (bytes, files) = match args.remove {
            true => (Some(0), Some(0)),
            false => (args.bytes.map(|size| size.0), args.files),
        };
        let set = files::limit(&cluster, &path.to_bytes(), bytes, files).await;
        return set.map(drop).doing(format_args!("set the quota of {path}"));
    }
    let quota = files::detail(&cluster, &path.to_bytes()).await?.quota;
    let Some(view) = quota else {
        return output.show(&serde_json::Value::Null, |out| writeln!(out, "{path} has no quota"));
    };
    output.show(&view, |out| {
        if !view.path_is_root {
            writeln!(out, "{path} lies in a directory with a quota (inode {})", view.root)?;
        }
        if view.counting {
            writeln!(out, "What was there before is being counted; until that is done nothing is refused.")?;
        }
        let limit = |limit: u64, text: String| if limit == 0 { "no limit".to_owned() } else { text };
        writeln!(out, "Bytes: {:>10} of {}", size(view.used_bytes), limit(view.bytes, size(view.bytes)))?;
        writeln!(out, "Files: {:>10} of {}", view.used_files, limit(view.files, view.files.to_string()))
    })
}
