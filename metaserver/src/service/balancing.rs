//! `Balancing`: what the evening out of disks is at, and what would be moved if it began now.

use holdfast_proto::admin::{BalanceLevel, BalanceMove, BalancePlan, BalanceReply, BalanceRequest};
use holdfast_proto::op::Balance;
use holdfast_proto::status::Status;
use holdfast_rpc::Context;
use holdfast_state::plan::balance::Plan;
use holdfast_state::{keys, records};

use super::Services;
use crate::leader::balance;

/// Moves told at most; their sum is always told.
const MOST_MOVES: usize = 1000;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    request: BalanceRequest,
) -> Result<BalanceReply, Status> {
    let leader = services.leader()?;
    let plan = if request.plan { Some(told(&balance::plan(&leader).await?)) } else { None };
    // From the state: a leader that just began has not looked at it yet.
    let run: Option<Balance> = leader.look(|_, view| records::load(view, &keys::balance())).await?;
    let measured = leader.sizes.load().whole;
    let now = leader.balancing.lock();
    Ok(BalanceReply {
        run: Some(run.unwrap_or_default()),
        under_way: now.under_way,
        left: now.left,
        rate: now.rate,
        measured,
        plan,
    })
}

fn told(plan: &Plan) -> BalancePlan {
    let moves = plan.moves.iter().take(MOST_MOVES).map(|m| BalanceMove {
        pg: m.pg,
        from: m.from.disk,
        to: m.to.disk,
        bytes: m.bytes,
        under_way: m.under_way,
    });
    let disks = plan.levels.iter().map(|level| BalanceLevel {
        disk: level.disk,
        share: level.share,
        before: level.before,
        after: level.after,
        peak: level.peak,
        cap: level.cap,
    });
    BalancePlan {
        moves: moves.collect(),
        moves_total: plan.moves.len() as u64,
        bytes: plan.bytes(),
        least_bytes: plan.least,
        disks: disks.collect(),
        cut_short: plan.cut_short,
    }
}
