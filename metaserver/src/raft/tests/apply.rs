//! The apply thread when something goes wrong on it: nobody waits for it, so it has to say so itself.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use holdfast_proto::ids::{LogIndex, NodeId};
use holdfast_proto::op::Command;
use prost::Message as _;

use super::harness::{INLINE, command};
use crate::raft::GroupConfig;
use crate::raft::apply::{Applier, Effects, StateMachine};
use crate::raft::config::AbortHook;
use crate::raft::error::MetaError;
use crate::raft::start::Stores;
use crate::raft::types::{Entry, Payload, ProposalBuilder, log_id};
use crate::store::StateView;

struct Broken {
    panics: bool,
}

impl StateMachine for Broken {
    fn apply(&mut self, _: &StateView, _: LogIndex, _: &[Command], _: bool) -> Result<Effects, MetaError> {
        assert!(!self.panics, "the machine is broken");
        Err(MetaError::damaged("the machine", "it is broken"))
    }
}

#[tokio::test]
async fn a_machine_that_fails_or_panics_ends_the_process() {
    for panics in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let config = GroupConfig::new(NodeId(1), "a:1", dir.path());
        let Stores { places, table, marker, .. } = Stores::open(&config, INLINE).await.unwrap();
        let (tell, told) = mpsc::channel::<String>();
        let abort: AbortHook = Arc::new(move |reason| tell.send(reason.to_owned()).unwrap());
        let applier = Applier::start(table, marker, places, Box::new(Broken { panics }), 10, abort).unwrap();
        let mut proposal = ProposalBuilder::default();
        proposal.push(&command(1, 1, 0).encode_to_vec());
        let entry = Entry { log_id: log_id(1, 1), payload: Payload::Normal(proposal.finish()) };
        applier.apply(vec![(entry, None)]).await.unwrap();
        let told = tokio::task::spawn_blocking(move || told.recv_timeout(Duration::from_secs(10)));
        let reason = told.await.unwrap().expect("the process is told to end");
        assert_eq!(reason.contains("panicked"), panics, "{reason}");
        assert!(applier.settled().await.is_err(), "nothing is applied any more");
    }
}
