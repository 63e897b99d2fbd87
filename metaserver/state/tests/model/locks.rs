//! Locks against a model that knows no ranges: who has which lock on each single byte.

use std::collections::BTreeMap;

use holdfast_proto::op::*;
use holdfast_proto::query::{GetLock, Query, QueryRequest};
use holdfast_proto::status::Code;
use proptest::prelude::*;

use crate::common::World;

const BYTES: u64 = 16;
const SESSIONS: u64 = 3;

/// Owner: session, number, kind of lock.
type Owner = (u64, u64, bool);

#[derive(Clone, Debug)]
struct Step {
    owner: Owner,
    start: u64,
    end: u64,
    kind: i32,
    end_session: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let owner = (100..100 + SESSIONS, 0u64..2, any::<bool>());
    (owner, 0..BYTES, 0..BYTES, 0i32..3, 0u8..20).prop_map(|(owner, a, b, kind, rare)| Step {
        owner,
        start: a.min(b),
        end: a.max(b),
        kind,
        end_session: rare == 0,
    })
}

#[derive(Default)]
struct Model {
    bytes: Vec<BTreeMap<Owner, i32>>,
}

impl Model {
    fn free(&self, step: &Step) -> bool {
        let allows = |(owner, kind): (&Owner, &i32)| {
            *owner == step.owner || owner.2 != step.owner.2 || (*kind == 1 && step.kind == 1)
        };
        let range = &self.bytes[step.start as usize..=step.end as usize];
        step.kind == 0 || range.iter().all(|byte| byte.iter().all(allows))
    }

    fn set(&mut self, step: &Step) {
        for byte in &mut self.bytes[step.start as usize..=step.end as usize] {
            match step.kind {
                0 => byte.remove(&step.owner),
                kind => byte.insert(step.owner, kind),
            };
        }
    }
}

/// What the state says about one byte, asked by somebody who has no lock.
fn asked(world: &World, ino: u64, at: u64, kind: i32, flock: bool) -> bool {
    let ask = GetLock { ino, owner: 7, start: at, end: at, kind, flock };
    let request = QueryRequest { session: 7, lease: false, query: Some(Query::GetLock(ask)) };
    let index = holdfast_proto::ids::LogIndex(world.index);
    holdfast_state::query(&world.table, index, &request).unwrap().lock.is_none()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn locks_agree_with_single_bytes(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        let ino = world.put_text("a", "text").ino;
        let mut ended = 0;
        // A session that ended is followed by another of its kind.
        let mut ids: BTreeMap<u64, u64> = (100..100 + SESSIONS).map(|session| (session, session)).collect();
        ids.values().for_each(|id| drop(world.open(*id)));
        let mut model = Model { bytes: vec![BTreeMap::new(); BYTES as usize] };
        for step in &steps {
            let session = step.owner.0;
            if step.end_session {
                assert!(world.run_as(ids[&session], Op::CloseSession(CloseSession {})).is_ok());
                model.bytes.iter_mut().for_each(|byte| byte.retain(|owner, _| owner.0 != session));
                ended += 1;
                ids.insert(session, 1000 + ended);
                world.open(1000 + ended);
                continue;
            }
            let op = SetLock {
                ino,
                owner: step.owner.1,
                start: step.start,
                end: step.end,
                kind: step.kind,
                pid: 1,
                flock: step.owner.2,
            };
            let reply = world.run_as(ids[&session], Op::SetLock(op));
            let free = model.free(step);
            let code = reply.status.clone().unwrap_or_default().kind();
            prop_assert_eq!(code, if free { Code::Ok } else { Code::Locked }, "{:?}", step);
            if free {
                model.set(step);
            }
            for at in 0..BYTES {
                for (kind, flock) in [(1, false), (1, true), (2, false), (2, true)] {
                    let owner = (7, 7, flock);
                    let wanted = Step { owner, start: at, end: at, kind, end_session: false };
                    prop_assert_eq!(asked(&world, ino, at, kind, flock), model.free(&wanted));
                }
            }
        }
    }
}
