//! Files opened by number and held open, as a mount does: they stay when they lose their last name, until the last
//! [`Hold`] is dropped or the session ends.
//!
//! What always holds: the leader counts an open before it answers it, so a file that was shown to its opener does not
//! go. Only a client whose configuration says `holds_files` can do this.

use holdfast_proto::ids::Ino;
use holdfast_proto::op::{Create, Op, Reply};
use holdfast_proto::query::{GetInode, Query};
use holdfast_proto::status::Status;

use crate::client::Client;
use crate::error::ClientError;
use crate::read::file::OpenFile;
use crate::session::Answer;
use crate::session::opens::Hold;

impl Client {
    /// Opens a file by its inode number and holds it open. `StaleInode`: it is gone.
    pub async fn open_inode_held(&self, ino: Ino) -> Result<(OpenFile, Hold), ClientError> {
        let (hold, open) = self.begin_open(ino)?;
        let file = self.open(Query::GetInode(GetInode { ino: ino.0, content: true, open })).await?;
        Ok((file, hold.in_session(self.session())))
    }

    /// As [`Client::open_inode_held`], for anything that has an inode, and with its content only if wanted: the answer
    /// is that of `GetInode`.
    pub async fn hold_inode(&self, ino: Ino, content: bool) -> Result<(Answer, Hold), ClientError> {
        let (hold, open) = self.begin_open(ino)?;
        let answer = self.ask_leased(Query::GetInode(GetInode { ino: ino.0, content, open })).await?;
        Ok((answer, hold.in_session(self.session())))
    }

    /// Creates a file, or opens the one that is there if the command says `or_open`, and holds it open. The reply is
    /// that of the command; errors are those of [`Client::mutate`].
    pub async fn create_held(&self, create: Create) -> Result<(Reply, Hold), ClientError> {
        self.check_holds_files()?;
        let mut creating = self.inner().opens.begin_create();
        // Until it is answered: this may be dropped at any time.
        creating.lost = true;
        let result = self.mutate(Op::Create(Create { open: creating.number, ..create })).await;
        creating.lost = result.as_ref().is_err_and(ClientError::outcome_unknown);
        let reply = result?;
        let Some(inode) = &reply.inode else {
            return Err(ClientError::Refused(Status::internal("no inode in the reply")));
        };
        let hold = creating.hold(Ino(inode.ino), self.session());
        Ok((reply, hold))
    }

    fn begin_open(&self, ino: Ino) -> Result<(Hold, u64), ClientError> {
        self.check_holds_files()?;
        Ok(self.inner().opens.take(ino, self.session()))
    }

    fn check_holds_files(&self) -> Result<(), ClientError> {
        match self.inner().config.holds_files {
            true => Ok(()),
            false => Err(ClientError::Invalid("this client did not say that it holds files open".to_owned())),
        }
    }
}
