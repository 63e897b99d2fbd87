//! Somebody who runs fsck with repair all the time, whatever else happens: about any disk and group, about everything
//! that lies there and everything that should, to whoever believes to lead. Whatever is pointed at, nothing may be lost.

use std::time::Duration;

use holdfast_metaserver::leader::crosscheck;
use holdfast_proto::crosscheck::CrossCheck;
use tokio::time::Instant;

use crate::oracle::{self, Groups};
use crate::world::World;

/// As many copies as one question may name.
const COPIES: usize = 64;

/// Asks until the time is over.
pub(crate) async fn keep_asking(world: World, until: Instant) {
    while Instant::now() < until {
        world.rest(200, 3_000).await;
        let Some((_, boss)) = world.believed(world.chance(200)) else { continue };
        let Some(ask) = question(&world) else { continue };
        let deadline = Instant::now() + Duration::from_secs(20);
        // A refusal is as good: the disk is away, or the leader is none any more.
        if let Ok(reply) = crosscheck::answer(&boss, &ask, deadline).await {
            world.note(|| format!("fsck of {:?} in group {}: {reply:?}", ask.disk, ask.pg));
        }
    }
}

/// About one disk and one group: all records there as if none were known, and all chunks as if none were whole.
fn question(world: &World) -> Option<CrossCheck> {
    let (disks, groups) = {
        let state = world.lock();
        let groups: Vec<u32> = Groups::load(&state.table).pgs.keys().copied().collect();
        (state.disks.keys().copied().collect::<Vec<_>>(), groups)
    };
    if disks.is_empty() || groups.is_empty() {
        return None;
    }
    let (disk, pg) = (disks[world.below(disks.len())], groups[world.below(groups.len())]);
    let state = world.lock();
    let known = oracle::chunks(&state, &Groups::load(&state.table));
    let here = state.disks.get(&disk)?.records.keys();
    let of_group = |(of, number): &(u32, u64)| (*of == pg).then_some(*number);
    Some(CrossCheck {
        disk: Some(disk),
        pg,
        records: here.filter_map(of_group).collect(),
        copies: known.iter().filter_map(of_group).take(COPIES).collect(),
        repair: true,
    })
}
