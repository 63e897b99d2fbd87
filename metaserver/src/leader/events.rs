//! The loop that notes in the audit log what happens to the cluster: nodes and disks that go and come, data that loses and
//! regains redundancy, metaservers that fall silent, who leads.
//!
//! What always holds: an event is noted when what is seen differs from what was noted last, by this or an earlier leader;
//! so nothing is noted twice, and nothing that lasts is missed. What changes to and fro is noted once in a while only.
//! Nothing is decided here, and nothing waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::audit::{AuditEntry, AuditKind, AuditNote};
use holdfast_proto::inode::KeyValue;
use holdfast_proto::map::{Liveness, Standing};
use holdfast_proto::op::{NoteAudit, Op};
use holdfast_proto::query::{ListAudit, Query, QueryRequest};
use holdfast_proto::status::Status;
use prost::Message;
use tokio::time::Instant;

use super::board::Doing;
use super::context::Leader;
use super::facts;
use super::health::listening_ms;
use super::ports::{Chunkservers, Metadata};
use super::voters::Council;

const NAME: &str = "events";
const ROUND: Duration = Duration::from_secs(1);
/// The same thing is not noted more often than this.
const RARELY: Duration = Duration::from_secs(30);
/// What is seen has to last for so long.
const LASTS: Duration = Duration::from_secs(2);
/// Notes of one command.
const MOST: usize = 100;
/// Entries looked at to learn what was noted.
const LOOK_BACK: u32 = 1000;
/// A metaserver that did not answer for so long is silent.
const SILENT_MS: u64 = 5000;

/// What is normal, and so needs no note to begin with.
const NORMAL: &[&str] = &["node.up", "disk.good", "meta.back", "data.whole"];

/// Something that can be in one of several states, with what there is to say of it now.
type Seen = BTreeMap<String, (&'static str, Vec<KeyValue>)>;

#[derive(Debug)]
struct Noted {
    action: String,
    at: Option<Instant>,
    /// What is seen instead, and since when.
    other: Option<(&'static str, Instant)>,
}

/// Runs until leadership ends.
pub(crate) async fn run<M: Metadata + Council, C: Chunkservers>(leader: Arc<Leader<M, C>>) {
    let mut noted: Option<BTreeMap<String, Noted>> = None;
    while leader.pause(ROUND).await {
        let outcome = match &mut noted {
            Some(noted) => round(&leader, noted).await,
            None => begin(&leader).await.map(|read| noted = Some(read)),
        };
        match outcome {
            Ok(()) => leader.board.set(NAME, Doing::Idle, "what happened is noted"),
            Err(status) => leader.board.set(NAME, Doing::Waiting, status.to_string()),
        }
    }
}

/// Notes that this node leads, and learns what was noted before.
async fn begin<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
) -> Result<BTreeMap<String, Noted>, Status> {
    let details = vec![pair("term", leader.term)];
    note(leader, vec![event("meta.leader", leader.node.to_string(), details)]).await?;
    let before = leader
        .look(|index, view| {
            let ask =
                ListAudit { most: LOOK_BACK, kinds: vec![AuditKind::Event as i32], ..ListAudit::default() };
            let ask = QueryRequest { query: Some(Query::ListAudit(ask)), ..QueryRequest::default() };
            Ok(holdfast_state::query(view, index, &ask)?.audit)
        })
        .await?;
    let mut noted = BTreeMap::new();
    let entries = before.into_iter().filter_map(|sealed| AuditEntry::decode(sealed.body).ok()?.note);
    for note in entries {
        let Some((kind, _)) = note.action.split_once('.') else { continue };
        let watched = ["node.up", "node.down", "meta.silent"].contains(&note.action.as_str())
            || NORMAL.contains(&note.action.as_str())
            || kind == "data"
            || ["disk.failed", "disk.full", "disk.down"].contains(&note.action.as_str());
        if watched {
            let key = key(kind, &note.target);
            noted.entry(key).or_insert(Noted { action: note.action, at: None, other: None });
        }
    }
    Ok(noted)
}

async fn round<M: Metadata + Council, C: Chunkservers>(
    leader: &Leader<M, C>,
    noted: &mut BTreeMap<String, Noted>,
) -> Result<(), Status> {
    // A leader that was just elected takes everybody for present.
    if listening_ms(leader) > 0 {
        return Ok(());
    }
    let now = Instant::now();
    let mut seen = servers(leader, now);
    seen.extend(metaservers(leader));
    let state = leader.look(|_, view| facts::state(view)).await?;
    seen.insert("data/".into(), data(leader.redundancy(&state)));
    let due = compare(noted, &seen, now);
    let notes: Vec<AuditNote> = due
        .iter()
        .filter_map(|key| {
            let (action, details) = seen.get(key)?;
            let target = key.split_once('/').map_or("", |(_, target)| target);
            Some(event(action, target.to_owned(), details.clone()))
        })
        .collect();
    if notes.is_empty() {
        return Ok(());
    }
    note(leader, notes).await?;
    for key in due {
        let Some((action, _)) = seen.get(&key) else { continue };
        noted.insert(key, Noted { action: (*action).to_owned(), at: Some(now), other: None });
    }
    Ok(())
}

/// Which of what is seen is to be noted now.
fn compare(noted: &mut BTreeMap<String, Noted>, seen: &Seen, now: Instant) -> Vec<String> {
    // What is gone needs no watching: nodes and disks that were removed.
    noted.retain(|key, _| seen.contains_key(key));
    let mut due = Vec::new();
    for (key, (action, _)) in seen {
        let normal = || NORMAL.iter().find(|normal| same_kind(normal, action)).copied().unwrap_or(action);
        let known = noted.entry(key.clone()).or_insert_with(|| Noted {
            action: normal().to_owned(),
            at: None,
            other: None,
        });
        if known.action == *action {
            known.other = None;
            continue;
        }
        let since = match known.other {
            Some((other, since)) if other == *action => since,
            _ => now,
        };
        known.other = Some((action, since));
        let rested = known.at.is_none_or(|at| now.duration_since(at) >= RARELY);
        if now.duration_since(since) >= LASTS && rested && due.len() < MOST {
            due.push(key.clone());
        }
    }
    due
}

fn same_kind(a: &str, b: &str) -> bool {
    a.split('.').next() == b.split('.').next()
}

fn key(kind: &str, target: &str) -> String {
    format!("{kind}/{target}")
}

fn pair(key: &str, value: impl ToString) -> KeyValue {
    KeyValue { key: key.into(), value: value.to_string() }
}

fn event(action: &str, target: String, details: Vec<KeyValue>) -> AuditNote {
    AuditNote {
        kind: AuditKind::Event as i32,
        action: action.to_owned(),
        target,
        details,
        ..AuditNote::default()
    }
}

async fn note<M: Metadata, C: Chunkservers>(
    leader: &Leader<M, C>,
    notes: Vec<AuditNote>,
) -> Result<(), Status> {
    leader.propose(Op::NoteAudit(NoteAudit { notes })).await.map(drop)
}

/// Nodes with disks, and disks whose nodes answer.
fn servers<M, C>(leader: &Leader<M, C>, now: Instant) -> Seen {
    let hearing = leader.hearing.lock();
    let cluster = leader.cluster.lock();
    let mut seen = Seen::new();
    for disk in cluster.disks.values().filter(|disk| disk.standing != Standing::Removed) {
        let Some(node) = cluster.nodes.get(&disk.node) else { continue };
        let liveness = hearing.node(now, node.id).liveness();
        let action = match liveness {
            Liveness::Alive => "node.up",
            Liveness::Down => "node.down",
            // Nobody knows yet what becomes of it.
            _ => continue,
        };
        seen.entry(key("node", &format!("n{}", node.id)))
            .or_insert_with(|| (action, vec![pair("address", &node.address)]));
        let action = match disk.liveness {
            _ if liveness != Liveness::Alive => continue,
            Liveness::Alive => "disk.good",
            Liveness::Failed => "disk.failed",
            Liveness::Full => "disk.full",
            Liveness::Down => "disk.down",
            Liveness::Suspect => continue,
        };
        let reason = hearing.report(disk.node, disk.id).map(|report| report.reason.clone());
        let reason = reason.filter(|reason| !reason.is_empty()).map(|reason| pair("reason", reason));
        let details = [pair("node", format!("n{}", disk.node))].into_iter().chain(reason).collect();
        seen.insert(key("disk", &format!("d{}", disk.id)), (action, details));
    }
    seen
}

/// The other metaservers, as the metadata group sees them.
fn metaservers<M: Council, C>(leader: &Leader<M, C>) -> Seen {
    let status = leader.meta.status();
    let others = status.voters.iter().filter(|peer| peer.node != leader.node.0);
    others
        .map(|peer| {
            let known = status.progress.iter().find(|progress| progress.node == peer.node);
            let silent = known.is_none_or(|progress| progress.silent_ms.is_none_or(|ms| ms > SILENT_MS));
            let action = if silent { "meta.silent" } else { "meta.back" };
            (key("meta", &format!("n{}", peer.node)), (action, vec![pair("address", &peer.address)]))
        })
        .collect()
}

fn data(now: holdfast_proto::admin::RedundancyStatus) -> (&'static str, Vec<KeyValue>) {
    let levels = [
        ("data.unavailable", now.pgs_unavailable),
        ("data.at_risk", now.pgs_at_risk),
        ("data.degraded", now.pgs_degraded),
    ];
    let repaired = [pair("repaired_bytes", now.repaired_bytes), pair("repaired_chunks", now.repaired_chunks)];
    match levels.into_iter().find(|(_, groups)| *groups > 0) {
        Some((action, groups)) => (action, [pair("groups", groups)].into_iter().chain(repaired).collect()),
        None => ("data.whole", repaired.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(action: &'static str) -> Seen {
        Seen::from([("node/n3".to_owned(), (action, Vec::new()))])
    }

    /// Looks every second; at which seconds something is due, if it is noted then.
    fn watch(
        noted: &mut BTreeMap<String, Noted>,
        start: Instant,
        course: &[(u64, &'static str)],
    ) -> Vec<u64> {
        let mut at = Vec::new();
        for (second, action) in course {
            let now = start + Duration::from_secs(*second);
            for key in compare(noted, &seen(action), now) {
                noted.insert(key, Noted { action: (*action).to_owned(), at: Some(now), other: None });
                at.push(*second);
            }
        }
        at
    }

    #[test]
    fn what_lasts_is_noted_once() {
        let (mut noted, start) = (BTreeMap::new(), Instant::now());
        let course: Vec<(u64, &str)> =
            (0..10).map(|s| (s, if s < 3 { "node.up" } else { "node.down" })).collect();
        assert_eq!(watch(&mut noted, start, &course), [5]);
    }

    #[test]
    fn what_was_noted_by_the_leader_before_is_not_noted_again() {
        let start = Instant::now();
        let before = Noted { action: "node.down".into(), at: None, other: None };
        let mut noted = BTreeMap::from([("node/n3".to_owned(), before)]);
        assert!(watch(&mut noted, start, &[(0, "node.down"), (9, "node.down")]).is_empty());
        assert_eq!(watch(&mut noted, start, &[(10, "node.up"), (12, "node.up")]), [12]);
    }

    #[test]
    fn to_and_fro_is_noted_rarely() {
        let (mut noted, start) = (BTreeMap::new(), Instant::now());
        let course: Vec<(u64, &str)> =
            (0..100).map(|s| (s, if s / 5 % 2 == 0 { "node.up" } else { "node.down" })).collect();
        let at = watch(&mut noted, start, &course);
        assert!(at.len() <= 4 && at.windows(2).all(|pair| pair[1] - pair[0] >= 30), "{at:?}");
    }

    #[test]
    fn what_was_removed_is_forgotten() {
        let (mut noted, start) = (BTreeMap::new(), Instant::now());
        watch(&mut noted, start, &[(0, "node.down"), (3, "node.down")]);
        assert!(compare(&mut noted, &Seen::new(), start).is_empty() && noted.is_empty());
    }
}
