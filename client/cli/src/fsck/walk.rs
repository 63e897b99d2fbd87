//! All groups, several side by side: the metadata's list of a group's chunks, a page at a time, against all members.
//!
//! What always holds: a chunk of which fewer pieces were seen than it takes to read it is a problem of its own, also
//! when metadata knows what is missing. A group that changed its members meanwhile is looked at again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use futures::future::join_all;
use holdfast_proto::map::redundancy::Kind;
use holdfast_proto::map::{MapRequest, Pg, PgState, Redundancy};
use holdfast_proto::method::GetMap;
use holdfast_proto::query::{ChunkEntry, ListPgChunks, Query};

use super::Checker;
use super::members::{MemberCheck, PAGE, Seen};
use super::report::{Lost, Tally};
use crate::failure::Outcome;

/// Looks at a group whose members change meanwhile.
const LOOKS: usize = 3;

/// See the module's first lines. Says of each disk that did not answer that it was not checked.
pub(super) async fn groups(checker: &Checker<'_>) -> Outcome<()> {
    let chosen = |pg: &&Pg| {
        pg.state != PgState::Retired as i32
            && (checker.args.pg.is_empty() || checker.args.pg.contains(&pg.id))
    };
    let groups: Vec<&Pg> = checker.map.pgs.iter().filter(chosen).collect();
    let (total, done) = (groups.len(), AtomicUsize::new(0));
    let done = &done;
    let work = groups.into_iter().map(|pg| {
        Box::pin(async move {
            let outcome = group(checker, pg.clone()).await;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            let problems = checker.total.lock().problems_found();
            checker.progress.say(format!("{done} of {total} groups, {problems} problems"));
            outcome
        })
    });
    let mut work = futures::stream::iter(work).buffer_unordered(usize::from(checker.args.jobs));
    while let Some(outcome) = work.next().await {
        outcome?;
    }
    let mut total = checker.total.lock();
    for (disk, why) in checker.silent.lock().iter() {
        total.problem(format!("disk d{disk} could not be checked: {why}"));
        let of = total.disk(*disk);
        (of.unchecked, of.unchecked_told) = (Some(why.clone()), true);
    }
    Ok(())
}

async fn group(checker: &Checker<'_>, mut pg: Pg) -> Outcome<()> {
    for look in 1..=LOOKS {
        let tally = one(checker, &pg).await?;
        // Members that left hold nothing any more: that is no problem of the group. What was handed over stays counted.
        let changed = tally.handed_over + tally.mended > 0;
        if tally.problems_found() > 0 && !changed && look < LOOKS {
            let ask = MapRequest { have: 0, pgs: vec![pg.id], all_pgs: false };
            let now = checker.remote.ask_leader::<GetMap>(&ask).await?;
            match now.pgs.into_iter().find(|now| now.id == pg.id) {
                Some(now) if now.epoch != pg.epoch && now.state != PgState::Retired as i32 => {
                    pg = now;
                    continue;
                }
                Some(now) if now.state == PgState::Retired as i32 => return Ok(()),
                _ => {}
            }
        }
        checker.total.lock().absorb(tally);
        return Ok(());
    }
    Ok(())
}

/// One look at one group.
async fn one(checker: &Checker<'_>, pg: &Pg) -> Outcome<Tally> {
    let mut tally = checker.tally();
    let class = checker.map.classes.iter().find(|class| class.id == pg.class);
    let Some(redundancy) = class.and_then(|class| class.redundancy) else {
        tally.problem(format!("pg{} is of class {}, which does not exist", pg.id, pg.class));
        return Ok(tally);
    };
    let members: Vec<MemberCheck<'_>> =
        pg.members.iter().map(|member| MemberCheck { checker, pg, redundancy, member }).collect();
    let mut after = 0;
    loop {
        let ask = ListPgChunks { pg: pg.id, after, most: PAGE };
        let page = checker.remote.ask(Query::ListChunks(ask)).await?;
        let known = page.chunks;
        let upto = match known.last() {
            Some(last) if page.more => last.number,
            _ => u64::MAX,
        };
        tally.chunks += known.len() as u64;
        tally.bytes += known.iter().map(|chunk| chunk.length).sum::<u64>();
        let seen = join_all(members.iter().map(|member| member.stretch(&known, after, upto))).await;
        readable(checker, pg, &redundancy, &known, &seen, &mut tally).await?;
        seen.into_iter().for_each(|seen| tally.absorb(seen.tally));
        if upto == u64::MAX {
            return Ok(tally);
        }
        after = upto;
    }
}

/// Finds chunks of which less was seen than it takes.
async fn readable(
    checker: &Checker<'_>,
    pg: &Pg,
    redundancy: &Redundancy,
    known: &[ChunkEntry],
    seen: &[Seen],
    tally: &mut Tally,
) -> Outcome<()> {
    let need = pieces_needed(redundancy);
    let unasked = seen.iter().filter(|seen| seen.silent).count() as u32;
    let have = pieces(pg, redundancy, seen);
    for chunk in known {
        let have = have.get(&chunk.number).map_or(0, |pieces| pieces.count_ones());
        if have >= need {
            continue;
        }
        // It may have been deleted since the list was read.
        let after = chunk.number.saturating_sub(1);
        let again = ListPgChunks { pg: pg.id, after, most: 1 };
        let again = checker.remote.ask(Query::ListChunks(again)).await?;
        if again.chunks.first().is_some_and(|now| now.number == chunk.number) {
            tally.lose(Lost { pg: pg.id, number: chunk.number, have, need, unasked });
        }
    }
    Ok(())
}

/// How many different pieces it takes to read a chunk.
pub(super) fn pieces_needed(redundancy: &Redundancy) -> u32 {
    match redundancy.kind {
        Some(Kind::Erasure(shape)) => shape.data,
        Some(Kind::Replicated(_)) | None => 1,
    }
}

/// Which pieces of each chunk were seen, as bits: of a shard that is held twice, one.
fn pieces(pg: &Pg, redundancy: &Redundancy, seen: &[Seen]) -> BTreeMap<u64, u128> {
    let coded = matches!(redundancy.kind, Some(Kind::Erasure(_)));
    let mut all: BTreeMap<u64, u128> = BTreeMap::new();
    for (place, (member, seen)) in pg.members.iter().zip(seen).enumerate() {
        let bit = if coded { member.shard } else { place as u32 };
        let bit = 1_u128.checked_shl(bit).unwrap_or(0);
        for number in &seen.present {
            *all.entry(*number).or_default() |= bit;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use holdfast_proto::map::{Erasure, Member};

    use super::*;

    fn seen(present: &[u64]) -> Seen {
        Seen { tally: Tally::new(0, 0), present: present.to_vec(), silent: false }
    }

    #[test]
    fn a_shard_that_is_held_twice_is_one_piece_and_copies_are_one_each() {
        let member = |disk, shard| Member { disk, shard, ..Member::default() };
        let pg = Pg { members: vec![member(1, 0), member(2, 1), member(3, 1)], ..Pg::default() };
        let coded =
            Redundancy { kind: Some(Kind::Erasure(Erasure { data: 2, parity: 1, ..Erasure::default() })) };
        let found = pieces(&pg, &coded, &[seen(&[7]), seen(&[8]), seen(&[7, 8])]);
        assert_eq!(found[&7].count_ones(), 2);
        assert_eq!(found[&8].count_ones(), 1, "the same shard twice");
        assert_eq!(pieces_needed(&coded), 2);
        let copies = Redundancy::replicated(3, 2);
        let found = pieces(&pg, &copies, &[seen(&[]), seen(&[8]), seen(&[8])]);
        assert_eq!((found[&8].count_ones(), pieces_needed(&copies)), (2, 1));
    }
}
