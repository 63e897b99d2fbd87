//! Stable names of what the protocol counts in numbers.

use holdfast_proto::audit::{ActorKind, AuditKind};
use holdfast_proto::cluster::{DiskCondition, ScrubState};
use holdfast_proto::map::{FailureDomain, Liveness, PgState, ProcedureKind, Standing, roles};
use holdfast_proto::op::{Ailment, BalanceState, TrashWay};

/// How a node or disk takes part.
pub fn standing(number: i32) -> &'static str {
    match Standing::try_from(number) {
        Ok(Standing::In) => "in",
        Ok(Standing::Draining) => "draining",
        Ok(Standing::Out) => "out",
        Ok(Standing::Removed) => "removed",
        Ok(Standing::Maintenance) => "maintenance",
        Err(_) => "unknown",
    }
}

/// The standing of that name.
pub fn standing_number(name: &str) -> Option<i32> {
    [Standing::In, Standing::Draining, Standing::Out, Standing::Removed, Standing::Maintenance]
        .into_iter()
        .map(|one| one as i32)
        .find(|number| standing(*number) == name)
}

/// How reachable it seems.
pub fn liveness(number: i32) -> &'static str {
    match Liveness::try_from(number) {
        Ok(Liveness::Alive) => "alive",
        Ok(Liveness::Suspect) => "suspect",
        Ok(Liveness::Down) => "down",
        Ok(Liveness::Failed) => "failed",
        Ok(Liveness::Full) => "full",
        Err(_) => "unknown",
    }
}

/// How a disk is, as its node says.
pub fn condition(number: i32) -> &'static str {
    match DiskCondition::try_from(number) {
        Ok(DiskCondition::Good) => "good",
        Ok(DiskCondition::Failed) => "failed",
        Ok(DiskCondition::Full) => "full",
        Ok(DiskCondition::Recovering) => "recovering",
        Err(_) => "unknown",
    }
}

/// Which parts a node plays.
pub fn roles(bits: u32) -> Vec<&'static str> {
    let all = [
        (roles::META, "meta"),
        (roles::CHUNK, "chunk"),
        (roles::GATEWAY, "gateway"),
        (roles::WORKER, "worker"),
        (roles::WITNESS, "witness"),
    ];
    all.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect()
}

/// What is under way with a disk or node.
pub fn procedure(number: i32) -> &'static str {
    match ProcedureKind::try_from(number) {
        Ok(ProcedureKind::Drain) => "drain",
        Ok(ProcedureKind::Maintenance) => "maintenance",
        Ok(ProcedureKind::Replacement) => "replacement",
        Err(_) => "unknown",
    }
}

/// Level at which members differ.
pub fn domain(number: i32) -> &'static str {
    match FailureDomain::try_from(number) {
        Ok(FailureDomain::Disk) => "disk",
        Ok(FailureDomain::Host) => "host",
        Ok(FailureDomain::Rack) => "rack",
        Ok(FailureDomain::Zone) => "zone",
        Err(_) => "unknown",
    }
}

/// The level of that name.
pub fn domain_number(name: &str) -> Option<i32> {
    [FailureDomain::Disk, FailureDomain::Host, FailureDomain::Rack, FailureDomain::Zone]
        .into_iter()
        .map(|level| level as i32)
        .find(|number| domain(*number) == name)
}

/// Whether a group takes new chunks.
pub fn pg_state(number: i32) -> &'static str {
    match PgState::try_from(number) {
        Ok(PgState::Writable) => "writable",
        Ok(PgState::Sealed) => "sealed",
        Ok(PgState::Retired) => "retired",
        Err(_) => "unknown",
    }
}

/// How close to loss a group is.
pub fn ailment(number: i32) -> &'static str {
    match Ailment::try_from(number) {
        Ok(Ailment::Whole) => "whole",
        Ok(Ailment::Degraded) => "degraded",
        Ok(Ailment::AtRisk) => "at_risk",
        Ok(Ailment::Unavailable) => "unavailable",
        Err(_) => "unknown",
    }
}

/// What balancing is at.
pub fn balance(state: BalanceState) -> &'static str {
    match state {
        BalanceState::Idle => "idle",
        BalanceState::Running => "running",
        BalanceState::Paused => "paused",
        BalanceState::Cancelling => "cancelling",
    }
}

/// What the scrub of a disk does.
pub fn scrub(state: ScrubState) -> &'static str {
    match state {
        ScrubState::Waiting => "waiting",
        ScrubState::Running => "running",
        ScrubState::Off => "off",
    }
}

/// How bad an issue is.
pub fn severity(number: u32) -> &'static str {
    match number {
        0 | 1 => "note",
        2 => "warning",
        _ => "danger",
    }
}

/// What the worst issue makes of the whole.
pub fn health(worst: u32) -> &'static str {
    match worst {
        0 | 1 => "healthy",
        2 => "warning",
        _ => "danger",
    }
}

/// Who did something.
pub fn actor(number: i32) -> &'static str {
    match ActorKind::try_from(number) {
        Ok(ActorKind::System) => "system",
        Ok(ActorKind::Client) => "client",
        Ok(ActorKind::Account) => "account",
        Ok(ActorKind::Token) => "token",
        Ok(ActorKind::CommandLine) => "cli",
        Ok(ActorKind::Anonymous) => "anonymous",
        Err(_) => "unknown",
    }
}

/// What an entry of the audit log is about.
pub fn audit(number: i32) -> &'static str {
    match AuditKind::try_from(number) {
        Ok(AuditKind::Change) => "change",
        Ok(AuditKind::Access) => "access",
        Ok(AuditKind::Event) => "event",
        Err(_) => "unknown",
    }
}

/// By which way a file came into the trash.
pub fn trash_way(number: i32) -> String {
    TrashWay::try_from(number).map_or_else(|_| "unknown".into(), |way| format!("{way:?}").to_lowercase())
}
