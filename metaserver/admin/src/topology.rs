//! Nodes and disks: where they stand, how full and how busy they are; labels and weights.

use std::collections::HashMap;

use axum::Json;
use holdfast_proto::admin::{ClusterStatus, DiskRates, HealthRequest, MetaStatus};
use holdfast_proto::cluster::DiskReport;
use holdfast_proto::map::{Disk, DiskLoad, MapReply, Node};
use holdfast_proto::method::Health;
use holdfast_proto::op::{Op, SetDisk, SetNode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::names;
use crate::overview::SILENT_MS;
use crate::procedures::Procedure;
use crate::scrub::{self, ScrubView};
use crate::who::{Operator, Viewer};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get_topology))
        .routes(routes!(get_node, change_node))
        .routes(routes!(get_disk, change_disk))
}

/// Groups of a disk that are named.
const MOST_GROUPS: usize = 1000;
/// Longest label.
const MOST_LABEL: usize = 64;

/// Nodes and disks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Topology {
    /// Epoch of the cluster map.
    pub map_epoch: u64,
    /// Every node that was not removed.
    pub nodes: Vec<NodeView>,
    /// Every disk that was not removed.
    pub disks: Vec<DiskView>,
}

/// A node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// Its number.
    pub id: u64,
    /// Where other nodes reach it.
    pub address: String,
    /// Where its admin port is.
    pub admin_address: String,
    /// Where its S3 port is.
    pub s3_address: String,
    /// Zone label.
    pub zone: String,
    /// Rack label.
    pub rack: String,
    /// Host label; empty: it stands for its own host.
    pub host: String,
    /// What it plays: `meta`, `chunk`, `gateway`, `worker`, `witness`.
    pub roles: Vec<String>,
    /// `in`, `draining`, `out`, `removed` or `maintenance`.
    pub standing: String,
    /// `alive`, `suspect` or `down`; `unknown` of one without disks.
    pub liveness: String,
    /// How long it has been silent.
    pub silent_ms: u64,
    /// Its build.
    pub version: String,
    /// Since when it runs.
    pub uptime_ms: u64,
    /// It leads the metadata group.
    pub leader: bool,
    /// It votes in the metadata group.
    pub voter: bool,
    /// Disks on it.
    pub disks: u64,
    /// What is under way with it.
    pub procedure: Option<Procedure>,
}

/// A disk.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiskView {
    /// Its number.
    pub id: u32,
    /// Its node.
    pub node: u64,
    /// Which life of it.
    pub incarnation: u64,
    /// Its directory on the node.
    pub path: String,
    /// Its own: `in`, `draining`, `out`, `removed` or `maintenance`.
    pub standing: String,
    /// The worse of its own and its node's.
    pub effective_standing: String,
    /// `alive`, `suspect`, `down`, `failed` or `full`.
    pub liveness: String,
    /// `good`, `failed`, `full`, `recovering`, or `unknown` when it was not heard of.
    pub condition: String,
    /// Why, if it is not good.
    pub reason: String,
    /// Share of new data relative to its capacity; 1 is normal.
    pub weight: f64,
    /// Bytes it can keep.
    pub capacity_bytes: u64,
    /// Bytes it keeps.
    pub used_bytes: u64,
    /// Bytes it can still take.
    pub free_bytes: u64,
    /// Bytes of what is deleted and not given back yet.
    pub garbage_bytes: u64,
    /// Groups that it is a member of.
    pub groups: u64,
    /// Records on it.
    pub records: u64,
    /// Microseconds of a commit.
    pub commit_us: u64,
    /// Bytes read per second.
    pub read_bytes: u64,
    /// Bytes written per second.
    pub write_bytes: u64,
    /// Reads per second.
    pub read_ops: u64,
    /// Writes per second.
    pub write_ops: u64,
    /// How busy it is, 0 to 1.
    pub load: f64,
    /// It was declared lost: an empty one takes its place.
    pub lost: bool,
    /// What is under way with it.
    pub procedure: Option<Procedure>,
}

/// Everything that a picture of nodes and disks is made from.
struct Picture {
    map: MapReply,
    status: ClusterStatus,
    procedures: Vec<Procedure>,
    reports: HashMap<u32, DiskReport>,
    loads: HashMap<u32, DiskLoad>,
    rates: HashMap<u32, DiskRates>,
    groups: HashMap<u32, u64>,
}

/// How a node without disks is, and for how long it has been silent: the leader hears of it only as a member of the
/// metadata group, and nothing of one that is not.
fn member(meta: &MetaStatus, node: u64) -> (&'static str, u64) {
    if meta.leader == node {
        return ("alive", 0);
    }
    match meta.progress.iter().find(|progress| progress.node == node) {
        None => ("unknown", 0),
        Some(progress) => match progress.silent_ms {
            Some(ms) if ms <= SILENT_MS => ("alive", ms),
            Some(ms) => ("down", ms),
            None => ("down", 0),
        },
    }
}

impl Picture {
    async fn take(cluster: &Cluster) -> Result<Self, Problem> {
        let health_request = HealthRequest::default();
        let (map, status, health) =
            tokio::try_join!(cluster.map(), cluster.condition(), cluster.leader::<Health>(&health_request))?;
        let mut groups = HashMap::new();
        for member in map.pgs.iter().flat_map(|pg| &pg.members) {
            *groups.entry(member.disk).or_insert(0) += 1;
        }
        Ok(Self {
            reports: status.disks.iter().filter_map(|r| Some((r.disk?.disk, r.clone()))).collect(),
            loads: map.loads.iter().map(|load| (load.disk, *load)).collect(),
            rates: status.loads.iter().map(|rates| (rates.disk, *rates)).collect(),
            procedures: health.procedures.iter().map(Procedure::of).collect(),
            map,
            status,
            groups,
        })
    }

    fn node(&self, node: &Node) -> NodeView {
        let seen = self.status.nodes.iter().find(|seen| seen.node == node.id);
        let about = self.status.about.iter().find(|about| about.node == node.id);
        let meta = self.status.meta.clone().unwrap_or_default();
        let as_member = member(&meta, node.id);
        let here = |disk: &&Disk| disk.node == node.id && names::standing(disk.standing) != "removed";
        let procedure = self.procedures.iter().find(|p| p.disk.is_none() && p.node == node.id);
        NodeView {
            id: node.id,
            address: node.address.clone(),
            admin_address: node.admin_address.clone(),
            s3_address: node.s3_address.clone(),
            zone: node.zone.clone(),
            rack: node.rack.clone(),
            host: node.host.clone(),
            roles: names::roles(node.roles).into_iter().map(str::to_owned).collect(),
            standing: names::standing(node.standing).to_owned(),
            liveness: seen.map_or(as_member.0, |seen| names::liveness(seen.liveness)).to_owned(),
            silent_ms: seen.map_or(as_member.1, |seen| seen.silent_ms),
            version: about.map(|about| about.version.clone()).unwrap_or_default(),
            uptime_ms: about.map_or(0, |about| about.uptime_ms),
            leader: meta.leader == node.id,
            voter: meta.voters.iter().any(|voter| voter.node == node.id),
            disks: self.map.disks.iter().filter(here).count() as u64,
            procedure: procedure.cloned(),
        }
    }

    fn disk(&self, disk: &Disk) -> DiskView {
        let report = self
            .reports
            .get(&disk.id)
            .filter(|report| report.disk.is_some_and(|reported| reported.incarnation == disk.incarnation));
        let node = self.map.nodes.iter().find(|node| node.id == disk.node);
        let own = names::standing(disk.standing);
        let effective = match (own, node.map_or("in", |node| names::standing(node.standing))) {
            ("in", of_node) => of_node,
            (own, _) => own,
        };
        let load = self.loads.get(&disk.id);
        let rates = self.rates.get(&disk.id).copied().unwrap_or_default();
        let procedure = self.procedures.iter().find(|procedure| procedure.disk == Some(disk.id));
        DiskView {
            id: disk.id,
            node: disk.node,
            incarnation: disk.incarnation,
            path: disk.path.clone(),
            standing: own.to_owned(),
            effective_standing: effective.to_owned(),
            liveness: load.map_or("unknown", |load| names::liveness(load.liveness)).to_owned(),
            condition: report.map_or("unknown", |report| names::condition(report.condition)).to_owned(),
            reason: report.map(|report| report.reason.clone()).unwrap_or_default(),
            weight: f64::from(disk.weight) / 1000.0,
            capacity_bytes: disk.capacity,
            used_bytes: report.map_or(load.map_or(0, |load| load.used), |report| report.used),
            free_bytes: report.map_or(load.map_or(0, |load| load.free), |report| report.free),
            garbage_bytes: report.map_or(0, |report| report.garbage),
            groups: self.groups.get(&disk.id).copied().unwrap_or(0),
            records: report.map_or(0, |report| report.records),
            commit_us: report.map_or(0, |report| report.commit_us),
            read_bytes: rates.read_bytes,
            write_bytes: rates.write_bytes,
            read_ops: rates.reads,
            write_ops: rates.writes,
            load: f64::from(rates.load) / 1000.0,
            lost: disk.lost,
            procedure: procedure.cloned(),
        }
    }

    fn disks_of(&self, node: u64) -> Vec<DiskView> {
        let here = |disk: &&Disk| disk.node == node && names::standing(disk.standing) != "removed";
        self.map.disks.iter().filter(here).map(|disk| self.disk(disk)).collect()
    }
}

/// Nodes and disks.
pub async fn topology(cluster: &Cluster) -> Result<Topology, Problem> {
    let picture = Picture::take(cluster).await?;
    let there = |standing: i32| names::standing(standing) != "removed";
    Ok(Topology {
        map_epoch: picture.map.epoch,
        nodes: (picture.map.nodes.iter().filter(|n| there(n.standing))).map(|n| picture.node(n)).collect(),
        disks: (picture.map.disks.iter().filter(|d| there(d.standing))).map(|d| picture.disk(d)).collect(),
    })
}

/// A node with its disks.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeDetail {
    /// The node.
    #[serde(flatten)]
    pub node: NodeView,
    /// Its disks.
    pub disk_list: Vec<DiskView>,
}

/// A disk with its node, its scrub and its groups.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DiskDetail {
    /// The disk.
    #[serde(flatten)]
    pub disk: DiskView,
    /// Its node.
    pub node_view: NodeView,
    /// Its scrub.
    pub scrub: Option<ScrubView>,
    /// Its groups, the first 1000.
    pub group_ids: Vec<u32>,
}

/// One node.
pub async fn node(cluster: &Cluster, id: u64) -> Result<NodeDetail, Problem> {
    let picture = Picture::take(cluster).await?;
    let node = picture.map.nodes.iter().find(|node| node.id == id);
    let node = node.ok_or_else(|| Problem::not_found(format!("there is no node n{id}")))?;
    Ok(NodeDetail { node: picture.node(node), disk_list: picture.disks_of(id) })
}

/// One disk.
pub async fn disk(cluster: &Cluster, id: u32) -> Result<DiskDetail, Problem> {
    let (picture, scrub) = tokio::try_join!(Picture::take(cluster), scrub::status(cluster))?;
    let disk = picture.map.disks.iter().find(|disk| disk.id == id);
    let disk = disk.ok_or_else(|| Problem::not_found(format!("there is no disk d{id}")))?;
    let node = picture.map.nodes.iter().find(|node| node.id == disk.node);
    let node = node.ok_or_else(|| Problem::internal(format!("disk d{id} has no node")))?;
    let has = |pg: &&holdfast_proto::map::Pg| pg.members.iter().any(|member| member.disk == id);
    Ok(DiskDetail {
        disk: picture.disk(disk),
        node_view: picture.node(node),
        scrub: scrub.disks.into_iter().find(|scrub| scrub.disk == id),
        group_ids: picture.map.pgs.iter().filter(has).map(|pg| pg.id).take(MOST_GROUPS).collect(),
    })
}

/// Changes of a node; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeChange {
    /// Zone label.
    #[schema(format = "label")]
    pub zone: Option<String>,
    /// Rack label.
    #[schema(format = "label")]
    pub rack: Option<String>,
    /// Host label.
    #[schema(format = "label")]
    pub host: Option<String>,
    /// `in`, `draining`, `out` or `maintenance`, whatever comes of it: drain and maintenance look first.
    #[schema(pattern = "^(in|draining|out|maintenance)$")]
    pub standing: Option<String>,
}

/// Changes of a disk.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DiskChange {
    /// Share of new data relative to its capacity, 0 to 100.
    #[schema(minimum = 0, maximum = 100)]
    pub weight: Option<f64>,
    /// `in`, `draining`, `out` or `maintenance`, whatever comes of it: drain and replace look first.
    #[schema(pattern = "^(in|draining|out|maintenance)$")]
    pub standing: Option<String>,
}

/// The number of a standing that somebody may give.
fn standing_of(name: Option<&String>) -> Result<Option<i32>, Problem> {
    let number = |name: &String| {
        let found = names::standing_number(name).filter(|_| name != "removed");
        found.ok_or_else(|| Problem::invalid("standing is one of in, draining, out, maintenance"))
    };
    name.map(number).transpose()
}

/// Changes labels and standing of a node.
pub async fn change_of_node(cluster: &Cluster, id: u64, change: NodeChange) -> Result<(), Problem> {
    let labels = [&change.zone, &change.rack, &change.host];
    if labels.iter().all(|label| label.is_none()) && change.standing.is_none() {
        return Err(Problem::unfit("nothing to change: give standing, zone, rack or host"));
    }
    let standing = standing_of(change.standing.as_ref())?;
    let plain = |label: &&String| {
        label.chars().count() <= MOST_LABEL && label.chars().all(|c| !c.is_control() && c != '/')
    };
    if !labels.into_iter().flatten().all(|label| plain(&label)) {
        return Err(Problem::invalid(
            "a label has at most 64 characters, no control characters and no slash",
        ));
    }
    let NodeChange { zone, rack, host, .. } = change;
    cluster
        .change(Op::SetNode(SetNode { id, zone, rack, host, standing, ..SetNode::default() }))
        .await
        .map(drop)
}

/// Changes weight and standing of a disk.
pub async fn change_of_disk(cluster: &Cluster, id: u32, change: &DiskChange) -> Result<(), Problem> {
    if change.weight.is_none() && change.standing.is_none() {
        return Err(Problem::unfit("nothing to change: give standing or weight"));
    }
    if change.weight.is_some_and(|weight| !(0.0..=100.0).contains(&weight)) {
        return Err(Problem::invalid("a weight lies between 0 and 100"));
    }
    let weight = change.weight.map(|weight| (weight * 1000.0).round() as u32);
    let standing = standing_of(change.standing.as_ref())?;
    cluster.change(Op::SetDisk(SetDisk { id, weight, standing, ..SetDisk::default() })).await.map(drop)
}

/// Nodes and disks, where they stand and how they are.
#[utoipa::path(get, path = "/topology", tag = "topology", operation_id = "get_topology",
    responses((status = 200, body = Topology), Failures))]
async fn get_topology(viewer: Viewer) -> Result<Json<Topology>, Problem> {
    topology(&viewer.cluster).await.map(Json)
}

/// A node and its disks.
#[utoipa::path(get, path = "/nodes/{node}", tag = "topology", operation_id = "get_node", params(("node" = u64, Path)),
    responses((status = 200, body = NodeDetail), Failures))]
async fn get_node(viewer: Viewer, Path(id): Path<u64>) -> Result<Json<NodeDetail>, Problem> {
    node(&viewer.cluster, id).await.map(Json)
}

/// Change the labels of a node, or its standing without a look at what comes of it.
#[utoipa::path(patch, path = "/nodes/{node}", tag = "topology", params(("node" = u64, Path)), request_body = NodeChange,
    responses((status = 200, body = NodeDetail), Failures))]
async fn change_node(
    operator: Operator,
    Path(id): Path<u64>,
    Body(change): Body<NodeChange>,
) -> Result<Json<NodeDetail>, Problem> {
    change_of_node(&operator.cluster, id, change).await?;
    node(&operator.cluster, id).await.map(Json)
}

/// A disk, its node, its scrub and its groups.
#[utoipa::path(get, path = "/disks/{disk}", tag = "topology", operation_id = "get_disk", params(("disk" = u32, Path)),
    responses((status = 200, body = DiskDetail), Failures))]
async fn get_disk(viewer: Viewer, Path(id): Path<u32>) -> Result<Json<DiskDetail>, Problem> {
    disk(&viewer.cluster, id).await.map(Json)
}

/// Change the weight of a disk, or its standing without a look at what comes of it.
#[utoipa::path(patch, path = "/disks/{disk}", tag = "topology", params(("disk" = u32, Path)), request_body = DiskChange,
    responses((status = 200, body = DiskDetail), Failures))]
async fn change_disk(
    operator: Operator,
    Path(id): Path<u32>,
    Body(change): Body<DiskChange>,
) -> Result<Json<DiskDetail>, Problem> {
    change_of_disk(&operator.cluster, id, &change).await?;
    disk(&operator.cluster, id).await.map(Json)
}
