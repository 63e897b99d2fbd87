//! The client itself: a handle that is cheap to clone, on which everything else hangs.

use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::audit::Actor;
use holdfast_proto::ids::{ClassId, Ino, SessionId};
use holdfast_proto::inode;
use holdfast_proto::map::StorageClass;
use holdfast_proto::op::{CloseSession, Conditions, Op, Reply};
use holdfast_proto::query::{GetInode, GetObject, Query, ResolvePath};
use holdfast_proto::status::Code;
use tokio::time::Instant;

use crate::config::ClientConfig;
use crate::error::ClientError;
use crate::inner::Inner;
use crate::map::ClusterMap;
use crate::read::file::OpenFile;
use crate::sender::Sender;
use crate::session::{Answer, start_upkeep};
use crate::steps;
use crate::write::commit;
use crate::write::content::Content;
use crate::write::writer::{ContentWriter, WriteOptions};

/// A connection to a cluster: one session, one map, one byte budget. Clones share everything but their limits.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
    pub(crate) limit: Duration,
    /// In whose name commands go.
    pub(crate) by: Sender,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("session", &self.session()).field("limit", &self.limit).finish()
    }
}

impl Client {
    /// Connects: fetches the cluster map, retrying until the default deadline. The session is opened by the first
    /// command, or by the first question whose answer must be protected.
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        if config.metaservers.is_empty() {
            return Err(ClientError::Invalid("no metaserver addresses are configured".to_owned()));
        }
        let limit = config.default_deadline;
        let inner = Inner::new(config);
        let client = Self { inner, limit, by: Sender::default() };
        let fetched = client.inner.refresh_map(client.deadline()).await;
        fetched.map_err(|status| ClientError::of_question(status, "fetch the cluster map"))?;
        start_upkeep(&client.inner);
        Ok(client)
    }

    /// The same client with another time limit per operation.
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// The same client, but its commands are carried out in this session or not at all: once it has ended they come to
    /// [`ClientError::SessionLost`]. For what is right only as long as the session's locks are held.
    pub fn only_in(&self, session: SessionId) -> Self {
        Self { by: Sender { only: Some(session), ..self.by.clone() }, ..self.clone() }
    }

    /// The same client, but what it commands is done for somebody, as the audit log will say.
    pub fn acting_for(&self, actor: Actor) -> Self {
        Self { by: Sender { actor: Some(Arc::new(actor)), ..self.by.clone() }, ..self.clone() }
    }

    /// For whom this client's commands are done.
    pub(crate) fn actor(&self) -> Option<Actor> {
        self.by.actor.as_deref().cloned()
    }

    /// The session in use. It changes when the cluster ended the last one.
    pub fn session(&self) -> SessionId {
        self.inner.session().id
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }

    /// When an operation that begins now must be done.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.limit
    }

    /// A pause of about this length, so that retries of many do not fall together.
    pub fn jittered(&self, length: Duration) -> Duration {
        self.inner.jittered(length)
    }

    /// Asks the metadata. While the answer lives, the chunks it names stay readable.
    pub async fn ask(&self, query: Query) -> Result<Answer, ClientError> {
        let answer = self.ask_any(query).await?;
        match answer.reply.status.as_ref().filter(|status| !status.is_ok()) {
            Some(status) => Err(ClientError::Refused(status.clone())),
            None => Ok(answer),
        }
    }

    /// As [`Client::ask`], but a refusal is left in the reply, beside what may come with it.
    pub async fn ask_any(&self, query: Query) -> Result<Answer, ClientError> {
        self.inner.question(query, false, self.deadline()).await
    }

    /// As [`Client::ask`], and the client's [`Keeper`](crate::Keeper) will hear of changes of what is answered if the
    /// answer says so (`lease_term`). That a name is free is an answer here, with the refusal in its status.
    pub async fn ask_leased(&self, query: Query) -> Result<Answer, ClientError> {
        let of_a_name = matches!(query, Query::Lookup(_));
        let answer = self.inner.question(query, self.watching() != 0, self.deadline()).await?;
        match answer.reply.status.as_ref().filter(|status| !status.is_ok()) {
            // A free name has a lease, too.
            Some(status) if of_a_name && status.kind() == Code::NotFound => Ok(answer),
            Some(status) => Err(ClientError::Refused(status.clone())),
            None => Ok(answer),
        }
    }

    /// Carries out a command exactly once, through changes of leader, until the deadline. An error for which
    /// [`ClientError::outcome_unknown`] holds leaves open whether it was carried out; all others mean it was not.
    pub async fn mutate(&self, op: Op) -> Result<Reply, ClientError> {
        self.mutate_any(op).await?.into_result().map_err(ClientError::Refused)
    }

    /// As [`Client::mutate`], but a refusal is left in the reply, beside what may come with it.
    pub async fn mutate_any(&self, op: Op) -> Result<Reply, ClientError> {
        let bucket = match &op {
            Op::CreateBucket(op) => Some(op.name.clone()),
            Op::DeleteBucket(op) => Some(op.name.clone()),
            _ => None,
        };
        let result = steps::command(&self.inner, op, self.limit, &self.by).await;
        if let Some(bucket) = bucket {
            self.inner.classes.forget(&bucket);
        }
        result
    }

    /// The cluster map as it is known now.
    pub fn map(&self) -> Arc<ClusterMap> {
        self.inner.map()
    }

    /// The cluster map, fetched now.
    pub async fn refresh_map(&self) -> Result<Arc<ClusterMap>, ClientError> {
        let map = self.inner.refresh_map(self.deadline()).await;
        map.map_err(|status| ClientError::of_question(status, "fetch the cluster map"))
    }

    /// The storage class that a new object of this key would get. Remembered for some seconds. `NoSuchBucket` if there is
    /// no such bucket.
    pub async fn class_for(&self, bucket: &str, key: &[u8]) -> Result<Arc<StorageClass>, ClientError> {
        self.inner.class_of_new(bucket, key, self.deadline()).await
    }

    /// A storage class by id; 0 is the cluster's default.
    pub async fn class(&self, id: ClassId) -> Result<Arc<StorageClass>, ClientError> {
        self.inner.class(id, self.deadline()).await
    }

    /// Begins new content. Nothing of it is visible before [`Client::commit`].
    pub fn writer(&self, class: &StorageClass, options: WriteOptions) -> ContentWriter {
        ContentWriter::new(self.clone(), class, options)
    }

    /// Makes content visible with the command that `build` makes of it (`PutObject`, `PutPart`, `Write`, …).
    /// `build` is called again when chunks had to be written anew. Otherwise as [`Client::mutate`].
    pub async fn commit(
        &self,
        content: Content,
        build: impl Fn(inode::Content) -> Op + Send,
    ) -> Result<Reply, ClientError> {
        Box::pin(commit::commit(&self.inner, content, build, self.limit, &self.by)).await
    }

    /// Opens an object by bucket and key. With conditions that do not hold: [`ClientError::ConditionFailed`].
    pub async fn open_object(
        &self,
        bucket: &str,
        key: &[u8],
        conditions: Option<Conditions>,
    ) -> Result<OpenFile, ClientError> {
        let query = Query::GetObject(GetObject {
            bucket: bucket.to_owned(),
            key: bytes::Bytes::copy_from_slice(key),
            content: true,
            conditions,
        });
        self.open(query).await
    }

    /// Opens a file by its absolute path, following symbolic links.
    pub async fn open_path(&self, path: &str) -> Result<OpenFile, ClientError> {
        let path = bytes::Bytes::copy_from_slice(path.as_bytes());
        self.open(Query::ResolvePath(ResolvePath { path, content: true, follow: true })).await
    }

    /// Opens a file by its inode number.
    pub async fn open_inode(&self, ino: Ino) -> Result<OpenFile, ClientError> {
        self.open(Query::GetInode(GetInode { ino: ino.0, content: true, open: 0 })).await
    }

    /// The file that an answer with content tells of ([`GetInode`] and its like).
    pub fn opened(&self, answer: Answer) -> Result<OpenFile, ClientError> {
        OpenFile::new(self.clone(), answer)
    }

    pub(crate) async fn open(&self, query: Query) -> Result<OpenFile, ClientError> {
        let answer = self.ask_any(query).await?;
        match answer.reply.status.clone().filter(|status| !status.is_ok()) {
            Some(status) if status.kind() == Code::PreconditionFailed => {
                Err(ClientError::ConditionFailed { status, inode: answer.reply.inode.map(Box::new) })
            }
            Some(status) => Err(ClientError::Refused(status)),
            None => OpenFile::new(self.clone(), answer),
        }
    }

    /// Ends the session, so that the cluster need not wait for its silence. Every clone is closed with it.
    pub async fn close(&self) -> Result<(), ClientError> {
        let session = self.inner.session();
        let result = match session.is_open() && !self.inner.is_closed() {
            true => self
                .inner
                .command(Op::CloseSession(CloseSession {}), &Sender::default(), self.deadline())
                .await
                .map(drop),
            false => Ok(()),
        };
        self.inner.stop.cancel();
        match result {
            // Gone already is as good.
            Err(ClientError::SessionLost(_)) => Ok(()),
            other => other,
        }
    }
}
