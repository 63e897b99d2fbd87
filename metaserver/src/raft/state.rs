//! The pure state machine of `holdfast-state` over a view of the table.

use bytes::Bytes;
use holdfast_proto::ids::LogIndex;
use holdfast_proto::op::{Command, Op, Reply};
use holdfast_state::Touched;
use holdfast_state::keys;
use holdfast_state::table::{Broken, Overlay, Tx, View};

use super::apply::{Effects, StateMachine, Touch};
use super::error::MetaError;
use crate::store::StateView;

/// Keys of inline content.
pub(crate) const INLINE_PREFIX: &[u8] = &[keys::INLINE];

impl View for StateView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Broken> {
        self.lookup(key).map_err(broken)
    }

    fn scan(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<(Bytes, Bytes)>, Broken> {
        self.range(from, to, most).map_err(broken)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Broken> {
        self.last_in(from, to).map_err(broken)
    }
}

fn broken(error: MetaError) -> Broken {
    Broken::Store(error.to_string())
}

impl From<Broken> for MetaError {
    fn from(error: Broken) -> Self {
        Self::damaged("the replicated state", error)
    }
}

/// Applies commands with [`holdfast_state::apply`], all of a batch over one overlay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct State;

impl StateMachine for State {
    fn apply(
        &mut self,
        view: &StateView,
        first: LogIndex,
        commands: &[Command],
        observed: bool,
    ) -> Result<Effects, MetaError> {
        let mut noting = Noting { overlay: Overlay::new(view), touched: Vec::new(), observed };
        let mut replies = Vec::with_capacity(commands.len());
        let mut touches = Vec::new();
        for (index, command) in (first.0..).zip(commands) {
            replies.push(holdfast_state::apply(&mut noting, LogIndex(index), command)?);
            if matches!(command.op, Some(Op::Compact(_))) {
                // The same bytes, the same attributes: nobody has to drop anything.
                noting.touched.clear();
            }
            let reply = replies.last();
            touches.extend(noting.touched.drain(..).map(|what| {
                let known = command.op.as_ref().is_some_and(|op| tells_its_author(op, reply, what.ino));
                Touch { index, session: if known { command.session } else { 0 }, what }
            }));
        }
        let changes: Vec<_> = noting.overlay.into_changes().collect();
        let removed =
            changes.iter().filter(|(key, value)| value.is_none() && key.first() == Some(&keys::EXTENT));
        let leftovers = removed.count() as u64;
        Ok(Effects { replies, changes, touches, leftovers })
    }
}

/// Whether the command and its reply say what became of an inode, and of names in it.
fn tells_its_author(op: &Op, reply: Option<&Reply>, ino: u64) -> bool {
    let named = op.works_on();
    let is_reply = || reply.and_then(|reply| reply.inode.as_ref()).is_some_and(|inode| inode.ino == ino);
    named != [0, 0] && (named.contains(&ino) || is_reply())
}

/// An overlay that notes what each command touches.
struct Noting<'v> {
    overlay: Overlay<'v, StateView>,
    touched: Vec<Touched>,
    observed: bool,
}

impl Noting<'_> {
    fn note(&mut self, key: &Bytes) {
        if self.observed {
            self.touched.extend(holdfast_state::touched(key));
        }
    }
}

impl View for Noting<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Broken> {
        self.overlay.get(key)
    }

    fn scan(&self, from: &[u8], to: &[u8], most: usize) -> Result<Vec<(Bytes, Bytes)>, Broken> {
        self.overlay.scan(from, to, most)
    }

    fn last(&self, from: &[u8], to: &[u8]) -> Result<Option<(Bytes, Bytes)>, Broken> {
        self.overlay.last(from, to)
    }
}

impl Tx for Noting<'_> {
    fn put(&mut self, key: Bytes, value: Bytes) {
        self.note(&key);
        self.overlay.put(key, value);
    }

    fn delete(&mut self, key: Bytes) {
        self.note(&key);
        self.overlay.delete(key);
    }
}
