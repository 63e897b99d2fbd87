//! `holdfast mkdir`: directories; at the top level these are buckets.

use crate::args::MkdirArgs;
use crate::failure::{Doing, Outcome};
use crate::remote::Remote;

pub(crate) async fn run(remote: &Remote, args: &MkdirArgs) -> Outcome<()> {
    for path in super::remote_paths(&args.paths)? {
        remote
            .make_directory(&path, args.mode, args.parents)
            .await
            .doing(format_args!("make directory {path}"))?;
    }
    Ok(())
}
