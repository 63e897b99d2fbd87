use holdfast_proto::map::{FailureDomain, Liveness, Redundancy, Standing};
use proptest::prelude::*;

use super::super::cluster::tests::{cluster, group};
use super::*;

const RULES: Rules = Rules { temporary_after_ms: 30_000, bytes: 0, moves_rest: false };

fn look(c: &Cluster, pg: u32) -> Assessment {
    assess(c, &c.pgs[&pg], RULES, |_| false, |_| false).unwrap()
}

/// Applies a step under the rules of the state machine.
fn apply(c: &mut Cluster, pg: u32, step: Step) {
    let mut group = c.pgs[&pg].clone();
    let wanted = c.classes[&group.class].redundancy.unwrap().members() as usize;
    let regulars = group.members.iter().filter(|m| !m.temporary).count();
    let joins = |disk: DiskRef, temporary, shard| Member {
        disk: disk.disk,
        incarnation: disk.incarnation,
        joined: group.epoch + 1,
        clean: false,
        temporary,
        joined_index: 9,
        shard,
        takes: 0,
    };
    let at = |group: &Pg, d: DiskRef| {
        group.members.iter().position(|m| (m.disk, m.incarnation) == (d.disk, d.incarnation))
    };
    match step {
        Step::Add { disk, temporary, shard, .. } => {
            assert!(temporary || regulars < wanted, "more regular members than the class wants");
            assert!(group.members.iter().all(|m| m.disk != disk.disk));
            let member = joins(disk, temporary, shard);
            let place = if temporary { group.members.len() } else { regulars };
            group.members.insert(place, member);
        }
        Step::Drop { member, .. } => {
            let place = at(&group, member).unwrap();
            group.members.remove(place);
            assert!(group.members.iter().any(|m| !m.temporary), "the last regular member cannot leave");
        }
        Step::Replace { member, disk } => {
            let place = at(&group, member).unwrap();
            let new = joins(disk, false, group.members[place].shard);
            match at(&group, disk) {
                Some(stand_in) => {
                    assert!(group.members[stand_in].temporary && !group.members[place].temporary);
                    assert_eq!(group.members[stand_in].shard, group.members[place].shard);
                    group.members[place] = Member { temporary: false, takes: 0, ..group.members[stand_in] };
                    group.members.remove(stand_in);
                }
                None => {
                    assert!(group.members.iter().all(|m| m.disk != disk.disk || m.disk == member.disk));
                    group.members[place] = new;
                }
            }
        }
    }
    group.epoch += 1;
    c.set_pg(group);
}

/// Marks every answering member clean, as backfill does where there is enough to fill it from.
fn fill(c: &mut Cluster, pg: u32) {
    let mut group = c.pgs[&pg].clone();
    let redundancy = c.classes[&group.class].redundancy.unwrap();
    if redundancy.is_erasure() && shards_held(c, pg).len() < redundancy.min_readable() as usize {
        return;
    }
    for member in &mut group.members {
        if c.member_disk(member).is_some_and(DiskFacts::answers) {
            member.clean = true;
        }
    }
    c.set_pg(group);
}

/// Repairs a group until nothing is left to do; the number of membership changes.
fn settle(c: &mut Cluster, pg: u32) -> usize {
    for steps in 0..50 {
        fill(c, pg);
        let Some(step) = look(c, pg).step else { return steps };
        let before = holders(c, pg);
        apply(c, pg, step);
        if matches!(step, Step::Drop { .. }) {
            assert!(holders(c, pg) >= 1.min(before), "{step:?} dropped the last holder");
        }
    }
    panic!("the plan swings: {:?}", c.pgs[&pg]);
}

/// Answering members that are clean.
fn holders(c: &Cluster, pg: u32) -> usize {
    let holds = |m: &&Member| m.clean && c.member_disk(m).is_some_and(DiskFacts::answers);
    c.pgs[&pg].members.iter().filter(holds).count()
}

/// Shards that answering members hold.
fn shards_held(c: &Cluster, pg: u32) -> std::collections::BTreeSet<u32> {
    let holds = |m: &&Member| m.clean && c.member_disk(m).is_some_and(DiskFacts::answers);
    c.pgs[&pg].members.iter().filter(holds).map(|m| m.shard).collect()
}

fn disks_of(c: &Cluster, pg: u32) -> Vec<u32> {
    c.pgs[&pg].members.iter().map(|m| m.disk).collect()
}

fn set(c: &mut Cluster, disk: u32, liveness: Liveness, standing: Standing, silent_ms: u64) {
    let facts = c.disks.get_mut(&disk).unwrap();
    facts.liveness = liveness;
    facts.standing = standing;
    facts.silent_ms = silent_ms;
}

fn three_of_four() -> Cluster {
    let mut c = cluster(&[1, 1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3]);
    c.set_pg(pg);
    c
}

#[test]
fn a_healthy_group_is_left_alone() {
    let c = three_of_four();
    let now = look(&c, 1);
    assert_eq!((now.risk, now.step, now.backfill.len()), (Risk::Healthy, None, 0));
}

#[test]
fn a_silent_member_keeps_its_place_until_it_is_given_up() {
    let mut c = three_of_four();
    set(&mut c, 3, Liveness::Down, Standing::In, 60_000);
    let now = look(&c, 1);
    assert_eq!(
        (now.risk, now.step),
        (Risk::Degraded, None),
        "two copies are left: nothing moves within the grace"
    );
    set(&mut c, 3, Liveness::Down, Standing::Out, 300_000);
    assert!(matches!(
        look(&c, 1).step,
        Some(Step::Add { disk: DiskRef { disk: 4, .. }, temporary: true, why: Why::Leaving, .. })
    ));
    assert_eq!(settle(&mut c, 1), 2);
    assert_eq!(disks_of(&c, 1), [1, 2, 4]);
}

#[test]
fn a_disk_that_has_not_let_go_yet_is_passed_over() {
    let mut c = cluster(&[1, 1, 1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2]);
    c.set_pg(pg);
    let now =
        |barred: &[u32]| assess(&c, &c.pgs[&1], RULES, |_| false, |disk| barred.contains(&disk)).unwrap();
    for barred in [[3, 4], [3, 5], [4, 5]] {
        let Some(Step::Add { disk, .. }) = now(&barred).step else { panic!("no disk joins") };
        assert!(!barred.contains(&disk.disk));
    }
    let none = now(&[3, 4, 5]);
    assert!(none.step.is_none() && none.no_room);
}

#[test]
fn the_old_member_stays_until_the_new_one_is_clean() {
    let mut c = three_of_four();
    set(&mut c, 3, Liveness::Alive, Standing::Draining, 0);
    let step = look(&c, 1).step.unwrap();
    apply(&mut c, 1, step);
    let now = look(&c, 1);
    assert_eq!(now.step, None);
    assert_eq!(now.backfill, [DiskRef { disk: 4, incarnation: 7 }]);
    fill(&mut c, 1);
    // Clean, but with missing/ records: not complete yet.
    let lacking = assess(&c, &c.pgs[&1], RULES, |m| m.disk == 4, |_| false).unwrap();
    assert_eq!(lacking.step, None);
    assert!(matches!(
        look(&c, 1).step,
        Some(Step::Replace { member: DiskRef { disk: 3, .. }, disk: DiskRef { disk: 4, .. } })
    ));
}

#[test]
fn without_redundancy_a_temporary_member_comes_and_goes() {
    let mut c = cluster(&[1, 1, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2]);
    c.set_pg(pg);
    set(&mut c, 2, Liveness::Down, Standing::In, 29_999);
    assert_eq!(look(&c, 1).step, None);
    set(&mut c, 2, Liveness::Down, Standing::In, 30_000);
    let now = look(&c, 1);
    assert_eq!(now.risk, Risk::AtRisk);
    assert!(matches!(now.step, Some(Step::Add { disk: DiskRef { disk: 3, .. }, temporary: true, .. })));
    assert_eq!(settle(&mut c, 1), 1, "the silent one is not dropped");
    set(&mut c, 2, Liveness::Alive, Standing::In, 0);
    assert_eq!(settle(&mut c, 1), 1);
    assert_eq!(disks_of(&c, 1), [1, 2]);
}

#[test]
fn a_temporary_member_takes_over_from_one_that_is_given_up() {
    let mut c = cluster(&[1, 1, 1], Redundancy::replicated(2, 1), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2]);
    c.set_pg(pg);
    set(&mut c, 2, Liveness::Down, Standing::In, 30_000);
    settle(&mut c, 1);
    set(&mut c, 2, Liveness::Down, Standing::Out, 300_000);
    settle(&mut c, 1);
    assert_eq!(disks_of(&c, 1), [1, 3]);
    assert_eq!(look(&c, 1).risk, Risk::Healthy);
}

#[test]
fn the_only_copy_on_a_silent_disk_is_never_forgotten() {
    let mut c = cluster(&[1, 1], Redundancy::replicated(1, 1), FailureDomain::Host);
    let pg = group(&c, 1, &[1]);
    c.set_pg(pg);
    for standing in [Standing::In, Standing::Out, Standing::Draining] {
        set(&mut c, 1, Liveness::Down, standing, 1_000_000);
        let mut c = c.clone();
        assert_eq!(look(&c, 1).risk, Risk::Unavailable);
        for _ in 0..5 {
            if let Some(step) = look(&c, 1).step {
                assert!(!matches!(step, Step::Drop { .. }));
                apply(&mut c, 1, step);
            }
        }
        assert!(disks_of(&c, 1).contains(&1));
    }
}

#[test]
fn groups_of_the_one_node_days_become_replicated() {
    let mut c = cluster(&[2, 2, 2], Redundancy::replicated(3, 2), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2]);
    c.set_pg(pg);
    settle(&mut c, 1);
    let disks = disks_of(&c, 1);
    assert_eq!(disks.len(), 3);
    assert_eq!(conflicts(&c, FailureDomain::Host, &disks), 0, "{disks:?}");
}

#[test]
fn a_stand_in_for_a_better_domain_is_left_to_fill() {
    let mut c = cluster(&[2, 2, 2], Redundancy::replicated(3, 2), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3]);
    c.set_pg(pg);
    fill(&mut c, 1);
    let step = look(&c, 1).step.unwrap();
    assert!(matches!(step, Step::Add { temporary: true, why: Why::Domain, .. }), "{step:?}");
    apply(&mut c, 1, step);
    // Not filled yet: dropping it as one too many would start all over again, for ever.
    assert_eq!(look(&c, 1).step, None);
    fill(&mut c, 1);
    assert!(matches!(look(&c, 1).step, Some(Step::Replace { .. })));
}

#[test]
fn a_wiped_disk_rejoins_its_own_group() {
    let mut c = cluster(&[1, 1, 1], Redundancy::replicated(3, 2), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3]);
    c.set_pg(pg);
    c.disks.get_mut(&3).unwrap().incarnation = 8;
    settle(&mut c, 1);
    let mut lives: Vec<_> = c.pgs[&1].members.iter().map(|m| (m.disk, m.incarnation)).collect();
    lives.sort_unstable();
    assert_eq!(lives, [(1, 7), (2, 7), (3, 8)]);
}

fn erasure(data: u32, parity: u32) -> Redundancy {
    let shape = holdfast_proto::map::Erasure { data, parity, cell_bytes: 4096 };
    Redundancy { kind: Some(holdfast_proto::map::redundancy::Kind::Erasure(shape)) }
}

#[test]
fn a_lost_shard_is_rebuilt_in_its_place() {
    let mut c = cluster(&[1, 1, 1, 1, 1], erasure(2, 2), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3, 4]);
    c.set_pg(pg);
    set(&mut c, 2, Liveness::Down, Standing::Out, 1);
    settle(&mut c, 1);
    assert_eq!(disks_of(&c, 1), [1, 5, 3, 4]);
    // With fewer than k shards left nothing is moved: everything that is left must stay findable.
    for disk in [1, 3, 4] {
        set(&mut c, disk, Liveness::Down, Standing::Out, 1);
    }
    assert_eq!(look(&c, 1).step, None);
}

#[test]
fn a_shard_moves_by_being_held_twice_for_a_while() {
    let mut c = cluster(&[1, 1, 1, 1], erasure(2, 1), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3]);
    c.set_pg(pg);
    set(&mut c, 2, Liveness::Alive, Standing::Draining, 0);
    let step = look(&c, 1).step.unwrap();
    assert!(matches!(step, Step::Add { disk: DiskRef { disk: 4, .. }, temporary: true, shard: 1, .. }));
    apply(&mut c, 1, step);
    let now = look(&c, 1);
    assert_eq!((now.step, now.backfill.len()), (None, 1), "nobody leaves before the shard is held elsewhere");
    settle(&mut c, 1);
    assert_eq!(disks_of(&c, 1), [1, 4, 3]);
}

#[test]
fn a_shard_without_redundancy_is_made_twice_while_its_member_is_silent() {
    let mut c = cluster(&[1, 1, 1, 1], erasure(2, 1), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3]);
    c.set_pg(pg);
    set(&mut c, 3, Liveness::Down, Standing::In, 10_000);
    assert_eq!((look(&c, 1).risk, look(&c, 1).step), (Risk::AtRisk, None), "it may be back in a moment");
    set(&mut c, 3, Liveness::Down, Standing::In, 60_000);
    settle(&mut c, 1);
    assert_eq!((disks_of(&c, 1), shards_held(&c, 1).len()), (vec![1, 2, 3, 4], 3));
    set(&mut c, 3, Liveness::Alive, Standing::In, 0);
    settle(&mut c, 1);
    assert_eq!(disks_of(&c, 1), [1, 2, 3], "it is back, the stand-in goes");
}

#[test]
fn a_wiped_disk_gets_its_shard_again() {
    let mut c = cluster(&[1, 1, 1], erasure(2, 1), FailureDomain::Host);
    let pg = group(&c, 1, &[1, 2, 3]);
    c.set_pg(pg);
    c.disks.get_mut(&2).unwrap().incarnation = 8;
    settle(&mut c, 1);
    let lives: Vec<_> = c.pgs[&1].members.iter().map(|m| (m.disk, m.incarnation, m.shard)).collect();
    assert_eq!(lives, [(1, 7, 0), (2, 8, 1), (3, 7, 2)]);
}

/// Begins to move the place of `from` to `to`, as balancing does.
fn begin_move(c: &mut Cluster, pg: u32, from: u32, to: u32) {
    let mut group = c.pgs[&pg].clone();
    let place = *group.members.iter().find(|m| m.disk == from).unwrap();
    let incarnation = c.disks[&to].incarnation;
    let stand_in = Member { disk: to, incarnation, clean: false, temporary: true, takes: from, ..place };
    group.members.push(stand_in);
    group.epoch += 1;
    c.set_pg(group);
}

#[test]
fn a_place_moves_to_another_disk_when_that_is_filled() {
    for redundancy in [Redundancy::replicated(3, 2), erasure(2, 1)] {
        let mut c = cluster(&[1, 1, 1, 1], redundancy, FailureDomain::Host);
        let pg = group(&c, 1, &[1, 2, 3]);
        c.set_pg(pg);
        begin_move(&mut c, 1, 2, 4);
        let now = look(&c, 1);
        assert_eq!((now.step, now.risk, now.backfill.len()), (None, Risk::Misplaced, 1));
        let rests = Rules { moves_rest: true, ..RULES };
        let paused = assess(&c, &c.pgs[&1], rests, |_| false, |_| false).unwrap();
        assert_eq!((paused.step, paused.backfill.len()), (None, 0));
        // Filled, but somebody else is silent: what is there stays there.
        fill(&mut c, 1);
        set(&mut c, 3, Liveness::Down, Standing::In, 5_000);
        assert_eq!(look(&c, 1).step, None);
        set(&mut c, 3, Liveness::Alive, Standing::In, 0);
        settle(&mut c, 1);
        assert_eq!(disks_of(&c, 1), [1, 4, 3]);
        assert!(c.pgs[&1].members.iter().all(|m| m.takes == 0 && !m.temporary));
    }
}

#[test]
fn a_move_to_a_worse_place_or_a_dead_disk_is_given_up() {
    for redundancy in [Redundancy::replicated(3, 2), erasure(2, 1)] {
        let mut c = cluster(&[2, 1, 1, 1], redundancy, FailureDomain::Host);
        let pg = group(&c, 1, &[1, 3, 4]);
        c.set_pg(pg);
        begin_move(&mut c, 1, 3, 2);
        settle(&mut c, 1);
        assert_eq!(disks_of(&c, 1), [1, 3, 4], "two members on one host");
        begin_move(&mut c, 1, 3, 5);
        set(&mut c, 5, Liveness::Down, Standing::Out, 400_000);
        settle(&mut c, 1);
        assert_eq!(disks_of(&c, 1), [1, 3, 4]);
    }
}

fn fate() -> impl Strategy<Value = (Liveness, Standing)> {
    prop::sample::select(vec![
        (Liveness::Alive, Standing::In),
        (Liveness::Alive, Standing::In),
        (Liveness::Alive, Standing::In),
        (Liveness::Down, Standing::In),
        (Liveness::Down, Standing::Out),
        (Liveness::Alive, Standing::Draining),
        (Liveness::Failed, Standing::In),
        (Liveness::Full, Standing::In),
        (Liveness::Down, Standing::Maintenance),
    ])
}

proptest! {
    /// Whatever happens to disks, plans end, keep what they promise, and use the domains that are there.
    #[test]
    fn plans_end_well(
        layout in prop::collection::vec(1_u32..4, 1..7),
        copies in 1_u32..4,
        fates in prop::collection::vec(prop::collection::vec(fate(), 24), 1..5),
        first in any::<prop::sample::Index>(),
    ) {
        let total: u32 = layout.iter().sum();
        let mut c = cluster(&layout, Redundancy::replicated(copies, 1), FailureDomain::Host);
        let start = first.index(total as usize) as u32 + 1;
        let pg = group(&c, 1, &[start]);
        c.set_pg(pg);
        settle(&mut c, 1);
        for round in fates {
            let taken: Vec<u32> = disks_of(&c, 1);
            if let Some(to) = (1..=total).find(|disk| !taken.contains(disk)).filter(|_| taken.len() == copies as usize) {
                begin_move(&mut c, 1, taken[start as usize % taken.len()], to);
            }
            for disk in 1..=total {
                let (liveness, standing) = round[disk as usize % 24];
                set(&mut c, disk, liveness, standing, 60_000);
            }
            let before = holders(&c, 1);
            settle(&mut c, 1);
            prop_assert!(holders(&c, 1) >= before.min(copies as usize));
            let mut members = disks_of(&c, 1);
            let silent_kept = members.len();
            members.sort_unstable();
            members.dedup();
            prop_assert_eq!(members.len(), silent_kept, "a disk is a member twice");
        }
        for disk in 1..=total {
            set(&mut c, disk, Liveness::Alive, Standing::In, 0);
        }
        settle(&mut c, 1);
        let members = disks_of(&c, 1);
        prop_assert_eq!(members.len(), (copies as usize).min(total as usize));
        let sizes: Vec<usize> = layout.iter().map(|n| *n as usize).collect();
        if let Some(best) = super::super::place::fewest_conflicts(&sizes, copies as usize) {
            prop_assert_eq!(conflicts(&c, FailureDomain::Host, &members), best);
        }
    }

    /// The same for shards: no step lets go of one that is held, plans end, and in the end every shard is in its place.
    #[test]
    fn shards_end_well(
        layout in prop::collection::vec(1_u32..4, 3..8),
        shape in prop::sample::select(vec![(2, 1), (2, 2), (3, 1), (4, 2)]),
        fates in prop::collection::vec(prop::collection::vec(fate(), 24), 1..5),
        first in any::<prop::sample::Index>(),
    ) {
        let total: u32 = layout.iter().sum();
        let members = shape.0 + shape.1;
        prop_assume!(total >= members);
        let mut c = cluster(&layout, erasure(shape.0, shape.1), FailureDomain::Host);
        let start = first.index(total as usize) as u32;
        let disks: Vec<u32> = (0..members).map(|n| (start + n) % total + 1).collect();
        let pg = group(&c, 1, &disks);
        c.set_pg(pg);
        for round in fates {
            let taken: Vec<u32> = disks_of(&c, 1);
            if let Some(to) = (1..=total).find(|disk| !taken.contains(disk)).filter(|_| taken.len() == members as usize) {
                begin_move(&mut c, 1, taken[start as usize % taken.len()], to);
            }
            for disk in 1..=total {
                let (liveness, standing) = round[disk as usize % 24];
                set(&mut c, disk, liveness, standing, 60_000);
            }
            for steps in 0.. {
                prop_assert!(steps < 60, "the plan swings: {:?}", c.pgs[&1]);
                fill(&mut c, 1);
                let held = shards_held(&c, 1);
                let Some(step) = look(&c, 1).step else { break };
                apply(&mut c, 1, step);
                prop_assert!(shards_held(&c, 1).is_superset(&held), "{:?} let a shard go", step);
            }
        }
        for disk in 1..=total {
            set(&mut c, disk, Liveness::Alive, Standing::In, 0);
        }
        settle(&mut c, 1);
        let shards: Vec<u32> = c.pgs[&1].members.iter().map(|m| m.shard).collect();
        prop_assert_eq!(shards, (0..members).collect::<Vec<_>>());
        let sizes: Vec<usize> = layout.iter().map(|n| *n as usize).collect();
        if let Some(best) = super::super::place::fewest_conflicts(&sizes, members as usize) {
            prop_assert_eq!(conflicts(&c, FailureDomain::Host, &disks_of(&c, 1)), best);
        }
    }
}
