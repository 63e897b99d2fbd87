//! `holdfast class`: which storage class buckets, directories and files have; gives them another one.
//!
//! A class of a directory is what new files in it get. Files that are there get it with `--recursive`, and are converted in
//! the background; meanwhile they are read and written as ever.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use futures::StreamExt;
use futures::future::BoxFuture;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::map::StorageClass;
use holdfast_proto::op::{Op, SetAttr};
use serde::Serialize;
use std::ffi::OsString;

use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table, size};
use crate::place::RemotePath;
use crate::progress::Progress;
use crate::remote::{self, Remote};

/// Changes under way at the same time.
const AT_ONCE: usize = 32;

#[derive(Args, Debug)]
pub(crate) struct ClassArgs {
    #[command(subcommand)]
    command: ClassCommand,
}

#[derive(Subcommand, Debug)]
enum ClassCommand {
    /// Show the class of paths, and where their content lies
    Get {
        /// Buckets, directories or files
        #[arg(required = true)]
        paths: Vec<OsString>,
    },
    /// Give paths another class; content is converted in the background
    Set {
        /// Directories with everything in them
        #[arg(long, short)]
        recursive: bool,
        /// Name of the class: see `holdfast admin classes`
        class: String,
        /// Buckets, directories or files
        #[arg(required = true)]
        paths: Vec<OsString>,
    },
}

#[derive(Serialize)]
struct View {
    path: String,
    class: String,
    converting: bool,
    /// Bytes of chunks by the class in whose groups they lie.
    bytes_in: BTreeMap<String, u64>,
    /// Bytes that lie in metadata.
    bytes_inline: u64,
}

pub(crate) async fn run(remote: &Remote, args: &ClassArgs, output: Output, quiet: bool) -> Outcome<()> {
    match &args.command {
        ClassCommand::Get { paths } => get(remote, paths, output).await,
        ClassCommand::Set { recursive, class, paths } => {
            let map = remote.client().refresh_map().await?;
            let class = map.class_named(class).cloned().ok_or_else(|| {
                Failure::not_found(format!(
                    "there is no storage class '{class}'; `holdfast admin classes` lists them"
                ))
            })?;
            let progress = Progress::new(output, quiet);
            let walk = Walk { remote, class: &class, progress: progress.clone() };
            for path in super::remote_paths(paths)? {
                let found = remote.need(&path, true).await?;
                walk.set(&path, &found.inode).await?;
                if *recursive && found.is_directory() {
                    walk.directory(path, Ino(found.inode.ino)).await?;
                }
            }
            progress.finish();
            Ok(())
        }
    }
}

struct Walk<'a> {
    remote: &'a Remote,
    class: &'a StorageClass,
    progress: Progress,
}

impl Walk<'_> {
    async fn set(&self, path: &RemotePath, inode: &Inode) -> Outcome<()> {
        let is_there = inode.class == self.class.id;
        let kind = remote::kind(inode);
        if is_there || !matches!(kind, FileKind::File | FileKind::Directory) {
            return Ok(());
        }
        let op = SetAttr { ino: inode.ino, class: Some(self.class.id), ..SetAttr::default() };
        self.remote.mutate(Op::SetAttr(op)).await.doing(path)?;
        Ok(())
    }

    fn directory(&self, path: RemotePath, ino: Ino) -> BoxFuture<'_, Outcome<()>> {
        Box::pin(async move {
            self.progress.say(path.to_string());
            let mut inner = Vec::new();
            let entries = self.remote.entries(ino);
            let mut changes = Box::pin(
                entries
                    .map(|entry| {
                        let path = &path;
                        async move {
                            let entry = entry?;
                            let inode = entry.inode.unwrap_or_default();
                            let path = path.join(&entry.name);
                            self.set(&path, &inode).await?;
                            let is_directory = remote::kind(&inode) == FileKind::Directory;
                            Ok::<_, Failure>(is_directory.then_some((path, Ino(inode.ino))))
                        }
                    })
                    .buffer_unordered(AT_ONCE),
            );
            while let Some(directory) = changes.next().await {
                inner.extend(directory?);
            }
            drop(changes);
            for (path, ino) in inner {
                self.directory(path, ino).await?;
            }
            Ok(())
        })
    }
}

async fn get(remote: &Remote, paths: &[OsString], output: Output) -> Outcome<()> {
    let mut views = Vec::new();
    for path in super::remote_paths(paths)? {
        let found = remote.need(&path, true).await?;
        views.push(view(remote, path.to_string(), &found.inode).await?);
    }
    output.show(&views, |out| {
        let mut table = Table::new(&["class", "path", "content"]);
        for view in &views {
            let mut content: Vec<String> =
                view.bytes_in.iter().map(|(class, bytes)| format!("{} in {class}", size(*bytes))).collect();
            if view.bytes_inline > 0 {
                content.push(format!("{} in metadata", size(view.bytes_inline)));
            }
            if view.converting {
                content.push("being converted".into());
            }
            table.row(vec![view.class.clone(), view.path.clone(), content.join(", ")]);
        }
        table.write(out)
    })
}

async fn view(remote: &Remote, path: String, inode: &Inode) -> Outcome<View> {
    let client = remote.client();
    let name = |id: u32| match client.map().class(holdfast_proto::ids::ClassId(id)) {
        Some(class) => class.name.clone(),
        None => format!("class {id}"),
    };
    let mut view = View {
        path,
        class: name(inode.class.max(1)),
        converting: inode.converting,
        bytes_in: BTreeMap::new(),
        bytes_inline: if inode.inline { inode.size } else { 0 },
    };
    if remote::kind(inode) != FileKind::File || inode.inline {
        return Ok(view);
    }
    let mut at = Some(0);
    while let Some(from) = at {
        let page = client.extents(Ino(inode.ino), from).await?;
        for extent in page.extents() {
            if extent.inline.is_some() {
                view.bytes_inline += extent.length;
                continue;
            }
            let of = client.class_of_group(extent.pg).await?.map_or(0, |class| class.0);
            *view.bytes_in.entry(name(of)).or_default() += extent.length;
        }
        at = page.next();
    }
    Ok(view)
}
