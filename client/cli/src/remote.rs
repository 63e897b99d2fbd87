//! The cluster as commands see it: paths in, inodes and bytes out. The only file of the command line that knows
//! the client library's names.
//!
//! What always holds: every call has a deadline (`--timeout`), however many servers and retries it takes. The
//! library's large futures are boxed here, once.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use holdfast_admin::Cluster;
use holdfast_client::{Client, ClientConfig, OpenFile, PutOptions};
use holdfast_proto::audit::Actor;
use holdfast_proto::ids::Ino;
use holdfast_proto::inode::{FileKind, Inode};
use holdfast_proto::method::Method;
use holdfast_proto::op::{self, Op, Reply};
use holdfast_proto::query::{self, Entry, Query, QueryReply};
use holdfast_proto::status::Code;
use holdfast_rpc::{Endpoint, MetaCaller, Net, NetConfig};
use tokio::time::Instant;

use crate::connect::Target;
use crate::failure::{Doing, Exit, Failure, Outcome};
use crate::place::RemotePath;

/// Names in one page of a directory.
const PAGE: u32 = 1_000;
/// Before a busy node is asked again, at least.
const LEAST_WAIT: Duration = Duration::from_millis(50);

/// A connection to the cluster.
#[derive(Clone)]
pub(crate) struct Remote {
    client: Client,
    net: Net,
    target: Target,
}

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) inode: Inode,
    /// The directory it lies in.
    pub(crate) parent: Ino,
}

impl Found {
    pub(crate) fn kind(&self) -> FileKind {
        kind(&self.inode)
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind() == FileKind::Directory
    }
}

/// What an inode is.
pub(crate) fn kind(inode: &Inode) -> FileKind {
    FileKind::try_from(inode.kind).unwrap_or(FileKind::File)
}

impl Remote {
    /// Connects, or says that nobody answers.
    pub(crate) async fn connect(target: Target) -> Outcome<Self> {
        let config = ClientConfig {
            description: format!("holdfast command line, pid {}", std::process::id()),
            default_deadline: target.timeout,
            ..ClientConfig::default()
        };
        Self::connect_as(target, config).await
    }

    /// As [`Remote::connect`], for who is more than a command.
    pub(crate) async fn connect_as(target: Target, config: ClientConfig) -> Outcome<Self> {
        let net = Net::new(NetConfig::default());
        let config =
            ClientConfig { metaservers: target.metaservers.clone(), net: Some(net.clone()), ..config };
        let client = Client::connect(config).await.map_err(|error| {
            let failure = Failure::from(error);
            match failure.exit {
                Exit::Unreachable => Failure::new(
                    Exit::Unreachable,
                    format!(
                        "no metadata server of {} answered within {:.0?} ({}): see that one runs there, or name \
                         others with --cluster or HOLDFAST_CLUSTER",
                        target.metaservers.join(", "),
                        target.timeout,
                        failure.message
                    ),
                ),
                _ => failure,
            }
        })?;
        Ok(Self { client, net, target })
    }

    /// The same, but what it changes is done for somebody, as the audit log will say.
    pub(crate) fn acting_for(&self, actor: Actor) -> Self {
        Self { client: self.client.acting_for(actor), net: self.net.clone(), target: self.target.clone() }
    }

    /// The same connection for the admin API's functions.
    pub(crate) fn admin(&self, actor: Actor) -> Cluster {
        let (net, metaservers) = (self.net.clone(), self.target.metaservers.clone());
        Cluster::of_client(net, metaservers, self.client.clone(), actor, self.target.timeout)
    }

    /// The client library's end of it.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the session; failing to is harmless, it expires.
    pub(crate) async fn close(self) {
        let _ = self.client.close().await;
    }

    /// When an operation that starts now must be over.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.target.timeout
    }

    /// Asks the metadata leader directly.
    pub(crate) async fn ask_leader<M: Method>(&self, request: &M::Request) -> Outcome<M::Reply> {
        let caller = MetaCaller::new(self.net.clone(), self.target.metaservers.clone());
        Ok(caller.call::<M>(request, self.deadline()).await?)
    }

    /// Asks one node, also one that is busy. That it does not answer says nothing about the cluster.
    pub(crate) async fn ask_node<M: Method>(&self, to: &Endpoint, request: &M::Request) -> Outcome<M::Reply> {
        let deadline = self.deadline();
        let refusal = loop {
            match self.net.call::<M>(to, request, Bytes::new(), deadline).await {
                Ok((reply, _)) => return Ok(reply),
                Err(status) if status.kind() == Code::Busy => {
                    let again = Instant::now() + Duration::from_millis(status.after_ms).max(LEAST_WAIT);
                    if again >= deadline {
                        break status;
                    }
                    tokio::time::sleep_until(again).await;
                }
                Err(status) => break status,
            }
        };
        Err(match refusal.kind() {
            Code::Unavailable | Code::Timeout => {
                let what = format!("node {} does not answer ({})", to.node, refusal.message);
                Failure::new(Exit::Unreachable, what)
            }
            _ => refusal.into(),
        })
    }

    /// A question to the metadata.
    pub(crate) async fn ask(&self, query: Query) -> Outcome<QueryReply> {
        Ok(Box::pin(self.client.ask(query)).await?.reply)
    }

    /// A change of the metadata.
    pub(crate) async fn mutate(&self, op: Op) -> Outcome<Reply> {
        Ok(Box::pin(self.client.mutate(op)).await?)
    }

    /// What a path names; `None` when there is nothing.
    pub(crate) async fn find(&self, path: &RemotePath, follow: bool) -> Outcome<Option<Found>> {
        let question = query::ResolvePath { path: path.to_bytes(), content: false, follow };
        match Box::pin(self.client.ask(Query::ResolvePath(question))).await {
            Ok(answer) => {
                let reply = answer.reply;
                let inode = reply.inode.ok_or_else(|| {
                    Failure::failed(format!("{path}: the cluster answered without an inode"))
                })?;
                Ok(Some(Found { inode, parent: Ino(reply.parent) }))
            }
            Err(error) => match error.code() {
                Code::NotFound | Code::NoSuchBucket => Ok(None),
                Code::NotADirectory => Ok(None),
                _ => Err(error).doing(path),
            },
        }
    }

    /// What a path names, or "no such file".
    pub(crate) async fn need(&self, path: &RemotePath, follow: bool) -> Outcome<Found> {
        let found = self
            .find(path, follow)
            .await?
            .ok_or_else(|| Failure::not_found(format!("{path}: no such file or directory")))?;
        if path.wants_directory && !found.is_directory() {
            return Err(Failure::refused(format!("{path}: not a directory")));
        }
        Ok(found)
    }

    /// Whether a path names a directory.
    pub(crate) async fn is_directory(&self, path: &RemotePath) -> Outcome<bool> {
        Ok(self.find(path, true).await?.is_some_and(|found| found.is_directory()))
    }

    /// The entries of a directory with their inodes, in S3 order, a page at a time.
    pub(crate) fn entries(&self, directory: Ino) -> impl Stream<Item = Outcome<Entry>> + Send + '_ {
        let pages = futures::stream::try_unfold(Some(Bytes::new()), move |after| async move {
            let Some(after) = after else { return Ok::<_, Failure>(None) };
            let question = query::ReadDir { ino: directory.0, after, most: PAGE, inodes: true };
            let reply = self.ask(Query::ReadDir(question)).await?;
            let next = match (reply.more, reply.entries.last()) {
                (true, Some(last)) => Some(if reply.next.is_empty() { last.key.clone() } else { reply.next }),
                _ => None,
            };
            Ok(Some((futures::stream::iter(reply.entries.into_iter().map(Ok)), next)))
        });
        pages.try_flatten()
    }

    /// All entries of a directory. For directories of ordinary size.
    pub(crate) async fn all_entries(&self, directory: Ino) -> Outcome<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut stream = std::pin::pin!(self.entries(directory));
        while let Some(entry) = stream.next().await {
            entries.push(entry?);
        }
        Ok(entries)
    }

    /// Writes a file from a stream of bytes. Nobody sees it before it is whole and durable.
    pub(crate) async fn write_file<S>(
        &self,
        path: &RemotePath,
        options: PutOptions,
        mut bytes: S,
    ) -> Outcome<()>
    where
        S: Stream<Item = Outcome<Bytes>> + Unpin + Send,
    {
        let (bucket, key) = path.bucket_and_key()?;
        if key.is_empty() {
            return Err(Failure::refused(format!(
                "{path}: files lie in buckets, not at the top; choose hf:{path}/name"
            )));
        }
        let mut writer = Box::pin(self.client.put(&bucket, &key, options)).await?;
        while let Some(piece) = bytes.next().await {
            writer.write(piece?).await?;
        }
        Box::pin(writer.finish()).await?;
        Ok(())
    }

    /// Opens a file for reading; overwriting or deleting it meanwhile does not disturb the reader.
    pub(crate) async fn open(&self, path: &RemotePath) -> Outcome<OpenFile> {
        let bytes = path.to_bytes();
        if let Ok(text) = std::str::from_utf8(&bytes) {
            return Ok(Box::pin(self.client.open_path(text)).await?);
        }
        let found = self.need(path, true).await?;
        Ok(Box::pin(self.client.open_inode(Ino(found.inode.ino))).await?)
    }

    /// Makes a directory; with `parents`, whatever is missing above it too, and an existing one is fine.
    pub(crate) async fn make_directory(&self, path: &RemotePath, mode: u32, parents: bool) -> Outcome<()> {
        let (uid, gid) = me();
        let op = op::MakeDirs { path: path.to_bytes(), mode, uid, gid, exclusive: !parents };
        self.mutate(Op::MakeDirs(op)).await?;
        Ok(())
    }

    /// Removes one name that is not a directory.
    pub(crate) async fn unlink(&self, parent: Ino, name: &[u8]) -> Outcome<()> {
        let op = op::Unlink { parent: parent.0, name: Bytes::copy_from_slice(name), unheld: None };
        self.mutate(Op::Unlink(op)).await?;
        Ok(())
    }

    /// Removes an empty directory, or an empty bucket.
    pub(crate) async fn remove_directory(&self, path: &RemotePath, parent: Ino) -> Outcome<()> {
        let Some(name) = path.name() else {
            return Err(Failure::refused("the root cannot be removed"));
        };
        if path.is_bucket() {
            let (name, _) = path.bucket_and_key()?;
            self.mutate(Op::DeleteBucket(op::DeleteBucket { name })).await?;
        } else {
            let op = op::RemoveDir { parent: parent.0, name: Bytes::copy_from_slice(name) };
            self.mutate(Op::RemoveDir(op)).await?;
        }
        Ok(())
    }
}

/// Owner and group that new things get.
pub(crate) fn me() -> (u32, u32) {
    (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
}
