//! Shows how this node's member of the metadata group is, and what the leader knows, to whoever scrapes.
//!
//! What always holds: what is shown is at most a few seconds old, whatever hangs; each look is bounded. When this node does
//! not lead, what only the leader knows is taken back at each look, in case a loop that ended had still shown something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_proto::access::{Credential, CredentialKind};
use holdfast_proto::audit::AuditEnds;
use holdfast_proto::map::{PgState, Standing};
use holdfast_proto::op::Balance;
use holdfast_rpc::Net;
use holdfast_state::plan::cluster::Cluster;
use holdfast_state::records::{self, Quota, Trashed};
use holdfast_state::table::{Broken, View};
use holdfast_state::{keys, path_of};
use holdfast_support::clock::wall_ms;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Services, condition};
use crate::leader::Leader;
use crate::leader::measure::Sizes;
use crate::metrics::data::ClassFigures;
use crate::metrics::{self, data, doing, raft, room};
use crate::raft::Group;
use crate::store::StateView;

/// How often members and loops are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// Rounds between two looks at what goes over the whole map.
const WIDE: u64 = 5;
/// Rounds between two looks that read many records.
const RARE: u64 = 30;

/// Quotas, and credentials, that are looked at.
const MOST_READ: usize = 10_000;
/// Quotas that are shown: the fullest.
const MOST_QUOTAS: usize = 20;

/// Runs until told to stop.
pub(crate) async fn run(services: Arc<Services>, stop: CancellationToken) {
    let mut term = 0;
    let mut led = false;
    let mut looking: Option<JoinHandle<()>> = None;
    for number in 0u64.. {
        let status = services.group.status();
        raft::set_group(&status, services.group.log_bytes(), services.group.snapshot_bytes(), &mut term);
        let leader = services.leader().ok();
        match &leader {
            Some(leader) => {
                raft::set_members(&status);
                doing::set_loops(&leader.board.all());
            }
            None => metrics::forget(),
        }
        // A new leader is not waited for.
        let now_leads = leader.is_some();
        let rare = number.is_multiple_of(RARE) || (now_leads && !led);
        // One look at a time, which nobody waits for: a disk may take its time to answer.
        let idle = looking.as_ref().is_none_or(JoinHandle::is_finished);
        if idle && (rare || number.is_multiple_of(WIDE)) {
            let services = services.clone();
            looking = Some(tokio::task::spawn_blocking(move || {
                if let Err(error) = wide(&services, leader.as_deref(), rare) {
                    tracing::debug!(%error, "the figures of the metadata are not shown anew");
                }
            }));
        }
        led = now_leads;
        if tokio::time::timeout(ROUND, stop.cancelled()).await.is_ok() {
            return metrics::forget();
        }
    }
}

/// What costs more than a second look.
fn wide(services: &Services, leader: Option<&Leader<Group, Net>>, rare: bool) -> Result<(), Broken> {
    let view = services.group.local_view();
    if let Ok(table) = view.table_figures() {
        room::set_table(&table);
    }
    let ends: AuditEnds = records::load(&view, &keys::audit_ends())?.unwrap_or_default();
    data::set_audit(&ends);
    let Some(leader) = leader else { return Ok(()) };
    if let Ok(status) = condition::look(services) {
        doing::set_issues(&status.issues);
    }
    doing::set_gc_enabled(leader.knobs.load().collect);
    let run: Balance = records::load(&view, &keys::balance())?.unwrap_or_default();
    {
        let now = leader.balancing.lock();
        doing::set_balance(run.state(), now.left, now.under_way, now.rate);
    }
    {
        let cluster = leader.cluster.lock();
        doing::set_spread(spread(&cluster));
        data::set_classes(&classes(&cluster, &leader.sizes.load()));
    }
    data::set_trash_oldest(oldest(&view)?);
    match rare {
        true => read_many(&view),
        false => Ok(()),
    }
}

/// Fullness of the fullest disk that takes new chunks minus that of the emptiest.
fn spread(cluster: &Cluster) -> Option<f64> {
    let in_service = cluster.disks.values().filter(|disk| {
        disk.answers()
            && !matches!(disk.standing, Standing::Out | Standing::Removed)
            && disk.used + disk.free > 0
    });
    let levels = in_service.map(|disk| disk.used as f64 / (disk.used + disk.free) as f64);
    levels
        .fold(None, |ends: Option<(f64, f64)>, level| match ends {
            None => Some((level, level)),
            Some((least, most)) => Some((least.min(level), most.max(level))),
        })
        .map(|(least, most)| most - least)
}

fn classes(cluster: &Cluster, sizes: &Sizes) -> BTreeMap<String, ClassFigures> {
    let free: u64 = cluster.disks.values().filter(|disk| disk.takes_new()).map(|disk| disk.free).sum();
    let mut found: BTreeMap<u32, ClassFigures> = BTreeMap::new();
    for class in cluster.classes.values() {
        let (members, needed) = class
            .redundancy
            .map_or((1, 1), |r| (u64::from(r.members().max(1)), u64::from(r.min_readable().max(1))));
        let available = u128::from(free) * u128::from(needed) / u128::from(members);
        let available = u64::try_from(available).unwrap_or(u64::MAX);
        found.insert(class.id, ClassFigures { available, ..ClassFigures::default() });
    }
    for pg in cluster.pgs.values() {
        if let Some(class) = found.get_mut(&pg.class) {
            class.groups += 1;
            class.sealed += u64::from(pg.state() == PgState::Sealed);
            class.bytes += sizes.bytes.get(&pg.id).copied().unwrap_or(0);
        }
    }
    // Names are for people, and may be given twice.
    let mut named: BTreeMap<String, ClassFigures> = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (id, figures) in found {
        let name = cluster.classes.get(&id).map(|class| class.name.clone()).unwrap_or_default();
        let name = if !name.is_empty() && taken.insert(name.clone()) { name } else { format!("c{id}") };
        named.insert(name, figures);
    }
    named
}

/// Seconds for which the file that leaves the trash next has been there.
fn oldest(view: &StateView) -> Result<u64, Broken> {
    let end = keys::after_prefix(&keys::all(keys::TRASH));
    let first = records::load_range::<Trashed>(view, &keys::all(keys::TRASH), &end, 1)?;
    let now = holdfast_state::work::state(view)?.time_ns;
    Ok(first
        .first()
        .map_or(0, |(_, kept)| (now.saturating_sub(kept.deleted_ns).max(0) / 1_000_000_000) as u64))
}

fn read_many(view: &StateView) -> Result<(), Broken> {
    let end = keys::after_prefix(&keys::all(keys::QUOTA));
    let quotas = records::load_range::<Quota>(view, &keys::all(keys::QUOTA), &end, MOST_READ)?;
    data::set_quotas(&fullest(view, quotas.into_iter().map(|(_, quota)| quota))?);
    let end = keys::after_prefix(&keys::all(keys::CREDENTIAL));
    let found = records::load_range::<Credential>(view, &keys::all(keys::CREDENTIAL), &end, MOST_READ)?;
    let now_ns = i64::try_from(wall_ms()).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let of = |kind: CredentialKind| {
        let good =
            move |one: &&Credential| one.kind() == kind && (one.expires_ns == 0 || one.expires_ns > now_ns);
        found.iter().map(|(_, one)| one).filter(good)
    };
    let (logins, tokens) =
        (of(CredentialKind::Login).count() as u64, of(CredentialKind::Token).count() as u64);
    let ends = of(CredentialKind::Token).map(|one| one.expires_ns).filter(|at| *at > 0).min();
    data::set_credentials(logins, tokens, ends.map(|at| (at / 1_000_000_000) as u64));
    Ok(())
}

/// The quotas of which most is used, fullest first.
fn fullest(view: &dyn View, quotas: impl Iterator<Item = Quota>) -> Result<Vec<(u64, String, f64)>, Broken> {
    let ratio = |used: u64, limit: u64| if limit == 0 { 0.0 } else { used as f64 / limit as f64 };
    let mut used: Vec<(u64, f64)> = quotas
        .filter(|quota| quota.root != 0 && !quota.counting)
        .map(|quota| {
            (quota.root, ratio(quota.used_bytes, quota.bytes).max(ratio(quota.used_files, quota.files)))
        })
        .collect();
    used.sort_by(|a, b| b.1.total_cmp(&a.1));
    used.truncate(MOST_QUOTAS);
    used.into_iter().map(|(root, ratio)| Ok((root, path_of(view, root)?, ratio))).collect()
}
