//! Looks after open files that nobody may be reading: what they keep from being freed in the cluster, and whether this
//! mount hears of their changes.
//!
//! What always holds:
//! - Content that was not read for [`MountConfig::attr_ttl`](crate::MountConfig) keeps nothing alive in the cluster, so
//!   a descriptor that lies idle stops no collection. Whoever reads next asks first, as after that time anyway.
//! - The kernel asks nothing about pages that it holds. So of every open file either changes are told
//!   ([`Followed::as_of`] is what the cache of names goes by), or it is looked at again until they are, and its pages go
//!   if it is another version than theirs.
//! - One round walks the open files only, and a bounded number of questions is under way.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use holdfast_proto::query::{GetInode, Query};
use tokio::time::{Instant, timeout};

use crate::errno::Errno;
use crate::fs::cache::{Began, Told};
use crate::fs::file::{File, State};
use crate::fs::{Fs, Outcome, Shared};

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(250);

/// Files asked about at once.
const AT_ONCE: usize = 16;

/// Longest wait for one answer: what was not answered comes again.
const LIMIT: Duration = Duration::from_secs(3);

/// First and longest wait before a file is asked about again whose changes the leader does not want to tell.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);

/// How long content may keep things alive in the cluster that nobody reads, whatever the mount's settings are.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(10);

/// After this time it is also forgotten where the content lies.
const FORGET: Duration = Duration::from_secs(60);

/// Whether changes of an open file are told.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// They are, unless everything has become void since.
    as_of: Option<Began>,
    /// What was known was last given up for this.
    expired: Option<Began>,
    /// Not before.
    again: Option<Instant>,
    pause: Duration,
}

impl Followed {
    fn now(&mut self, began: Began) {
        *self = Self { as_of: Some(began), ..Self::default() };
    }

    fn not_yet(&mut self) {
        self.pause = (2 * self.pause).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.again = Some(Instant::now() + self.pause);
    }
}

impl State {
    /// Content that was not read for so long is not protected any more. Where it lies is kept for a while, for who
    /// reads on.
    pub(crate) fn rest(&mut self, idle: Duration, ttl: Duration) {
        let Some(reader) = &mut self.reader else { return };
        let age = reader.at.elapsed();
        if age < idle {
            return;
        }
        // Nobody may read from it before it is renewed.
        match Instant::now().checked_sub(ttl) {
            Some(long_ago) if age < FORGET => {
                reader.at = long_ago.min(reader.at);
                if reader.file.is_protected() {
                    reader.file = reader.file.unprotected();
                }
            }
            _ => self.reader = None,
        }
    }

    /// Whether somebody must ask about the file now. The first time, what is known of it is given up.
    fn is_unheard(&mut self, current: Began, ttl: Duration) -> bool {
        if self.handles == 0 || self.followed.as_of == Some(current) {
            return false;
        }
        if self.followed.expired != Some(current) {
            self.followed = Followed { expired: Some(current), ..Followed::default() };
            self.expire(ttl);
            self.through.changed();
        }
        self.followed.again.is_none_or(|at| at <= Instant::now())
    }
}

/// Starts it.
pub(crate) fn start(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.runtime.spawn(run(weak));
}

async fn run(weak: Weak<Shared>) {
    loop {
        let Some(shared) = weak.upgrade() else { return };
        let fs = Fs { shared };
        let _ = timeout(PERIOD, fs.shared.voided.notified()).await;
        let unheard = fs.look_over();
        stream::iter(unheard)
            .for_each_concurrent(AT_ONCE, |file| {
                let fs = fs.clone();
                async move {
                    if let Err(errno) = fs.look_again(&file).await {
                        tracing::debug!(ino = file.ino, ?errno, "an open file could not be looked at again");
                        file.state.lock().followed.not_yet();
                    }
                }
            })
            .await;
    }
}

impl Fs {
    /// Changes of a file will be told from an answer on, if the answer says so.
    pub(crate) fn note_followed(&self, file: &File, told: Told) {
        if self.shared.cache.follows(told, file.ino) {
            file.state.lock().followed.now(told.began);
        }
    }

    /// One round. Returns what must be asked about.
    fn look_over(&self) -> Vec<Arc<File>> {
        let ttl = self.config().attr_ttl;
        let idle = ttl.clamp(SHORTEST_REST, LONGEST_REST);
        let current = self.shared.cache.began();
        // As long as no news come, no answer would be the last one.
        let answers = self.client().watching() != 0;
        let mut all = self.shared.files.all();
        all.retain(|file| {
            let mut state = file.state.lock();
            state.rest(idle, ttl);
            state.is_unheard(current, ttl) && answers
        });
        all
    }

    /// Asks how a file is now, so that its later changes are told; if it is not as the kernel has it, the kernel's pages
    /// go.
    async fn look_again(&self, file: &Arc<File>) -> Outcome<()> {
        let began = self.shared.cache.began();
        let question = Query::GetInode(GetInode { ino: file.ino, content: false, open: 0 });
        let reply = match self.client().within(LIMIT).ask_leased(question).await.map_err(Errno::from) {
            Ok(answer) => answer.reply,
            Err(Errno::STALE) => {
                // It is gone: nothing will change any more.
                file.state.lock().followed.now(began);
                return Ok(());
            }
            Err(errno) => return Err(errno),
        };
        let told = Told { began, index: reply.index, lease: reply.lease_term };
        let inode = reply.inode.ok_or(Errno::IO)?;
        self.shared.cache.keep_inode(told, &inode);
        let follows = self.shared.cache.follows(told, file.ino);
        let mut state = file.state.lock();
        let void = state.kernel_version != 0 && state.kernel_version != inode.version;
        if !state.learn(&inode) {
            // Older than what a command of ours told meanwhile.
            state.followed.not_yet();
            return Ok(());
        }
        match follows {
            true => state.followed.now(began),
            false => state.followed.not_yet(),
        }
        if void {
            state.kernel_drops(inode.version);
            drop(state);
            self.invalidate(file.ino);
        }
        Ok(())
    }
}
