//! `holdfast put`, `get` and `cp`: which way bytes go, and which name each source gets at the target.
//!
//! As with cp(1): a target that is a directory takes the sources under their own names; otherwise one source
//! becomes the target. A source ending in `/.` stands for what is in the directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::many::Many;
use super::{cat, download, server_copy, upload};
use crate::args::CopyArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Output};
use crate::place::{Place, RemotePath, SCHEME};
use crate::progress::Progress;
use crate::remote::Remote;

/// What every direction of copying needs.
#[derive(Clone)]
pub(super) struct Copying {
    pub(super) remote: Remote,
    pub(super) progress: Progress,
    pub(super) recursive: bool,
    pub(super) archive: bool,
    pub(super) dereference: bool,
    pub(super) update: bool,
}

#[derive(Serialize)]
struct Summary {
    items: u64,
    failed: u64,
    bytes: u64,
    seconds: f64,
}

/// Copies into the cluster.
pub(crate) async fn put(remote: &Remote, args: &CopyArgs, output: Output, quiet: bool) -> Outcome<()> {
    let (target, sources) = split(&args.paths)?;
    let target = Place::Remote(RemotePath::parse(target)?);
    let sources = sources.iter().map(|text| local(text)).collect::<Outcome<_>>()?;
    copy(remote, args, output, quiet, sources, target).await
}

/// Copies out of the cluster.
pub(crate) async fn get(remote: &Remote, args: &CopyArgs, output: Output, quiet: bool) -> Outcome<()> {
    let (target, sources) = split(&args.paths)?;
    let target = local(target)?;
    let sources =
        sources.iter().map(|text| RemotePath::parse(text).map(Place::Remote)).collect::<Outcome<_>>()?;
    copy(remote, args, output, quiet, sources, target).await
}

/// Copies either way, as the paths say.
pub(crate) async fn cp(remote: &Remote, args: &CopyArgs, output: Output, quiet: bool) -> Outcome<()> {
    let (target, sources) = split(&args.paths)?;
    let target = Place::parse(target)?;
    let sources = sources.iter().map(|text| Place::parse(text)).collect::<Outcome<_>>()?;
    copy(remote, args, output, quiet, sources, target).await
}

fn split(paths: &[OsString]) -> Outcome<(&OsString, &[OsString])> {
    paths
        .split_last()
        .filter(|(_, sources)| !sources.is_empty())
        .ok_or_else(|| Failure::usage("name a source and a target"))
}

fn local(text: &OsStr) -> Outcome<Place> {
    match Place::parse(text)? {
        Place::Remote(path) => Err(Failure::usage(format!(
            "{SCHEME}{path} lies in the cluster, but a path on this machine belongs here"
        ))),
        place => Ok(place),
    }
}

async fn copy(
    remote: &Remote,
    args: &CopyArgs,
    output: Output,
    quiet: bool,
    sources: Vec<Place>,
    target: Place,
) -> Outcome<()> {
    let progress = Progress::new(output, quiet);
    let copying = Copying {
        remote: remote.clone(),
        progress: progress.clone(),
        recursive: args.recursive || args.archive,
        archive: args.archive,
        dereference: args.dereference,
        update: args.update,
    };
    let many = Many::new(args.jobs, progress.clone());
    let started = Instant::now();
    let outcome = match &target {
        Place::Remote(target) => to_remote(&copying, &many, sources, target).await,
        Place::Local(target) => to_local(&copying, &many, sources, target).await,
        Place::Pipe => to_pipe(&copying, sources).await,
    };
    many.settle().await;
    progress.finish();
    outcome?;
    let piped = target == Place::Pipe;
    if !piped && (output.json || (copying.recursive && !quiet)) {
        summary(&many, &progress, output, started)?;
    }
    many.outcome("copied")
}

fn summary(many: &Many, progress: &Progress, output: Output, started: Instant) -> Outcome<()> {
    let seconds = started.elapsed().as_secs_f64();
    let summary = Summary { items: many.done(), failed: many.failed(), bytes: progress.bytes(), seconds };
    output.show(&summary, |out| {
        let rate = output::size((summary.bytes as f64 / seconds.max(0.001)) as u64);
        writeln!(out, "{} items, {} in {seconds:.1} s ({rate}/s)", summary.items, output::size(summary.bytes))
    })
}

async fn to_remote(copying: &Copying, many: &Many, sources: Vec<Place>, target: &RemotePath) -> Outcome<()> {
    let into = copying.remote.is_directory(target).await?;
    if !into && sources.len() > 1 {
        return Err(Failure::not_found(format!(
            "{target}: no such directory; make it with `holdfast mkdir`"
        )));
    }
    for source in sources {
        match source {
            Place::Pipe if into => {
                return Err(Failure::usage(format!("{target} is a directory: name the file to write")));
            }
            Place::Pipe => upload::pipe(copying, target).await?,
            Place::Local(source) => {
                let goal = goal(target, into, local_base(&source)?);
                upload::start(copying, many, &source, &goal).await?;
            }
            Place::Remote(source) => {
                let goal = goal(target, into, source.name().map(<[u8]>::to_vec));
                server_copy::start(copying, many, &source, &goal).await?;
            }
        }
    }
    Ok(())
}

/// The target of one source. `base` is its own name; `None` when only what is in it shall be copied.
fn goal(target: &RemotePath, into: bool, base: Option<Vec<u8>>) -> RemotePath {
    match base {
        Some(base) if into || (target.wants_directory && !target.is_root()) => target.join(&base),
        _ => target.clone(),
    }
}

/// A local source's own name; `None` for `/` and for `dir/.`.
fn local_base(source: &Path) -> Outcome<Option<Vec<u8>>> {
    let text = source.as_os_str().as_bytes();
    if text == b"." || text.ends_with(b"/.") || text == b"/" {
        return Ok(None);
    }
    match source.file_name() {
        Some(name) => Ok(Some(name.as_bytes().to_vec())),
        None => {
            let real = source
                .canonicalize()
                .map_err(|error| Failure::failed(format!("{}: {error}", source.display())))?;
            Ok(real.file_name().map(|name| name.as_bytes().to_vec()))
        }
    }
}

async fn to_local(copying: &Copying, many: &Many, sources: Vec<Place>, target: &Path) -> Outcome<()> {
    let into = target.is_dir();
    let wants_directory = target.as_os_str().as_bytes().ends_with(b"/");
    if !into && (sources.len() > 1 || wants_directory && !copying.recursive) {
        return Err(Failure::not_found(format!("{}: no such directory", target.display())));
    }
    for source in sources {
        let Place::Remote(source) = source else {
            return Err(Failure::usage(
                "neither side is in the cluster: write hf:/bucket/name for the one that is",
            ));
        };
        let goal: PathBuf = match source.name() {
            Some(name) if into => target.join(crate::place::local_name(name)?),
            _ => target.to_path_buf(),
        };
        download::start(copying, many, &source, &goal).await?;
    }
    Ok(())
}

async fn to_pipe(copying: &Copying, sources: Vec<Place>) -> Outcome<()> {
    for source in sources {
        let Place::Remote(source) = source else {
            return Err(Failure::usage(
                "neither side is in the cluster: write hf:/bucket/name for the one that is",
            ));
        };
        cat::to_stdout(&copying.remote, &source).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_directory_takes_sources_under_their_names() {
        let target = RemotePath::parse(OsStr::new("/b/t")).unwrap();
        assert_eq!(goal(&target, true, Some(b"x".to_vec())).to_string(), "/b/t/x");
        assert_eq!(goal(&target, false, Some(b"x".to_vec())).to_string(), "/b/t");
        assert_eq!(goal(&target, true, None).to_string(), "/b/t");
        let slash = RemotePath::parse(OsStr::new("/b/t/")).unwrap();
        assert_eq!(goal(&slash, false, Some(b"x".to_vec())).to_string(), "/b/t/x");
    }

    #[test]
    fn the_contents_of_a_directory() {
        assert_eq!(local_base(Path::new("a/b")).unwrap(), Some(b"b".to_vec()));
        assert_eq!(local_base(Path::new("a/b/.")).unwrap(), None);
        assert_eq!(local_base(Path::new(".")).unwrap(), None);
    }
}
