//! Start, pause, resume, cancel or end the run that evens out how full disks are.

use holdfast_proto::op::{Balance, BalanceAction, BalanceState, Reply, SteerBalance};
use holdfast_proto::status::Code;

use crate::change::{Change, Outcome, refuse, require};
use crate::keys;

/// Longest outcome kept.
const MAX_OUTCOME: usize = 500;

pub(crate) fn apply(cx: &mut Change<'_>, op: &SteerBalance) -> Outcome {
    let action = BalanceAction::try_from(op.action)
        .map_err(|_| refuse(Code::InvalidArgument, "this action is not known"))?;
    require(op.outcome.len() <= MAX_OUTCOME, Code::InvalidArgument, "the outcome is too long")?;
    let old: Balance = cx.load(&keys::balance())?.unwrap_or_default();
    require(
        op.number == 0 || op.number == old.number,
        Code::StaleOrder,
        "that run is over; there is another one by now",
    )?;
    use BalanceState::{Cancelling, Idle, Paused, Running};
    let now = |state: BalanceState| Balance { state: state as i32, changed_ns: cx.now, ..old.clone() };
    let new = match (action, old.state()) {
        (BalanceAction::Start, Idle) => Balance {
            number: cx.at,
            automatic: op.automatic,
            began_ns: cx.now,
            planned_bytes: op.planned_bytes,
            moves: 0,
            bytes: 0,
            outcome: String::new(),
            ..now(Running)
        },
        (BalanceAction::Start, Running | Paused | Cancelling) => {
            return Err(refuse(Code::Exists, "disks are being balanced already"));
        }
        (BalanceAction::Pause, Running) => now(Paused),
        (BalanceAction::Resume, Paused) => now(Running),
        (BalanceAction::Cancel, Running | Paused) => now(Cancelling),
        (BalanceAction::Finish, Running | Cancelling) => Balance { outcome: op.outcome.clone(), ..now(Idle) },
        (BalanceAction::Count, _) => {
            Balance { moves: old.moves + op.moves, bytes: old.bytes + op.bytes, ..old }
        }
        // Asking for what is so already is no mistake.
        (BalanceAction::Pause, Paused)
        | (BalanceAction::Resume, Running)
        | (BalanceAction::Cancel, Cancelling) => old,
        (BalanceAction::Pause | BalanceAction::Resume, Cancelling) => {
            return Err(refuse(Code::PreconditionFailed, "balancing is being cancelled"));
        }
        (_, Idle) => return Err(refuse(Code::PreconditionFailed, "disks are not being balanced")),
        (BalanceAction::Finish, Paused) => {
            return Err(refuse(Code::PreconditionFailed, "balancing is paused"));
        }
    };
    cx.store(keys::balance(), &new);
    Ok(Reply { id: new.number, ..cx.reply() })
}
