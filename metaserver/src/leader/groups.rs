//! The loop that keeps enough writable placement groups: creates, seals, reopens and retires them, and lets the
//! default class grow with the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::map::PgState;
use holdfast_proto::op::{CreatePgs, NewPg, Op, SetPgState};
use holdfast_proto::status::Status;
use holdfast_state::plan::{create, fill, shape};

use super::board::Doing;
use super::context::{Leader, is_overtaken};
use super::measure::{Measure, Measured};
use super::ports::{Chunkservers, Metadata};
use super::watch;

const NAME: &str = "groups";
const ROUND: Duration = Duration::from_secs(1);

/// The default class.
const DEFAULT_CLASS: u32 = 1;

/// Groups per command: keeps a command far below its limit of keys.
const GROUPS_PER_COMMAND: usize = 64;

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut measure = Measure::default();
    loop {
        match round(&leader, &mut measure).await {
            Ok(0) => leader.board.set(NAME, Doing::Idle, ""),
            Ok(made) => leader.board.set(NAME, Doing::Busy, format!("changed {made} groups or classes")),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
        tokio::select! {
            biased;
            () = leader.stop.cancelled() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

/// One round; how much it changed.
pub(crate) async fn round<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    measure: &mut Measure,
) -> Result<usize, Status> {
    let mut changed = grow_default(leader).await?;
    changed += create_groups(leader).await?;
    if measure.advance(leader).await? {
        let pgs = leader.cluster.lock().pgs.len();
        leader.sizes.store(Arc::new(measure.sizes(pgs)));
    }
    changed += set_states(leader, measure.groups()).await?;
    if changed > 0 {
        watch::refresh_map(leader).await?;
    }
    Ok(changed)
}

async fn grow_default<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<usize, Status> {
    if !leader.knobs.load().auto_redundancy {
        return Ok(0);
    }
    let change = {
        let cluster = leader.cluster.lock();
        cluster.classes.get(&DEFAULT_CLASS).and_then(|class| shape::grow_class(&cluster, class))
    };
    let Some(change) = change else { return Ok(0) };
    let copies = change.redundancy.map_or(0, |r| r.members());
    match leader.propose(Op::PutClass(change)).await {
        Ok(_) => {
            tracing::info!(copies, "the default class keeps more copies now that the cluster can");
            watch::refresh_map(leader).await?;
            Ok(1)
        }
        Err(status) if is_overtaken(&status) => Ok(0),
        Err(status) => Err(status),
    }
}

async fn create_groups<M: Metadata, C: Chunkservers>(leader: &Leader<M, C>) -> Result<usize, Status> {
    let limits =
        create::Limits { per_disk: leader.knobs.load().groups_per_disk, ..create::Limits::default() };
    let plan: Vec<NewPg> = {
        let cluster = leader.cluster.lock();
        cluster.classes.values().flat_map(|class| create::plan_groups(&cluster, class, &limits)).collect()
    };
    for part in plan.chunks(GROUPS_PER_COMMAND) {
        leader.propose(Op::CreatePgs(CreatePgs { pgs: part.to_vec() })).await?;
    }
    if !plan.is_empty() {
        tracing::info!(groups = plan.len(), "created placement groups");
        // The next round must count these, or it would make them again.
        watch::refresh_map(leader).await?;
    }
    Ok(plan.len())
}

async fn set_states<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    measured: &BTreeMap<u32, Measured>,
) -> Result<usize, Status> {
    let wanted: Vec<SetPgState> = {
        let cluster = leader.cluster.lock();
        let of = |pg: &holdfast_proto::map::Pg| {
            let size = measured.get(&pg.id)?;
            let state = fill::wanted_state(&cluster, pg, size.bytes, size.chunks);
            // Never retire on a count that may be old.
            let sure = state != PgState::Retired || size.whole;
            (state != pg.state() && sure).then_some(SetPgState {
                pg: pg.id,
                if_epoch: pg.epoch,
                state: state as i32,
            })
        };
        cluster.pgs.values().filter_map(of).take(GROUPS_PER_COMMAND).collect()
    };
    let mut changed = 0;
    for change in wanted {
        match leader.propose(Op::SetPgState(change)).await {
            Ok(_) => changed += 1,
            Err(status) => tracing::debug!(pg = change.pg, %status, "a group keeps its state"),
        }
    }
    Ok(changed)
}
