//! `holdfast stat`: everything the metadata knows about a file.

use super::view::{View, kind_name};
use crate::args::PathsArgs;
use crate::failure::Outcome;
use crate::output::{self, Output};
use crate::remote::{self, Remote};

pub(crate) async fn run(remote: &Remote, args: &PathsArgs, output: Output) -> Outcome<()> {
    let mut views = Vec::new();
    let mut inodes = Vec::new();
    for path in super::remote_paths(&args.paths)? {
        let found = remote.need(&path, false).await?;
        views.push(View::new(path.to_string(), &found.inode));
        inodes.push(found.inode);
    }
    output.show(&views, |out| {
        for (view, inode) in views.iter().zip(&inodes) {
            let kind = remote::kind(inode);
            writeln!(out, "  Path: {}", view.path)?;
            if let Some(target) = &view.target {
                writeln!(out, "Target: {target}")?;
            }
            writeln!(
                out,
                "  Kind: {:<12} Size: {} ({})",
                kind_name(kind),
                inode.size,
                output::size(inode.size)
            )?;
            let mode = output::mode(kind, inode.mode);
            writeln!(out, "  Mode: {mode} ({})  Uid: {}  Gid: {}", view.mode, inode.uid, inode.gid)?;
            writeln!(out, " Inode: {:<12} Links: {}  Version: {}", inode.ino, inode.nlink, inode.version)?;
            writeln!(
                out,
                "  Data: {} in {} extents, {}",
                output::size(inode.allocated),
                inode.extent_count,
                if inode.inline { "in metadata" } else { "in chunks" }
            )?;
            if let Some(etag) = &view.etag {
                writeln!(out, "  ETag: {etag}")?;
            }
            writeln!(out, "Modify: {} UTC", output::time_ns(inode.mtime_ns))?;
            writeln!(out, "Change: {} UTC", output::time_ns(inode.ctime_ns))?;
            writeln!(out, " Birth: {} UTC", output::time_ns(inode.btime_ns))?;
        }
        Ok(())
    })
}
