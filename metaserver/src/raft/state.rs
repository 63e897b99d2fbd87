//! The pure state machine of `holdfast-state` over a view of the table.

use bytes::Bytes;
use holdfast_proto::ids::LogIndex;
use holdfast_proto::op::Command;
use holdfast_state::keys;
use holdfast_state::table::{Broken, Overlay, View};

use super::apply::{Effects, StateMachine};
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
    ) -> Result<Effects, MetaError> {
        let mut overlay = Overlay::new(view);
        let mut replies = Vec::with_capacity(commands.len());
        for (at, command) in (first.0..).zip(commands) {
            replies.push(holdfast_state::apply(&mut overlay, LogIndex(at), command)?);
        }
        Ok(Effects { replies, changes: overlay.into_changes().collect() })
    }
}
