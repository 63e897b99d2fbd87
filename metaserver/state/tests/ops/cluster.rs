//! Genesis, nodes, disks, classes, keys, settings.

use holdfast_proto::map::{Erasure, Redundancy, Standing, redundancy::Kind};
use holdfast_proto::op::*;
use holdfast_proto::query::{ListKeys, ListSettings, Query};
use holdfast_proto::status::Code;
use holdfast_state::{map_view, settings, work};

use crate::common::{World, register_node};

#[test]
fn genesis_happens_once() {
    let mut world = World::empty();
    world.checked = false;
    let Op::RegisterNode(node) = register_node(1) else { unreachable!() };
    world.lead_refused(
        Op::Genesis(Genesis { cluster: vec![1; 16].into(), node: Some(node), ..Genesis::default() }),
        Code::WrongVersion,
    );
    assert!(world.table.is_empty());
    world.checked = true;
    assert!(world.genesis(1, 1).is_ok());
    let again = world.log.last().unwrap().1.op.clone().unwrap();
    world.lead_refused(again, Code::Exists);
    assert_eq!(work::cluster(&world.table).unwrap().unwrap().meta_incarnation, 1);
    assert_eq!(world.nodes(), [1]);
}

#[test]
fn a_node_gets_its_id_again_and_tells_new_addresses() {
    let mut world = World::new();
    let Op::RegisterNode(node) = register_node(9) else { unreachable!() };
    let id = world.lead(Op::RegisterNode(node.clone())).id;
    let highest = world.nodes().into_iter().filter(|other| *other != id).max().unwrap();
    assert_eq!(id, highest + 1, "numbers that administrators say are small");
    let epoch = map_view::current_epoch(&world.table).unwrap();
    assert_eq!(world.lead(Op::RegisterNode(node.clone())).id, id);
    assert_eq!(map_view::current_epoch(&world.table).unwrap(), epoch);
    let moved = RegisterNode { id, address: "elsewhere:1".into(), ..node.clone() };
    world.lead(Op::RegisterNode(moved));
    assert_eq!(map_view::current_epoch(&world.table).unwrap(), epoch + 1);
    world.lead_refused(Op::RegisterNode(RegisterNode { id: 1, ..node.clone() }), Code::WrongNode);
    world.lead_refused(
        Op::RegisterNode(RegisterNode { id, nonce: vec![5; 16].into(), ..node.clone() }),
        Code::Unauthenticated,
    );
    let remove = SetNode { id, standing: Some(Standing::Removed as i32), ..SetNode::default() };
    world.lead(Op::SetNode(remove.clone()));
    world.lead_refused(Op::RegisterNode(node), Code::WrongNode);
    assert_eq!(world.lead(register_node(10)).id, id + 1, "that of a removed node is not given again");
    world.lead_refused(
        Op::SetNode(SetNode { standing: Some(Standing::In as i32), ..remove }),
        Code::PreconditionFailed,
    );
}

#[test]
fn a_disk_in_use_is_not_removed() {
    let mut world = World::new();
    let remove = SetDisk { id: 1, standing: Some(Standing::Removed as i32), ..SetDisk::default() };
    world.lead_refused(Op::SetDisk(remove), Code::NotEmpty);
    let node = world.nodes()[0];
    world.lead_refused(
        Op::SetNode(SetNode { id: node, standing: Some(Standing::Removed as i32), ..SetNode::default() }),
        Code::NotEmpty,
    );
    world.add_disk(4);
    world.lead(Op::SetDisk(SetDisk { id: 4, ..remove }));
    world.lead_refused(Op::SetDisk(SetDisk { id: 4, incarnation: 1, ..remove }), Code::StaleOrder);
    world.lead_refused(Op::SetDisk(SetDisk { id: 44, ..remove }), Code::NotFound);
}

#[test]
fn of_a_class_only_copies_change() {
    let mut world = World::new();
    let class = PutClass {
        id: 1,
        name: "standard".into(),
        redundancy: Some(Redundancy::replicated(2, 1)),
        chunk_bytes: 8 << 20,
        inline_limit: 4096,
        ..PutClass::default()
    };
    world.lead_refused(Op::PutClass(PutClass { if_epoch: 999, ..class.clone() }), Code::PreconditionFailed);
    world.lead(Op::PutClass(class.clone()));
    let epoch = map_view::current_epoch(&world.table).unwrap();
    world.lead(Op::PutClass(class.clone()));
    assert_eq!(map_view::current_epoch(&world.table).unwrap(), epoch);
    let erasure = Redundancy { kind: Some(Kind::Erasure(Erasure { data: 2, parity: 1, cell_bytes: 4096 })) };
    let bad = |how: fn(&mut PutClass)| {
        let mut class = class.clone();
        how(&mut class);
        Op::PutClass(class)
    };
    world.lead_refused(
        Op::PutClass(PutClass { redundancy: Some(erasure), ..class.clone() }),
        Code::InvalidArgument,
    );
    world.lead_refused(bad(|c| c.redundancy = Some(Redundancy::replicated(2, 3))), Code::InvalidArgument);
    world.lead_refused(bad(|c| c.redundancy = None), Code::InvalidArgument);
    world.lead_refused(bad(|c| c.chunk_bytes = 1000), Code::InvalidArgument);
    world.lead_refused(bad(|c| c.inline_limit = 1 << 20), Code::InvalidArgument);
    world.lead_refused(bad(|c| c.name = "a b".into()), Code::InvalidArgument);
    world.lead_refused(bad(|c| c.companion = 1), Code::InvalidArgument);
    world.lead_refused(bad(|c| (c.id, c.name) = (7, "other".into())), Code::NotFound);
    world.lead_refused(bad(|c| c.id = 0), Code::Exists);
}

#[test]
fn keys_and_tokens() {
    let mut world = World::new();
    let key = PutKey { access_key: "AKIA1".into(), secret_key: "secret-secret".into(), ..PutKey::default() };
    world.ok(Op::PutKey(key.clone()));
    world.ok(Op::PutKey(PutKey { disabled: true, ..key.clone() }));
    let keys = world.ask(Query::ListKeys(ListKeys {})).keys;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].disabled);
    world.refused(Op::PutKey(PutKey { secret_key: "x".into(), ..key }), Code::InvalidArgument);
    world.ok(Op::DeleteKey(DeleteKey { access_key: "AKIA1".into() }));
    world.refused(Op::DeleteKey(DeleteKey { access_key: "AKIA1".into() }), Code::NoSuchKey);
    world.ok(Op::PutJoinToken(PutJoinToken { digest: vec![1; 32].into() }));
    assert_eq!(work::join_token(&world.table).unwrap().unwrap(), vec![1; 32]);
    world.refused(Op::PutJoinToken(PutJoinToken { digest: vec![1; 3].into() }), Code::InvalidArgument);
    world.ok(Op::PutJoinToken(PutJoinToken { digest: bytes::Bytes::new() }));
    assert!(work::join_token(&world.table).unwrap().is_none());
}

#[test]
fn settings_have_defaults_and_ranges() {
    let mut world = World::new();
    let set = |name: &str, value: &str| Op::PutSetting(PutSetting { name: name.into(), value: value.into() });
    assert_eq!(settings::integer(&world.table, settings::GRACE_SECONDS).unwrap(), 300);
    world.ok(set(settings::GRACE_SECONDS, "60"));
    assert_eq!(settings::integer(&world.table, settings::GRACE_SECONDS).unwrap(), 60);
    world.refused(set(settings::GRACE_SECONDS, "1"), Code::InvalidArgument);
    world.refused(set("nonsense", "1"), Code::NotFound);
    world.ok(set(settings::GRACE_SECONDS, ""));
    assert_eq!(settings::integer(&world.table, settings::GRACE_SECONDS).unwrap(), 300);
    let listed = world.ask(Query::ListSettings(ListSettings {})).settings;
    assert_eq!(listed.len(), settings::ALL.len());
}

#[test]
fn time_never_goes_back() {
    let mut world = World::new();
    let first = world.put_text("a", "1");
    world.now -= 1_000_000_000_000;
    let second = world.put_text("b", "2");
    assert!(second.mtime_ns >= first.mtime_ns);
}
