//! `holdfast admin map`: the cluster map as the leader has it.

use serde::Serialize;

use super::{classes, pgs, role_names, standing_name};
use crate::failure::Outcome;
use crate::output::Output;
use crate::remote::Remote;

#[derive(Serialize)]
struct View {
    cluster: String,
    meta_incarnation: u64,
    epoch: u64,
    leader: u64,
    term: u64,
    nodes: Vec<Node>,
    disks: Vec<Disk>,
    classes: Vec<classes::ClassView>,
    pgs: Vec<pgs::PgView>,
}

#[derive(Serialize)]
struct Node {
    id: u64,
    epoch: u64,
    address: String,
    roles: String,
    zone: String,
    rack: String,
    host: String,
    standing: &'static str,
}

#[derive(Serialize)]
struct Disk {
    id: u32,
    epoch: u64,
    incarnation: u64,
    node: u64,
    capacity_bytes: u64,
    weight: u32,
    standing: &'static str,
    path: String,
}

pub(super) async fn run(remote: &Remote, output: Output) -> Outcome<()> {
    let map = super::whole_map(remote).await?;
    let view = View {
        cluster: map.cluster.iter().map(|b| format!("{b:02x}")).collect(),
        meta_incarnation: map.meta_incarnation,
        epoch: map.epoch,
        leader: map.leader,
        term: map.term,
        pgs: map.pgs.iter().map(pgs::view).collect(),
        classes: map.classes.iter().map(classes::view).collect(),
        nodes: map
            .nodes
            .into_iter()
            .map(|n| Node {
                id: n.id,
                epoch: n.epoch,
                roles: role_names(n.roles),
                standing: standing_name(n.standing),
                address: n.address,
                zone: n.zone,
                rack: n.rack,
                host: n.host,
            })
            .collect(),
        disks: map
            .disks
            .into_iter()
            .map(|d| Disk {
                id: d.id,
                epoch: d.epoch,
                incarnation: d.incarnation,
                node: d.node,
                capacity_bytes: d.capacity,
                weight: d.weight,
                standing: standing_name(d.standing),
                path: d.path,
            })
            .collect(),
    };
    // A map has no useful table: it is JSON for people, too.
    output.show(&view, |out| {
        serde_json::to_writer_pretty(&mut *out, &view)?;
        writeln!(out)
    })
}
