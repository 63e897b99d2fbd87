//! How a file lies in chunks, page by page: for jobs that change that.

use bytes::Bytes;
use holdfast_proto::ids::{ClassId, Ino, PgId};
use holdfast_proto::inode::{Extent, Inode};
use holdfast_proto::query::{GetExtents, Query};

use crate::client::Client;
use crate::error::ClientError;
use crate::map::DEFAULT_CLASS;
use crate::read::file::OpenFile;

/// Some of a file's extents as of one moment. While it lives, their bytes stay readable.
#[derive(Debug)]
pub struct ExtentPage {
    file: OpenFile,
    extents: Vec<Extent>,
    more: bool,
}

impl Client {
    /// The extents of a file from the one that covers `from` on, in order, up to 1,000.
    pub async fn extents(&self, ino: Ino, from: u64) -> Result<ExtentPage, ClientError> {
        let ask = GetExtents { ino: ino.0, offset: from, end: 0, if_version: 0 };
        let answer = self.ask(Query::GetExtents(ask)).await?;
        let more = answer.reply.more;
        let (file, extents) = OpenFile::of_page(self.clone(), answer)?;
        Ok(ExtentPage { file, extents, more })
    }
}

impl Client {
    /// The class of a group's chunks; `None` if there is no such group any more.
    pub async fn class_of_group(&self, pg: u32) -> Result<Option<ClassId>, ClientError> {
        let group = self.inner().group(PgId(pg), self.deadline()).await;
        let group = group.map_err(|status| ClientError::of_question(status, "fetch a placement group"))?;
        Ok(group.map(|group| ClassId(group.class)))
    }
}

impl ExtentPage {
    /// The extents.
    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// The file at that moment.
    pub fn inode(&self) -> &Inode {
        self.file.inode()
    }

    /// The class that new content of the file gets.
    pub fn class(&self) -> ClassId {
        if self.inode().class == 0 { DEFAULT_CLASS } else { ClassId(self.inode().class) }
    }

    /// Where the next page begins, if there is one.
    pub fn next(&self) -> Option<u64> {
        self.extents.last().map(Extent::end).filter(|_| self.more)
    }

    /// The bytes of a range that extents of the page cover without a hole.
    pub async fn read(&self, from: u64, bytes: u64) -> Result<Bytes, ClientError> {
        self.file.read_at(from, bytes).await
    }
}
