//! The cluster map as the leader has it: everything that clients place data by.

use axum::Json;
use holdfast_proto::map::{MapReply, Pg};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::classes::{self, ClassView};
use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::App;
use crate::names;
use crate::who::Viewer;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_map))
}

/// The cluster map.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = ClusterMap)]
pub struct Map {
    /// The cluster's id.
    pub cluster: String,
    /// Which life of the metadata it is from.
    pub meta_incarnation: u64,
    /// Its epoch.
    pub epoch: u64,
    /// The node that leads the metadata group.
    pub leader: u64,
    /// Its term.
    pub term: u64,
    /// Nodes.
    pub nodes: Vec<MapNode>,
    /// Disks.
    pub disks: Vec<MapDisk>,
    /// Classes.
    pub classes: Vec<ClassView>,
    /// Placement groups.
    pub pgs: Vec<MapGroup>,
}

/// A node in the map.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MapNode {
    /// Its number.
    pub id: u64,
    /// Epoch of its last change.
    pub epoch: u64,
    /// Where other nodes reach it.
    pub address: String,
    /// What it plays.
    pub roles: Vec<String>,
    /// Zone label.
    pub zone: String,
    /// Rack label.
    pub rack: String,
    /// Host label.
    pub host: String,
    /// `in`, `draining`, `out`, `removed` or `maintenance`.
    pub standing: String,
}

/// A disk in the map.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MapDisk {
    /// Its number.
    pub id: u32,
    /// Epoch of its last change.
    pub epoch: u64,
    /// Which life of it.
    pub incarnation: u64,
    /// Its node.
    pub node: u64,
    /// Bytes it can keep.
    pub capacity_bytes: u64,
    /// Share of new data relative to its capacity, in thousandths.
    pub weight: u32,
    /// `in`, `draining`, `out`, `removed` or `maintenance`.
    pub standing: String,
    /// Its directory on the node.
    pub path: String,
}

/// A placement group in the map.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MapGroup {
    /// Its number.
    pub id: u32,
    /// Epoch of its last change.
    pub epoch: u64,
    /// Its class.
    pub class: u32,
    /// `writable`, `sealed` or `retired`.
    pub state: String,
    /// Its members.
    pub members: Vec<MapMember>,
}

/// A member of a group in the map.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct MapMember {
    /// Its disk.
    pub disk: u32,
    /// Which life of the disk.
    pub incarnation: u64,
    /// Epoch at which it joined.
    pub joined: u64,
    /// It holds everything but what is noted as missing.
    pub clean: bool,
    /// It stands in for another one.
    pub temporary: bool,
}

fn group(pg: &Pg) -> MapGroup {
    MapGroup {
        id: pg.id,
        epoch: pg.epoch,
        class: pg.class,
        state: names::pg_state(pg.state).to_owned(),
        members: (pg.members.iter())
            .map(|m| MapMember {
                disk: m.disk,
                incarnation: m.incarnation,
                joined: m.joined,
                clean: m.clean,
                temporary: m.temporary,
            })
            .collect(),
    }
}

fn view(map: MapReply) -> Map {
    Map {
        cluster: hex::encode(&map.cluster),
        meta_incarnation: map.meta_incarnation,
        epoch: map.epoch,
        leader: map.leader,
        term: map.term,
        classes: map.classes.iter().map(|class| classes::view(class, 0, 0)).collect(),
        pgs: map.pgs.iter().map(group).collect(),
        nodes: (map.nodes.into_iter())
            .map(|n| MapNode {
                id: n.id,
                epoch: n.epoch,
                roles: names::roles(n.roles).into_iter().map(str::to_owned).collect(),
                standing: names::standing(n.standing).to_owned(),
                address: n.address,
                zone: n.zone,
                rack: n.rack,
                host: n.host,
            })
            .collect(),
        disks: (map.disks.into_iter())
            .map(|d| MapDisk {
                id: d.id,
                epoch: d.epoch,
                incarnation: d.incarnation,
                node: d.node,
                capacity_bytes: d.capacity,
                weight: d.weight,
                standing: names::standing(d.standing).to_owned(),
                path: d.path,
            })
            .collect(),
    }
}

/// The whole map.
pub async fn map(cluster: &Cluster) -> Result<Map, Problem> {
    cluster.map().await.map(view)
}

/// The cluster map: nodes, disks, classes and every placement group with its members. How much lies in classes is not in it.
#[utoipa::path(get, path = "/map", tag = "topology", operation_id = "get_cluster_map",
    responses((status = 200, body = Map), Failures))]
async fn get_map(viewer: Viewer) -> Result<Json<Map>, Problem> {
    map(&viewer.cluster).await.map(Json)
}
