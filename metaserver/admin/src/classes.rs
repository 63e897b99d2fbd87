//! Storage classes: how redundantly data is kept, and where copies or shards may stand.

use std::borrow::Cow;

use axum::Json;
use holdfast_proto::admin::HealthRequest;
use holdfast_proto::map::redundancy::Kind;
use holdfast_proto::map::{Erasure, FailureDomain, Redundancy, StorageClass};
use holdfast_proto::method::Health;
use holdfast_proto::op::{Op, PutClass};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::names;
use crate::page::Page;
use crate::who::{Admin, Viewer};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_classes, create_class)).routes(routes!(change_class))
}

const DEFAULT_CLASS: u32 = 1;
/// Usual largest chunk, and usual cell of an erasure class.
const CHUNK_BYTES: u64 = 8 << 20;
const CELL_BYTES: u64 = 256 << 10;
const INLINE_BYTES: u64 = 4096;

/// What a class is to be; of a change, what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClassSpec {
    /// Its name: 1 to 64 characters.
    #[schema(format = "class-name")]
    pub name: Option<String>,
    /// `replicated` or `erasure`. Cannot be changed.
    #[schema(pattern = "^(replicated|erasure)$")]
    pub kind: Option<String>,
    /// Copies.
    #[schema(minimum = 1, maximum = 8)]
    pub copies: Option<u32>,
    /// Fewest copies with which a write succeeds.
    #[schema(minimum = 1, maximum = 8)]
    pub min_copies: Option<u32>,
    /// Data shards.
    #[schema(minimum = 1, maximum = 32)]
    pub data: Option<u32>,
    /// Parity shards.
    #[schema(minimum = 1, maximum = 8)]
    pub parity: Option<u32>,
    /// Level at which members differ: `disk`, `host`, `rack` or `zone`.
    #[schema(pattern = "^(disk|host|rack|zone)$")]
    pub domain: Option<String>,
    /// Content up to so many bytes lies in metadata.
    #[schema(maximum = 65_536)]
    pub inline_limit: Option<u64>,
    /// Largest chunk, in bytes: a multiple of 4096; of an erasure class, of a stripe.
    #[schema(minimum = 65_536, maximum = 268_435_456, multiple_of = 4096)]
    pub chunk_bytes: Option<u64>,
    /// Bytes of a cell of an erasure class: a multiple of 4096.
    #[schema(minimum = 4096, maximum = 268_435_456, multiple_of = 4096)]
    pub cell_bytes: Option<u64>,
    /// Of an erasure class: the replicated class for what is too small or cannot be placed.
    #[schema(minimum = 1)]
    pub companion: Option<u32>,
}

/// What a new class is to be: the same, with a name.
#[derive(Debug, Deserialize)]
struct NewClass(ClassSpec);

impl PartialSchema for NewClass {
    fn schema() -> RefOr<Schema> {
        let mut schema = ClassSpec::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required.push("name".to_owned());
            if let Some(RefOr::T(Schema::Object(name))) = object.properties.get_mut("name") {
                name.schema_type = SchemaType::Type(Type::String);
                name.default = None;
            }
        }
        schema
    }
}

impl ToSchema for NewClass {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("NewClass")
    }
}

/// A storage class.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ClassView {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// `replicated` or `erasure`.
    pub kind: String,
    /// Copies.
    pub copies: Option<u32>,
    /// Fewest copies with which a write succeeds.
    pub min_copies: Option<u32>,
    /// Data shards.
    pub data: Option<u32>,
    /// Parity shards.
    pub parity: Option<u32>,
    /// Level at which members differ.
    pub domain: String,
    /// Content up to so many bytes lies in metadata.
    pub inline_limit: u64,
    /// Largest chunk, in bytes.
    pub chunk_bytes: u64,
    /// Bytes of a cell.
    pub cell_bytes: Option<u64>,
    /// Its companion.
    pub companion: Option<u32>,
    /// It is the class of what names no other.
    pub is_default: bool,
    /// Its groups.
    pub groups: u64,
    /// Bytes of chunks in them, before redundancy.
    pub bytes: u64,
    /// Raw bytes per byte.
    pub overhead: f64,
    /// Members that can be lost without losing data.
    pub tolerates: u32,
}

pub(crate) fn view(class: &StorageClass, groups: u64, bytes: u64) -> ClassView {
    let kind = class.redundancy.and_then(|redundancy| redundancy.kind);
    let (copies, min_copies, erasure) = match kind {
        Some(Kind::Replicated(r)) => (Some(r.copies), Some(r.min_copies), None),
        Some(Kind::Erasure(e)) => (None, None, Some(e)),
        None => (None, None, None),
    };
    let members = class.redundancy.map_or(0, |r| r.members());
    let readable = class.redundancy.map_or(1, |r| r.min_readable());
    ClassView {
        id: class.id,
        name: class.name.clone(),
        kind: if erasure.is_some() { "erasure" } else { "replicated" }.to_owned(),
        copies,
        min_copies,
        data: erasure.map(|e| e.data),
        parity: erasure.map(|e| e.parity),
        domain: names::domain(class.domain).to_owned(),
        inline_limit: class.inline_limit,
        chunk_bytes: class.chunk_bytes,
        cell_bytes: erasure.map(|e| e.cell_bytes),
        companion: (class.companion != 0).then_some(class.companion),
        is_default: class.id == DEFAULT_CLASS,
        groups,
        bytes,
        overhead: f64::from(members) / f64::from(readable.max(1)),
        tolerates: members.saturating_sub(readable),
    }
}

/// All classes.
pub async fn list(cluster: &Cluster) -> Result<Vec<ClassView>, Problem> {
    let request = HealthRequest::default();
    let (map, health) = tokio::try_join!(cluster.small_map(), cluster.leader::<Health>(&request))?;
    let views = map.classes.iter().map(|class| {
        let found = health.classes.iter().find(|one| one.class == class.id).copied().unwrap_or_default();
        view(class, found.groups, found.bytes)
    });
    Ok(views.collect())
}

/// Makes a class; with the id of one, changes it.
pub async fn put(cluster: &Cluster, id: Option<u32>, spec: &ClassSpec) -> Result<ClassView, Problem> {
    let classes = cluster.small_map().await?.classes;
    let old = match id {
        None => None,
        Some(id) => Some(
            classes
                .iter()
                .find(|class| class.id == id)
                .ok_or_else(|| Problem::not_found(format!("there is no class {id}")))?,
        ),
    };
    let op = command(spec, old)?;
    if old.is_none() && classes.iter().any(|class| class.name == op.name) {
        let what = format!("there is a class {:?} already", op.name);
        return Err(Problem::new(http::StatusCode::CONFLICT, "exists", what));
    }
    let name = op.name.clone();
    cluster.change(Op::PutClass(op)).await?;
    let classes = list(cluster).await?;
    let made = classes.into_iter().find(|class| class.name == name);
    made.ok_or_else(|| Problem::internal("the class was stored and is not there"))
}

fn command(spec: &ClassSpec, old: Option<&StorageClass>) -> Result<PutClass, Problem> {
    let name = match (&spec.name, old) {
        (Some(name), _) => name.clone(),
        (None, Some(old)) => old.name.clone(),
        (None, None) => return Err(Problem::invalid("a new class needs a name")),
    };
    let domain = match &spec.domain {
        Some(name) => names::domain_number(name)
            .ok_or_else(|| Problem::invalid("domain is one of disk, host, rack, zone"))?,
        None => old.map_or(FailureDomain::Host as i32, |class| class.domain),
    };
    let redundancy = redundancy(spec, old)?;
    let usual = match redundancy.kind {
        Some(Kind::Erasure(e)) => {
            let stripe = u64::from(e.data).saturating_mul(e.cell_bytes).max(1);
            (CHUNK_BYTES / stripe).max(1) * stripe
        }
        _ => CHUNK_BYTES,
    };
    let is_erasure = redundancy.is_erasure();
    let companion = spec.companion.or(old.map(|class| class.companion).filter(|id| *id != 0));
    Ok(PutClass {
        id: old.map_or(0, |class| class.id),
        name,
        redundancy: Some(redundancy),
        domain,
        inline_limit: spec
            .inline_limit
            .unwrap_or_else(|| old.map_or(INLINE_BYTES, |class| class.inline_limit)),
        chunk_bytes: spec.chunk_bytes.unwrap_or_else(|| old.map_or(usual, |class| class.chunk_bytes)),
        companion: if is_erasure { companion.unwrap_or(DEFAULT_CLASS) } else { 0 },
        if_epoch: old.map_or(0, |class| class.epoch),
    })
}

fn redundancy(spec: &ClassSpec, old: Option<&StorageClass>) -> Result<Redundancy, Problem> {
    let old = old.and_then(|class| class.redundancy).and_then(|redundancy| redundancy.kind);
    let was = old.map(|kind| if matches!(kind, Kind::Erasure(_)) { "erasure" } else { "replicated" });
    let kind = spec.kind.as_deref().or(was).unwrap_or("replicated");
    if was.is_some_and(|was| was != kind) {
        return Err(Problem::unfit("a class stays replicated or erasure-coded: make another one"));
    }
    match kind {
        "replicated" => {
            let (copies, min) = match old {
                Some(Kind::Replicated(r)) => (r.copies, r.min_copies),
                _ => (3, 2),
            };
            let copies = spec.copies.unwrap_or(copies);
            let min = spec.min_copies.unwrap_or_else(|| min.min(copies));
            if copies == 0 || min == 0 || min > copies {
                return Err(Problem::unfit(
                    "copies and min_copies are at least 1, min_copies at most copies",
                ));
            }
            Ok(Redundancy::replicated(copies, min))
        }
        "erasure" => {
            let before = match old {
                Some(Kind::Erasure(e)) => Some(e),
                _ => None,
            };
            let need = |given: Option<u32>, before: Option<u32>| {
                let value = given.or(before).filter(|count| *count > 0);
                value.ok_or_else(|| Problem::unfit("an erasure class needs data and parity, at least 1 each"))
            };
            let data = need(spec.data, before.map(|e| e.data))?;
            let parity = need(spec.parity, before.map(|e| e.parity))?;
            let cell_bytes = spec.cell_bytes.or(before.map(|e| e.cell_bytes)).unwrap_or(CELL_BYTES);
            if cell_bytes == 0 || !cell_bytes.is_multiple_of(4096) {
                return Err(Problem::unfit("cell_bytes is a multiple of 4096"));
            }
            Ok(Redundancy { kind: Some(Kind::Erasure(Erasure { data, parity, cell_bytes })) })
        }
        _ => Err(Problem::unfit("kind is replicated or erasure")),
    }
}

/// Storage classes.
#[utoipa::path(get, path = "/classes", tag = "settings", responses((status = 200, body = Page<ClassView>), Failures))]
async fn list_classes(viewer: Viewer) -> Result<Json<Page<ClassView>>, Problem> {
    list(&viewer.cluster).await.map(|items| Json(Page::whole(items)))
}

/// Make a storage class.
#[utoipa::path(post, path = "/classes", tag = "settings", request_body = NewClass,
    responses((status = 200, body = ClassView), Failures))]
async fn create_class(
    admin: Admin,
    Body(NewClass(spec)): Body<NewClass>,
) -> Result<Json<ClassView>, Problem> {
    put(&admin.cluster, None, &spec).await.map(Json)
}

/// Change a storage class. What is there follows by repair.
#[utoipa::path(patch, path = "/classes/{class}", tag = "settings", params(("class" = u32, Path)),
    request_body = ClassSpec, responses((status = 200, body = ClassView), Failures))]
async fn change_class(
    admin: Admin,
    Path(class): Path<u32>,
    Body(spec): Body<ClassSpec>,
) -> Result<Json<ClassView>, Problem> {
    put(&admin.cluster, Some(class), &spec).await.map(Json)
}
