//! Which part of the work is this node's.

use holdfast_client::ClusterMap;
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{Standing, roles};

/// This worker's part in its `round`-th round, and how many parts there are; `None`: the map does not list it (yet).
///
/// Parts go round, so that those of a worker that is down are done by the others.
pub(crate) fn of(map: &ClusterMap, me: NodeId, round: u64) -> Option<(u32, u32)> {
    let takes_part = |standing: i32| {
        !matches!(Standing::try_from(standing), Err(_) | Ok(Standing::Removed | Standing::Out))
    };
    let workers = map.nodes().filter(|node| node.roles & roles::WORKER != 0 && takes_part(node.standing));
    part(workers.map(|node| node.id).collect(), me.0, round)
}

fn part(mut workers: Vec<u64>, me: u64, round: u64) -> Option<(u32, u32)> {
    workers.sort_unstable();
    let number = workers.iter().position(|id| *id == me)? as u64;
    let parts = workers.len() as u64;
    Some(((number.wrapping_add(round) % parts) as u32, parts as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_disjoint_and_go_round() {
        let parts = |round| [4, 9, 2].map(|me| part(vec![9, 2, 4], me, round).unwrap());
        assert_eq!(parts(0), [(1, 3), (2, 3), (0, 3)]);
        assert_eq!(parts(1), [(2, 3), (0, 3), (1, 3)]);
        assert_eq!(part(vec![9], 4, 0), None);
    }
}
