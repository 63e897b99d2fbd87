//! How it was: traffic of the last hour and day as the leader remembers it, capacity and traffic by the hour for more than
//! a year, and what follows from that for the day on which the cluster will be full.

use std::time::Duration;

use axum::Json;
use holdfast_proto::admin::RecentRequest;
use holdfast_proto::method::Recent;
use holdfast_proto::op::NoteUsage;
use holdfast_proto::query::{ListUsage, Query as Ask};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Query};
use crate::moment;
use crate::overview::Rates;
use crate::who::Viewer;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_history))
}

const HOUR_S: u64 = 3600;
/// Points that an answer has at most.
const MOST_POINTS: usize = 800;
/// Hours of history without which nothing is foretold.
const LEAST_HOURS: usize = 24;
/// Hours that a forecast is made from.
const BASIS_HOURS: u64 = 60 * 24;
/// How long a forecast is good.
const FRESH: Duration = Duration::from_secs(60);
/// Beyond so many days nobody plans.
const FARTHEST_DAYS: f64 = 3650.0;
/// Points that the slope is taken from: their pairs are all looked at.
const SAMPLES: usize = 200;

/// When the cluster will be full, if it goes on as it did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Forecast {
    /// The day; `null`: it does not grow, or not in the next ten years.
    pub full_at: Option<String>,
    /// Raw bytes a day.
    pub growth_bytes_per_day: i64,
    /// Days of history that this is from.
    pub basis_days: f64,
}

/// A course.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// What was asked for.
    pub range: String,
    /// Seconds between two points.
    pub step_seconds: u64,
    /// From when on it is known.
    pub complete_since: Option<String>,
    /// In order of time.
    pub points: Vec<Point>,
}

/// How it was at one moment, or over the time since the one before.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// When.
    pub at: String,
    /// What clients did, per second.
    pub io: Option<Rates>,
    /// Bytes of all files, before redundancy.
    pub stored_bytes: Option<u64>,
    /// Raw bytes used.
    pub raw_used_bytes: Option<u64>,
    /// Raw bytes there were.
    pub raw_bytes: Option<u64>,
}

/// Usage of the last hours, in order of time.
pub(crate) async fn usage(cluster: &Cluster, hours: u64) -> Result<Vec<NoteUsage>, Problem> {
    let now = u64::try_from(moment::now_ns()).unwrap_or(0) / 1_000_000_000 / HOUR_S;
    let ask = ListUsage { from_hour: now.saturating_sub(hours) };
    Ok(cluster.ask(Ask::ListUsage(ask)).await?.usage)
}

/// When it will be full, as was foretold at most a minute ago: that takes thousands of points, and changes by the hour.
pub(crate) async fn foretold(cluster: &Cluster, raw: u64) -> Result<Option<Forecast>, Problem> {
    if let Some(forecast) = cluster.memory().forecast(raw) {
        return Ok(forecast);
    }
    let forecast = forecast(&usage(cluster, BASIS_HOURS).await?, raw);
    cluster.memory().keep(raw, forecast.clone());
    Ok(forecast)
}

/// What was foretold last, for which capacity, and when.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Option<(Instant, u64, Option<Forecast>)>>);

impl Memory {
    fn forecast(&self, raw: u64) -> Option<Option<Forecast>> {
        let kept = self.0.lock();
        let (at, of, forecast) = kept.as_ref()?;
        (*of == raw && at.elapsed() < FRESH).then(|| forecast.clone())
    }

    fn keep(&self, raw: u64, forecast: Option<Forecast>) {
        *self.0.lock() = Some((Instant::now(), raw, forecast));
    }
}

/// Foretells when it will be full: the median of the slopes between all pairs of points (Theil and Sen), which a day of
/// deleting or loading does not throw off.
pub(crate) fn forecast(usage: &[NoteUsage], raw: u64) -> Option<Forecast> {
    let (first, last) = (usage.first()?, usage.last()?);
    if usage.len() < LEAST_HOURS || raw == 0 {
        return None;
    }
    let every = usage.len().div_ceil(SAMPLES);
    let points: Vec<(f64, f64)> =
        usage.iter().rev().step_by(every).map(|point| (point.hour as f64, point.raw_used as f64)).collect();
    let mut slopes: Vec<f64> = Vec::new();
    for (at, a) in points.iter().enumerate() {
        for b in points.iter().skip(at + 1) {
            slopes.push((a.1 - b.1) / (a.0 - b.0).max(1.0));
        }
    }
    slopes.sort_by(f64::total_cmp);
    let slope = slopes.get(slopes.len() / 2).copied()? * 24.0;
    let left = raw.saturating_sub(last.raw_used) as f64;
    let days = left / slope;
    let full_at = (slope > 0.0 && days < FARTHEST_DAYS).then(|| {
        let at = last.hour as f64 * HOUR_S as f64 + days * 86_400.0;
        moment::of_ns((at * 1e9) as i64)
    });
    Some(Forecast {
        full_at,
        growth_bytes_per_day: slope as i64,
        basis_days: (last.hour.saturating_sub(first.hour) as f64 / 24.0 * 10.0).round() / 10.0,
    })
}

/// The course over a range: `1h`, `24h`, `30d` or `1y`.
pub async fn history(cluster: &Cluster, range: &str) -> Result<History, Problem> {
    match range {
        "1h" => recent(cluster, range, true).await,
        "24h" => recent(cluster, range, false).await,
        "30d" => by_hours(cluster, range, 30 * 24).await,
        "1y" => by_hours(cluster, range, 365 * 24).await,
        _ => Err(Problem::invalid("range is one of 1h, 24h, 30d, 1y")),
    }
}

async fn recent(cluster: &Cluster, range: &str, fine: bool) -> Result<History, Problem> {
    let course = cluster.leader::<Recent>(&RecentRequest { fine }).await?;
    let hours = if fine { 2 } else { 25 };
    let usage = usage(cluster, hours).await?;
    let count = course.points.len() as u64;
    let points: Vec<Point> = course
        .points
        .iter()
        .zip(0u64..)
        .map(|(io, position)| {
            let at = course.last_s.saturating_sub((count - 1 - position) * course.step_s);
            let noted = usage.iter().rev().find(|noted| noted.hour <= at / HOUR_S);
            Point {
                at: moment::known_s(at).unwrap_or_default(),
                io: Some(Rates::of(io)),
                stored_bytes: noted.map(|noted| noted.stored),
                raw_used_bytes: noted.map(|noted| noted.raw_used),
                raw_bytes: noted.map(|noted| noted.raw),
            }
        })
        .collect();
    Ok(History {
        range: range.to_owned(),
        step_seconds: course.step_s,
        complete_since: points.first().map(|point| point.at.clone()),
        points,
    })
}

async fn by_hours(cluster: &Cluster, range: &str, hours: u64) -> Result<History, Problem> {
    let usage = usage(cluster, hours).await?;
    let every = usize::try_from(hours).unwrap_or(usize::MAX).div_ceil(MOST_POINTS);
    let points = usage.chunks(every).filter_map(|stretch| {
        let last = stretch.last()?;
        let io = stretch.iter().filter_map(|one| one.io).reduce(|a, b| a.plus(&b));
        let seconds: u64 = stretch.iter().map(|one| one.io_s).sum();
        let rate = |sum: u64| sum / seconds.max(1);
        let mean = |time: u64, count: u64| time as f64 / count.max(1) as f64 / 1000.0;
        Some(Point {
            at: moment::known_s(last.hour * HOUR_S).unwrap_or_default(),
            io: io.filter(|_| seconds > 0).map(|io| Rates {
                read_bytes: rate(io.read_bytes),
                write_bytes: rate(io.write_bytes),
                read_ops: rate(io.reads),
                write_ops: rate(io.writes),
                meta_ops: rate(io.metas),
                read_ms: mean(io.read_us, io.reads),
                write_ms: mean(io.write_us, io.writes),
                meta_ms: mean(io.meta_us, io.metas),
            }),
            stored_bytes: Some(last.stored),
            raw_used_bytes: Some(last.raw_used),
            raw_bytes: Some(last.raw),
        })
    });
    let points: Vec<Point> = points.collect();
    Ok(History {
        range: range.to_owned(),
        step_seconds: every as u64 * HOUR_S,
        complete_since: points.first().map(|point| point.at.clone()),
        points,
    })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Range {
    /// `1h`, `24h`, `30d` or `1y`.
    #[param(pattern = "^(1h|24h|30d|1y)$")]
    range: String,
}

/// How it was over the last hour, day, month or year.
#[utoipa::path(get, path = "/history", tag = "cluster", operation_id = "get_history", params(Range),
    responses((status = 200, body = History), Failures))]
async fn get_history(viewer: Viewer, Query(ask): Query<Range>) -> Result<Json<History>, Problem> {
    history(&viewer.cluster, &ask.range).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growing(hours: u64, per_hour: u64) -> Vec<NoteUsage> {
        (0..hours).map(|hour| NoteUsage { hour, raw_used: hour * per_hour, ..NoteUsage::default() }).collect()
    }

    #[test]
    fn what_grows_evenly_is_full_when_it_is_full() {
        let usage = growing(241, 1000);
        // 240,000 used after ten days; 480,000 more take another twenty.
        let found = forecast(&usage, 720_000).unwrap();
        assert_eq!(found.growth_bytes_per_day, 24_000);
        assert_eq!(found.basis_days, 10.0);
        assert_eq!(found.full_at.as_deref(), Some("1970-01-31T00:00:00.000Z"));
    }

    #[test]
    fn one_odd_day_does_not_throw_it_off() {
        let mut usage = growing(241, 1000);
        for point in usage.iter_mut().skip(100).take(20) {
            point.raw_used += 500_000;
        }
        let found = forecast(&usage, 720_000).unwrap();
        assert!((found.growth_bytes_per_day - 24_000).abs() < 2_000, "{found:?}");
    }

    #[test]
    fn too_little_history_or_no_growth_foretells_nothing() {
        assert_eq!(forecast(&growing(10, 1000), 1 << 40), None);
        assert_eq!(forecast(&[], 1 << 40), None);
        assert_eq!(forecast(&growing(100, 0), 1 << 40).unwrap().full_at, None);
    }
}
