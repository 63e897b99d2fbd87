//! `Scrubs`: how the scrub of every disk is, as their nodes said last, beside what was ordered.

use holdfast_proto::admin::{ScrubDisk, ScrubReply, ScrubRequest};
use holdfast_proto::map::{Liveness, Standing};
use holdfast_proto::status::Status;
use holdfast_rpc::Context;
use holdfast_state::map_view;

use super::Services;

pub(super) async fn answer(
    services: &Services,
    _context: Context,
    request: ScrubRequest,
) -> Result<ScrubReply, Status> {
    let leader = services.leader()?;
    // From the state: the leader's picture of the map may not know an order that was given just now.
    let records = leader.look(|_, view| map_view::disks(view)).await?;
    let hearing = leader.hearing.lock();
    let cluster = leader.cluster.lock();
    let disks = records.into_iter().filter(|disk| disk.standing() != Standing::Removed).map(|disk| {
        let facts = cluster.disks.get(&disk.id);
        let heard = hearing.report(disk.node, disk.id);
        let heard = heard.filter(|report| report.disk.is_some_and(|d| d.incarnation == disk.incarnation));
        let mut report = heard.and_then(|report| report.scrub.clone());
        if let Some(report) = &mut report {
            let rounds = hearing.scrub_rounds(disk.node, disk.id, disk.incarnation);
            let first = if request.history { 0 } else { rounds.len().saturating_sub(1) };
            report.history = rounds.get(first..).unwrap_or_default().to_vec();
        }
        ScrubDisk {
            disk: disk.id,
            incarnation: disk.incarnation,
            node: disk.node,
            standing: facts.map_or(disk.standing(), |facts| facts.standing) as i32,
            liveness: facts.map_or(Liveness::Suspect, |facts| facts.liveness) as i32,
            ordered: disk.scrub_ordered,
            report,
        }
    });
    Ok(ScrubReply { disks: disks.collect() })
}
