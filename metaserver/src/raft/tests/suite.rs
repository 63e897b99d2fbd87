//! openraft's own suite for log stores and state machines, on ours.

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};

use super::harness::{INLINE, Ledger};
use crate::raft::GroupConfig;
use crate::raft::apply::Applier;
use crate::raft::log::LogStore;
use crate::raft::machine::Machine;
use crate::raft::start::Stores;
use crate::raft::types::TypeConfig;

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine, tempfile::TempDir> for Builder {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().unwrap();
        let mut config = GroupConfig::new(holdfast_proto::ids::NodeId(1), "a:1", dir.path());
        // Small files, so that the suite crosses from one to the next.
        config.store.log_file_bytes = 512;
        let Stores { places, table, marker, log } = Stores::open(&config, INLINE).await.unwrap();
        let machine = Box::new(Ledger);
        let applier = Applier::start(table, marker, places.clone(), machine, 10, config.abort).unwrap();
        Ok((dir, log, Machine { applier, places }))
    }
}

#[test]
fn the_stores_pass_openrafts_suite() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(Suite::test_all(Builder)).unwrap();
}
