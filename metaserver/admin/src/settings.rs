//! Cluster settings: each with its meaning, its range and its default.

use std::collections::BTreeMap;

use axum::Json;
use holdfast_proto::op::{Op, PutSetting};
use holdfast_proto::query::{ListSettings, Query};
use holdfast_state::settings::{self, About, Kind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Body, Path};
use crate::page::Page;
use crate::who::{Admin, Viewer};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list_settings)).routes(routes!(change_setting, reset_setting))
}

/// A cluster setting.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// Its value, as text.
    pub value: String,
    /// What it is when nobody changes it.
    pub default: String,
    /// `number`, `switch`, `choice` or `override` (a number, or `node`: as each node is configured).
    pub kind: String,
    /// Smallest number.
    pub least: Option<u64>,
    /// Largest number.
    pub most: Option<u64>,
    /// What may be chosen.
    pub choices: Option<Vec<String>>,
    /// What it does, in English.
    pub meaning: String,
    /// What it belongs to: `durability`, `detection`, `repair`, `balance`, `scrub`, `trash`, `metadata`, `audit`.
    pub group: String,
    /// `bytes_per_second`, `seconds`, `ms`, `percent`, `days`, `count`, or empty.
    pub unit: String,
}

/// Values of all settings by name.
pub(crate) async fn values(cluster: &Cluster) -> Result<BTreeMap<String, String>, Problem> {
    let reply = cluster.ask(Query::ListSettings(ListSettings {})).await?;
    Ok(reply.settings.into_iter().map(|pair| (pair.key, pair.value)).collect())
}

/// All settings.
pub async fn list(cluster: &Cluster) -> Result<Vec<Setting>, Problem> {
    let values = values(cluster).await?;
    Ok(settings::ALL.iter().map(|about| view(about, values.get(about.name).cloned())).collect())
}

/// Changes a setting; an empty value puts it back to its default.
pub async fn put(cluster: &Cluster, name: &str, value: &str) -> Result<Setting, Problem> {
    let about =
        settings::about(name).ok_or_else(|| Problem::not_found(format!("there is no setting {name:?}")))?;
    let op = PutSetting { name: name.to_owned(), value: value.to_owned() };
    cluster.change(Op::PutSetting(op)).await?;
    let value = if value.is_empty() { about.default } else { value };
    Ok(view(about, Some(value.to_owned())))
}

fn view(about: &About, value: Option<String>) -> Setting {
    let (kind, range, choices) = match about.kind {
        Kind::Number { least, most } => ("number", Some((least, most)), None),
        Kind::Override { least, most } => ("override", Some((least, most)), None),
        Kind::Switch => ("switch", None, None),
        Kind::Choice(words) => ("choice", None, Some(words.iter().map(|word| (*word).to_owned()).collect())),
    };
    Setting {
        name: about.name.to_owned(),
        value: value.unwrap_or_else(|| about.default.to_owned()),
        default: about.default.to_owned(),
        kind: kind.to_owned(),
        least: range.map(|(least, _)| least),
        most: range.map(|(_, most)| most),
        choices,
        meaning: about.meaning.to_owned(),
        group: group(about.name).to_owned(),
        unit: unit(about).to_owned(),
    }
}

fn group(name: &str) -> &'static str {
    let groups = [
        ("audit", "audit"),
        ("balance", "balance"),
        ("compact", "repair"),
        ("repair", "repair"),
        ("scrub", "scrub"),
        ("trash", "trash"),
        ("upload", "trash"),
        ("gc_", "trash"),
        ("session", "metadata"),
        ("read_policy", "metadata"),
        ("timer", "metadata"),
        ("down_", "detection"),
        ("suspect_", "detection"),
        ("grace_", "detection"),
        ("mass_", "detection"),
        ("temporary_", "detection"),
    ];
    groups.iter().find(|(start, _)| name.starts_with(start)).map_or("durability", |(_, group)| group)
}

fn unit(about: &About) -> &'static str {
    if !matches!(about.kind, Kind::Number { .. } | Kind::Override { .. }) {
        return "";
    }
    let units = [
        ("bytes_per_second", "bytes_per_second"),
        ("_seconds", "seconds"),
        ("_ms", "ms"),
        ("_ms_max", "ms"),
        ("_ms_min", "ms"),
        ("_percent", "percent"),
        ("_days", "days"),
    ];
    units.iter().find(|(end, _)| about.name.ends_with(end)).map_or("count", |(_, unit)| unit)
}

/// All cluster settings.
#[utoipa::path(get, path = "/settings", tag = "settings", responses((status = 200, body = Page<Setting>), Failures))]
async fn list_settings(viewer: Viewer) -> Result<Json<Page<Setting>>, Problem> {
    list(&viewer.cluster).await.map(|items| Json(Page::whole(items)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewValue {
    /// As text; DELETE puts the default back.
    #[schema(min_length = 1, max_length = 100)]
    value: String,
}

/// Change a setting.
#[utoipa::path(put, path = "/settings/{name}", tag = "settings", params(("name" = String, Path, format = "setting")),
    request_body = NewValue, responses((status = 200, body = Setting), Failures))]
async fn change_setting(
    admin: Admin,
    Path(name): Path<String>,
    Body(value): Body<NewValue>,
) -> Result<Json<Setting>, Problem> {
    put(&admin.cluster, &name, &value.value).await.map(Json)
}

/// Put a setting back to its default.
#[utoipa::path(delete, path = "/settings/{name}", tag = "settings", params(("name" = String, Path, format = "setting")),
    responses((status = 200, body = Setting), Failures))]
async fn reset_setting(admin: Admin, Path(name): Path<String>) -> Result<Json<Setting>, Problem> {
    put(&admin.cluster, &name, "").await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_group_and_numbers_have_units() {
        for about in settings::ALL {
            let seen = view(about, None);
            assert!(!seen.group.is_empty());
            assert_eq!(seen.unit.is_empty(), seen.least.is_none(), "{}", about.name);
        }
        assert_eq!(unit(settings::about("session_ttl_ms_max").unwrap()), "ms");
        assert_eq!(group("grace_seconds"), "detection");
    }
}
