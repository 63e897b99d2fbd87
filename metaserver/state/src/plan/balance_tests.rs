use holdfast_proto::map::Redundancy;
use proptest::prelude::*;

use super::super::cluster::tests::{TIB, cluster, group};
use super::super::place::conflicts;
use super::*;

const LIMITS: Limits = Limits { tolerance: 20, most: 100_000 };
const GIB: u64 = 1 << 30;

/// Everything may move, nothing is in the way.
fn free_plan(cluster: &Cluster, sizes: &BTreeMap<u32, u64>) -> Plan {
    plan(cluster, sizes, LIMITS, |_| true, |_, _| false)
}

/// `groups` groups of `bytes` each on hosts in turn, one disk of each.
fn filled(hosts: &[u32], members: u32, groups: u32, bytes: u64) -> (Cluster, BTreeMap<u32, u64>) {
    let mut c = cluster(hosts, Redundancy::replicated(members, 1), FailureDomain::Host);
    let mut sizes = BTreeMap::new();
    let all: Vec<u32> = c.disks.keys().copied().collect();
    for id in 1..=groups {
        let mut disks: Vec<u32> = Vec::new();
        let mut at = mix(7, u64::from(id), 0) as usize;
        while disks.len() < members as usize {
            let disk = all[at % all.len()];
            at += 1;
            if disks.iter().all(|d| !c.disks[d].shares(FailureDomain::Host, &c.disks[&disk])) {
                disks.push(disk);
            }
        }
        let pg = group(&c, id, &disks);
        c.set_pg(pg);
        sizes.insert(id, bytes);
    }
    settle(&mut c, &sizes);
    (c, sizes)
}

/// Makes what disks hold fit their groups.
fn settle(c: &mut Cluster, sizes: &BTreeMap<u32, u64>) {
    let mut used: BTreeMap<u32, u64> = BTreeMap::new();
    for pg in c.pgs.values() {
        for member in &pg.members {
            *used.entry(member.disk).or_default() += sizes.get(&pg.id).copied().unwrap_or(0);
        }
    }
    for disk in c.disks.values_mut() {
        disk.used = used.get(&disk.id).copied().unwrap_or(0);
        disk.free = disk.capacity.saturating_sub(disk.used);
    }
}

/// Does one move, as repair would have done it.
fn carry_out(c: &mut Cluster, m: &Move) {
    let mut pg = c.pgs[&m.pg].clone();
    pg.members.retain(|member| !(member.temporary && member.disk == m.to.disk));
    let place = pg.members.iter_mut().find(|member| member.disk == m.from.disk && member.shard == m.shard);
    let place = place.unwrap();
    place.disk = m.to.disk;
    place.incarnation = m.to.incarnation;
    c.set_pg(pg);
}

fn add_host(c: &mut Cluster, disks: u32) {
    let node = c.nodes.keys().max().unwrap() + 1;
    let next = c.disks.keys().max().unwrap() + 1;
    c.nodes.insert(node, holdfast_proto::map::Node { id: node, ..Default::default() });
    for id in next..next + disks {
        let like = c.disks[&1].clone();
        let place =
            super::super::cluster::Place { host: format!("node:{node}").into(), ..like.place.clone() };
        c.disks.insert(id, DiskFacts { id, node, place, used: 0, free: like.capacity, ..like });
    }
}

#[test]
fn a_new_host_gets_its_share_and_hardly_more_moves_than_must() {
    let (mut c, sizes) = filled(&[4, 4, 4, 4], 3, 400, 2 * GIB);
    add_host(&mut c, 4);
    let plan = free_plan(&c, &sizes);
    assert!(!plan.cut_short);
    assert!(plan.bytes() * 10 <= plan.least * 11, "{} moved, {} at least", plan.bytes(), plan.least);
    let (before, after) = plan.spread();
    assert!(before > 100_000 && after <= 20_000, "{before} {after}");
    for m in &plan.moves {
        carry_out(&mut c, m);
    }
    settle(&mut c, &sizes);
    assert!(free_plan(&c, &sizes).moves.is_empty(), "the next plan would go on");
}

#[test]
fn what_cannot_move_without_harm_stays() {
    // Three copies on three hosts: nothing can leave a host, but its disks can be evened out.
    let (mut c, sizes) = filled(&[2, 1, 1], 3, 60, 10 * GIB);
    let one = c.disks[&1].id;
    for id in 1..=60 {
        let pg = group(&c, id, &[one, 3, 4]);
        c.set_pg(pg);
    }
    settle(&mut c, &sizes);
    let plan = free_plan(&c, &sizes);
    assert!(!plan.moves.is_empty());
    assert!(plan.moves.iter().all(|m| (m.from.disk, m.to.disk) == (1, 2)), "{:?}", plan.moves);
    let half = plan.levels.iter().find(|l| l.disk == 1).unwrap();
    assert!(half.after.abs_diff(300 * GIB) <= 10 * GIB, "{half:?}");
}

#[test]
fn groups_that_lack_something_and_disks_that_still_hold_a_group_are_passed_over() {
    let (mut c, sizes) = filled(&[1, 1], 1, 40, 10 * GIB);
    add_host(&mut c, 1);
    let some = plan(&c, &sizes, LIMITS, |pg| pg.id % 2 == 0, |_, pg| pg % 4 == 0);
    assert!(!some.moves.is_empty());
    assert!(some.moves.iter().all(|m| m.pg % 4 == 2));
    let none = plan(&c, &sizes, LIMITS, |_| true, |disk, _| disk == 3);
    assert!(none.moves.iter().all(|m| m.to.disk != 3));
}

#[test]
fn what_is_under_way_counts_where_it_goes() {
    let (mut c, sizes) = filled(&[1], 1, 40, 10 * GIB);
    add_host(&mut c, 1);
    let first = free_plan(&c, &sizes);
    let (done, begun) = (first.moves[0], first.moves[1]);
    let mut pg = c.pgs[&begun.pg].clone();
    let stand_in = Member {
        disk: begun.to.disk,
        incarnation: begun.to.incarnation,
        temporary: true,
        clean: false,
        takes: begun.from.disk,
        ..pg.members[0]
    };
    pg.members.push(stand_in);
    c.set_pg(pg);
    let again = free_plan(&c, &sizes);
    assert_eq!(again.moves.len(), first.moves.len());
    assert_eq!(again.moves.iter().filter(|m| m.under_way).count(), 1);
    assert_eq!(again.bytes(), first.bytes());
    assert!(still_good(&c, &done) && !still_good(&c, &begun), "a group does one thing at a time");
    c.disks.get_mut(&2).unwrap().free = 0;
    assert!(!still_good(&c, &done), "no room any more");
}

#[test]
fn weights_and_silence_are_respected() {
    let (mut c, sizes) = filled(&[1], 1, 60, 5 * GIB);
    add_host(&mut c, 1);
    add_host(&mut c, 1);
    c.disks.get_mut(&2).unwrap().weight = 500;
    c.disks.get_mut(&3).unwrap().liveness = Liveness::Suspect;
    let plan = free_plan(&c, &sizes);
    assert!(plan.moves.iter().all(|m| m.to.disk == 2));
    let of = |disk: u32| plan.levels.iter().find(|l| l.disk == disk).unwrap();
    let (one, two) = (of(1).full_after(), of(2).full_after());
    assert!(one.abs_diff(two) <= 20_000, "{one} {two}");
    assert!(of(2).after < of(1).after);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Whatever the cluster: no move breaks a rule, no disk passes its cap, every move brings two disks closer, and a
    /// plan that was carried out leaves nothing for the next.
    #[test]
    fn plans_do_what_they_promise(
        hosts in proptest::collection::vec(1u32..5, 1..7),
        members in 1u32..4,
        groups in proptest::collection::vec((any::<u64>(), 0u64..(40 * GIB)), 0..80),
        fates in proptest::collection::vec((0u8..12, 1u32..3000), 0..30),
        erasure in any::<bool>(),
    ) {
        let redundancy = match erasure {
            false => Redundancy::replicated(members, 1),
            true => Redundancy {
                kind: Some(holdfast_proto::map::redundancy::Kind::Erasure(holdfast_proto::map::Erasure {
                    data: members, parity: 1, cell_bytes: 4096,
                })),
            },
        };
        let mut c = cluster(&hosts, redundancy, FailureDomain::Host);
        let members = redundancy.members() as usize;
        let all: Vec<u32> = c.disks.keys().copied().collect();
        prop_assume!(all.len() >= members);
        let mut sizes = BTreeMap::new();
        for (index, (seed, bytes)) in groups.iter().enumerate() {
            let mut order = all.clone();
            order.sort_by_key(|disk| mix(*seed, u64::from(*disk), 0));
            let pg = group(&c, index as u32 + 1, &order[..members]);
            c.set_pg(pg);
            sizes.insert(index as u32 + 1, *bytes);
        }
        settle(&mut c, &sizes);
        for ((fate, weight), disk) in fates.iter().zip(&all) {
            let facts = c.disks.get_mut(disk).unwrap();
            facts.weight = *weight;
            match fate {
                0 => facts.liveness = Liveness::Down,
                1 => facts.liveness = Liveness::Full,
                2 => facts.standing = Standing::Draining,
                3 => facts.free = facts.capacity / 15,
                4 => facts.capacity = TIB / 8,
                5 => facts.liveness = Liveness::Failed,
                _ => {}
            }
        }
        let first = free_plan(&c, &sizes);
        prop_assert_eq!(&first, &free_plan(&c, &sizes));
        for level in &first.levels {
            let arriving: u64 = first.moves.iter().filter(|m| m.to.disk == level.disk).map(|m| m.bytes).sum();
            prop_assert!(arriving == 0 || level.peak <= level.cap, "{:?}", level);
            prop_assert_eq!(level.peak, c.disks[&level.disk].used + arriving);
        }
        let mut full: BTreeMap<u32, (u64, u64)> =
            first.levels.iter().map(|l| (l.disk, (l.before, l.share))).collect();
        for m in &first.moves {
            let facts = &c.disks[&m.to.disk];
            prop_assert!(facts.takes_new());
            let pg = c.pgs[&m.pg].clone();
            let disks: Vec<u32> = pg.members.iter().map(|member| member.disk).collect();
            prop_assert!(!disks.contains(&m.to.disk));
            let conflicting = conflicts(&c, FailureDomain::Host, &disks);
            let level = |full: &BTreeMap<u32, (u64, u64)>, disk: u32| fullness(full[&disk].0, full[&disk].1);
            let (high, low) = (level(&full, m.from.disk), level(&full, m.to.disk));
            prop_assert!(high > low);
            full.get_mut(&m.from.disk).unwrap().0 -= m.bytes;
            full.get_mut(&m.to.disk).unwrap().0 += m.bytes;
            prop_assert!(level(&full, m.from.disk) >= level(&full, m.to.disk), "a move went too far");
            carry_out(&mut c, m);
            let disks: Vec<u32> = c.pgs[&m.pg].members.iter().map(|member| member.disk).collect();
            prop_assert!(conflicts(&c, FailureDomain::Host, &disks) <= conflicting);
        }
        for level in &first.levels {
            prop_assert_eq!(full[&level.disk].0, level.after);
        }
        let (before, after) = first.spread();
        prop_assert!(after <= before);
        // Rounds end; what arrived may go on in the next.
        settle(&mut c, &sizes);
        for round in 0.. {
            let more = free_plan(&c, &sizes);
            if more.moves.is_empty() {
                break;
            }
            prop_assert!(round < 20, "plans do not end");
            for m in &more.moves {
                carry_out(&mut c, m);
            }
            settle(&mut c, &sizes);
        }
    }
}
