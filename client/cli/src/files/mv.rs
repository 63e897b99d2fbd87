//! `holdfast mv`: renames within the cluster, each in one commit.

use bytes::Bytes;
use holdfast_proto::op::{Op, Rename, RenameMode};

use crate::args::MvArgs;
use crate::failure::{Doing, Failure, Outcome};
use crate::place::RemotePath;
use crate::remote::Remote;

pub(crate) async fn run(remote: &Remote, args: &MvArgs) -> Outcome<()> {
    let paths = super::remote_paths(&args.paths)?;
    let Some((target, sources)) = paths.split_last() else {
        return Err(Failure::usage("name what to move and where to"));
    };
    let into = remote.is_directory(target).await?;
    if !into && (sources.len() > 1 || target.wants_directory) {
        return Err(Failure::not_found(format!("{target}: no such directory")));
    }
    for source in sources {
        let name = source.name().ok_or_else(|| Failure::refused("the root cannot be moved"))?;
        let goal = if into { target.join(name) } else { target.clone() };
        rename(remote, source, &goal, args.no_clobber)
            .await
            .doing(format_args!("move {source} to {goal}"))?;
    }
    Ok(())
}

async fn rename(remote: &Remote, source: &RemotePath, goal: &RemotePath, no_clobber: bool) -> Outcome<()> {
    if source.contains(goal) {
        return Err(if source == goal {
            Failure::refused("both are the same")
        } else {
            Failure::refused("a directory cannot be moved into itself")
        });
    }
    let found = remote.need(source, false).await?;
    let (Some(parent), Some(new_name), Some(name)) = (goal.parent(), goal.name(), source.name()) else {
        return Err(Failure::refused("the root cannot be moved or replaced"));
    };
    let directory = remote.need(&parent, true).await?;
    let mode = if no_clobber { RenameMode::NoReplace } else { RenameMode::Replace };
    let op = Rename {
        parent: found.parent.0,
        name: Bytes::copy_from_slice(name),
        new_parent: directory.inode.ino,
        new_name: Bytes::copy_from_slice(new_name),
        mode: mode as i32,
        unheld: None,
    };
    remote.mutate(Op::Rename(op)).await?;
    Ok(())
}
