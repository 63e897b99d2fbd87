//! When a group is sealed, reopened or retired.
//!
//! What always holds: sealing and reopening have a gap between them (full and half of the limit), so a group does
//! not swing; only a sealed, empty group that is not wanted any more is retired, and the state machine checks again
//! that it holds neither chunks nor garbage.

use holdfast_proto::map::{Pg, PgState};

use super::cluster::Cluster;

/// A group is large enough when it holds this part of its smallest disk (as a divisor), so that a disk's load is
/// made of at least a hundred pieces that repair and balance can spread.
pub const PIECES_PER_DISK: u64 = 128;

/// Smallest limit, so that tiny disks (tests, virtual machines) do not seal after every chunk.
pub const SMALLEST_LIMIT_BYTES: u64 = 256 << 20;

/// Bytes of chunks at which a group is sealed; `None` when no member's disk is known.
pub fn seal_bytes(cluster: &Cluster, pg: &Pg) -> Option<u64> {
    let smallest =
        pg.members.iter().filter_map(|m| cluster.disks.get(&m.disk)).map(|disk| disk.capacity).min()?;
    Some((smallest / PIECES_PER_DISK).max(SMALLEST_LIMIT_BYTES))
}

/// The state that a group with this much in it should have. `leaving`: a member's disk is on its way out, so new
/// data would only have to be moved.
pub fn wanted_state(cluster: &Cluster, pg: &Pg, bytes: u64, chunks: u64) -> PgState {
    let state = pg.state();
    let Some(limit) = seal_bytes(cluster, pg) else { return state };
    let leaving =
        pg.members.iter().any(|m| !cluster.member_disk(m).is_some_and(super::cluster::DiskFacts::stays));
    let all_gone =
        pg.members.iter().all(|m| !cluster.member_disk(m).is_some_and(super::cluster::DiskFacts::stays));
    match state {
        PgState::Writable if bytes >= limit || all_gone => PgState::Sealed,
        PgState::Sealed if chunks == 0 && all_gone => PgState::Retired,
        PgState::Sealed if bytes < limit / 2 && !leaving => PgState::Writable,
        PgState::Writable | PgState::Sealed | PgState::Retired => state,
    }
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{FailureDomain, Redundancy, Standing};

    use super::super::cluster::tests::{TIB, cluster, group};
    use super::*;

    #[test]
    fn seals_at_the_limit_and_reopens_below_half() {
        let mut c = cluster(&[1, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
        let pg = group(&c, 1, &[1, 2]);
        let limit = TIB / 128;
        assert_eq!(wanted_state(&c, &pg, limit - 1, 5), PgState::Writable);
        assert_eq!(wanted_state(&c, &pg, limit, 5), PgState::Sealed);
        let sealed = Pg { state: PgState::Sealed as i32, ..pg };
        assert_eq!(wanted_state(&c, &sealed, limit / 2, 5), PgState::Sealed);
        assert_eq!(wanted_state(&c, &sealed, limit / 2 - 1, 5), PgState::Writable);
        c.disks.get_mut(&1).unwrap().standing = Standing::Draining;
        assert_eq!(wanted_state(&c, &sealed, 0, 0), PgState::Sealed, "a draining member gets nothing new");
        c.disks.get_mut(&2).unwrap().standing = Standing::Out;
        assert_eq!(wanted_state(&c, &sealed, 0, 1), PgState::Sealed);
        assert_eq!(wanted_state(&c, &sealed, 0, 0), PgState::Retired);
    }
}
