//! `holdfast cat`: files to standard output, every byte verified on the way.

use std::os::fd::AsFd;

use futures::StreamExt;
use tokio::io::AsyncWriteExt;

use crate::args::PathsArgs;
use crate::failure::{Doing, Outcome};
use crate::place::RemotePath;
use crate::remote::Remote;

pub(crate) async fn run(remote: &Remote, args: &PathsArgs) -> Outcome<()> {
    for path in super::remote_paths(&args.paths)? {
        to_stdout(remote, &path).await?;
    }
    Ok(())
}

/// Writes one file to standard output.
pub(super) async fn to_stdout(remote: &Remote, path: &RemotePath) -> Outcome<()> {
    let file = remote.open(path).await.doing(path)?;
    let out = std::io::stdout().as_fd().try_clone_to_owned()?;
    let mut out = tokio::fs::File::from_std(out.into());
    out.set_max_buf_size(1 << 20);
    let mut bytes = file.read(0..file.size());
    while let Some(piece) = bytes.next().await {
        out.write_all(&piece.doing(format_args!("read {path}"))?).await?;
    }
    out.flush().await?;
    Ok(())
}
