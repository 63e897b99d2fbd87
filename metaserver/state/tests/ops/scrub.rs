//! Orders to scrub disks.

use holdfast_proto::map::{Disk, Standing};
use holdfast_proto::op::*;
use holdfast_proto::status::Code;
use holdfast_state::{map_view, settings};

use crate::common::World;

fn disk(world: &World, id: u32) -> Disk {
    map_view::disks(&world.table).unwrap().into_iter().find(|disk| disk.id == id).unwrap()
}

fn order(disks: &[(u32, u64)]) -> Op {
    let disks = disks.iter().map(|(disk, incarnation)| DiskRef { disk: *disk, incarnation: *incarnation });
    Op::OrderScrub(OrderScrub { disks: disks.collect() })
}

fn standing(id: u32, standing: Standing) -> Op {
    Op::SetDisk(SetDisk { id, standing: Some(standing as i32), ..SetDisk::default() })
}

#[test]
fn an_order_reaches_nodes_with_the_map_and_every_one_is_another() {
    let mut world = World::new();
    let life = disk(&world, 1).incarnation;
    let epoch = map_view::current_epoch(&world.table).unwrap();
    let first = world.ok(order(&[(1, 0), (2, 0), (1, life)]));
    assert_eq!(
        (first.id, disk(&world, 1).scrub_ordered, disk(&world, 2).scrub_ordered),
        (first.index, first.index, first.index)
    );
    assert_eq!(disk(&world, 3).scrub_ordered, 0);
    let delta = map_view::load_map(&world.table, epoch, &[], true).unwrap();
    let told: Vec<u32> = delta.disks.iter().map(|disk| disk.id).collect();
    assert_eq!(told, [1, 2], "once each");
    let second = world.ok(order(&[(1, life)]));
    assert!(second.index > first.index);
    assert_eq!(disk(&world, 1).scrub_ordered, second.index);
    assert_eq!(disk(&world, 2).scrub_ordered, first.index);
}

#[test]
fn an_order_for_a_disk_that_is_not_there_or_lost_is_refused_whole() {
    let mut world = World::new();
    world.refused(order(&[]), Code::InvalidArgument);
    world.refused(order(&[(1, 0); 1001]), Code::TooLarge);
    world.refused(order(&[(1, 0), (44, 0)]), Code::NotFound);
    world.refused(order(&[(1, 0), (2, 999)]), Code::StaleOrder);
    world.lead(standing(3, Standing::Out));
    world.refused(order(&[(1, 0), (3, 0)]), Code::PreconditionFailed);
    world.add_disk(4);
    world.lead(standing(4, Standing::Removed));
    world.refused(order(&[(1, 0), (4, 0)]), Code::PreconditionFailed);
    assert_eq!(disk(&world, 1).scrub_ordered, 0, "a refused order changes nothing");
    world.lead(standing(3, Standing::Draining));
    world.ok(order(&[(3, 0)]));
}

#[test]
fn an_order_stays_with_the_disk_but_not_with_another_life_of_it() {
    let mut world = World::new();
    let index = world.ok(order(&[(1, 0)])).index;
    let old = disk(&world, 1);
    world.lead(standing(1, Standing::Maintenance));
    let again = RegisterDisk {
        node: old.node,
        fingerprint: old.fingerprint.clone(),
        capacity: 5 << 40,
        path: "/elsewhere".into(),
        ..RegisterDisk::default()
    };
    world.lead(Op::RegisterDisk(again.clone()));
    assert_eq!(disk(&world, 1).scrub_ordered, index);
    let new = RegisterDisk { fingerprint: vec![9; 16].into(), replaces: 1, lost: true, ..again };
    world.lead(Op::RegisterDisk(new));
    assert_eq!(disk(&world, 1).scrub_ordered, 0, "there is nothing on it yet");
}

#[test]
fn rate_and_period_are_the_nodes_own_until_they_are_set() {
    let mut world = World::new();
    let set = |name: &str, value: &str| Op::PutSetting(PutSetting { name: name.into(), value: value.into() });
    let rate = |world: &World| settings::over(&world.table, settings::SCRUB_BYTES_PER_SECOND).unwrap();
    assert_eq!(rate(&world), None);
    world.ok(set("scrub_bytes_per_second", "0"));
    assert_eq!(rate(&world), Some(0));
    world.ok(set("scrub_bytes_per_second", "1048576"));
    assert_eq!(rate(&world), Some(1 << 20));
    world.ok(set("scrub_bytes_per_second", "node"));
    assert_eq!(rate(&world), None);
    world.refused(set("compact_bytes_per_second", "0"), Code::InvalidArgument);
    world.ok(set("compact_bytes_per_second", "1048576"));
    assert_eq!(settings::over(&world.table, settings::COMPACT_BYTES_PER_SECOND).unwrap(), Some(1 << 20));
    world.refused(set("scrub_period_seconds", "7d"), Code::InvalidArgument);
    world.ok(set("scrub_period_seconds", "60"));
    assert_eq!(settings::over(&world.table, settings::SCRUB_PERIOD_SECONDS).unwrap(), Some(60));
    world.ok(set("scrub_period_seconds", ""));
    assert_eq!(settings::over(&world.table, settings::SCRUB_PERIOD_SECONDS).unwrap(), None);
}
