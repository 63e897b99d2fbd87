//! Live updates: server-sent events by topic.
//!
//! What always holds: a topic is looked at once for all who listen, and not at all while nobody does; who is slow gets the
//! latest, not everything; a connection ends a second or two after its login or token did.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use holdfast_proto::map::MapRequest;
use holdfast_proto::method::GetMap;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::audit::{self, AuditEntry};
use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Query};
use crate::who::{Viewer, Who};
use crate::{balance, names, overview, repair, scrub, who};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get_events))
}

/// How often it is looked whether who listens still may: once for all connections of a login or token.
const RECHECK: Duration = Duration::from_secs(1);
/// What only clocks change is told so often all the same.
const LATEST: Duration = Duration::from_secs(10);
/// A line that says nothing, so that both sides know that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Entries of the audit log told at once.
const MOST_ENTRIES: u32 = 50;

/// What can be listened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Topic {
    Overview,
    Topology,
    Balance,
    Repair,
    Scrub,
    Audit,
}

impl Topic {
    const ALL: [(&'static str, Self); 6] = [
        ("overview", Self::Overview),
        ("topology", Self::Topology),
        ("balance", Self::Balance),
        ("repair", Self::Repair),
        ("scrub", Self::Scrub),
        ("audit", Self::Audit),
    ];

    fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, topic)| *topic)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, topic)| *topic == self).map_or("", |(name, _)| name)
    }

    /// How often it is looked at.
    fn period(self) -> Duration {
        match self {
            Self::Overview | Self::Balance | Self::Audit => Duration::from_secs(1),
            Self::Topology | Self::Repair => Duration::from_secs(2),
            Self::Scrub => Duration::from_secs(5),
        }
    }
}

/// What was seen last.
#[derive(Clone)]
enum Seen {
    Text(Arc<str>),
    Loads(Arc<Loads>),
    Entries(Arc<Vec<AuditEntry>>),
}

/// How nodes and disks are, by number.
#[derive(Default)]
struct Loads {
    map_epoch: u64,
    disks: BTreeMap<u32, DiskRow>,
    nodes: BTreeMap<u64, NodeRow>,
}

/// `[id, used_bytes, free_bytes, liveness, read_bytes, write_bytes, load]`
type DiskRow = (u32, u64, u64, &'static str, u64, u64, f64);
/// `[id, liveness, silent_ms]`, in whole seconds.
type NodeRow = (u64, &'static str, u64);

/// What changed of nodes and disks.
#[derive(Serialize)]
struct LoadsChanged<'a> {
    map_epoch: u64,
    disks: Vec<&'a DiskRow>,
    nodes: Vec<&'a NodeRow>,
}

/// What was added to the audit log; at first nothing but the newest number.
#[derive(Serialize)]
struct EntriesAdded<'a> {
    newest: u64,
    items: Vec<&'a AuditEntry>,
}

/// Something that somebody listens to, and what was seen of it last.
struct Feed<T> {
    seen: watch::Receiver<T>,
    looking: JoinHandle<()>,
}

impl<T> Drop for Feed<T> {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

/// All topics.
pub(crate) struct Live {
    cluster: Cluster,
    feeds: Mutex<HashMap<Topic, Weak<Feed<Option<Seen>>>>>,
    /// Whether who has the login or token of that digest may still look.
    permits: Mutex<HashMap<Bytes, Weak<Feed<bool>>>>,
}

impl Live {
    pub(crate) fn new(cluster: Cluster) -> Self {
        Self {
            cluster: cluster.within(Duration::from_secs(5)),
            feeds: Mutex::default(),
            permits: Mutex::default(),
        }
    }

    fn feed(&self, topic: Topic) -> Arc<Feed<Option<Seen>>> {
        let mut feeds = self.feeds.lock();
        if let Some(feed) = feeds.get(&topic).and_then(Weak::upgrade) {
            return feed;
        }
        let (tell, seen) = watch::channel(None);
        let looking = tokio::spawn(look(self.cluster.clone(), topic, tell));
        let feed = Arc::new(Feed { seen, looking });
        feeds.insert(topic, Arc::downgrade(&feed));
        feed
    }

    fn permit(&self, app: &App, who: &Who) -> Arc<Feed<bool>> {
        let mut permits = self.permits.lock();
        if let Some(permit) = permits.get(&who.digest).and_then(Weak::upgrade) {
            return permit;
        }
        permits.retain(|_, permit| permit.strong_count() > 0);
        let (tell, seen) = watch::channel(true);
        let looking = tokio::spawn(recheck(app.clone(), who.clone(), tell));
        let permit = Arc::new(Feed { seen, looking });
        permits.insert(who.digest.clone(), Arc::downgrade(&permit));
        permit
    }

    /// What one listener is told of a topic.
    fn listen(&self, topic: Topic) -> BoxStream<'static, Event> {
        let feed = self.feed(topic);
        let teller = Teller { topic, loads: None, entry: None };
        let mut seen = feed.seen.clone();
        // What is there already is told at once.
        seen.mark_changed();
        stream::unfold((feed, seen, teller), async |(feed, mut seen, mut teller)| {
            loop {
                seen.changed().await.ok()?;
                let now = seen.borrow_and_update().clone();
                if let Some(event) = now.and_then(|now| teller.tell(&now)) {
                    return Some((event, (feed, seen, teller)));
                }
            }
        })
        .boxed()
    }
}

/// Looks again and again, and tells when something is different.
async fn look(cluster: Cluster, topic: Topic, tell: watch::Sender<Option<Seen>>) {
    let (mut last, mut told, mut newest) = (None, Instant::now(), None);
    loop {
        match snapshot(&cluster, topic, &mut newest).await {
            Ok(Some((seen, lasting))) => {
                // Clocks that went on are told now and then.
                let stale = topic == Topic::Overview && told.elapsed() >= LATEST;
                if lasting.is_none() || lasting != last || stale {
                    (last, told) = (lasting, Instant::now());
                    tell.send_replace(Some(seen));
                }
            }
            Ok(None) => {}
            Err(problem) => tracing::debug!(%problem, topic = topic.name(), "look for live updates"),
        }
        tokio::time::sleep(topic.period()).await;
    }
}

/// What is there, and beside it what makes it another than before, unless listeners compare for themselves; `None`: it is
/// what it was.
async fn snapshot(
    cluster: &Cluster,
    topic: Topic,
    newest: &mut Option<u64>,
) -> Result<Option<(Seen, Option<String>)>, Problem> {
    fn written(value: &impl Serialize) -> Result<String, Problem> {
        serde_json::to_string(value).map_err(|error| Problem::internal(error.to_string()))
    }
    let text = match topic {
        Topic::Overview => {
            let overview = overview::overview(cluster).await?;
            let lasting = written(&overview.lasting())?;
            return Ok(Some((Seen::Text(written(&overview)?.into()), Some(lasting))));
        }
        Topic::Balance => written(&balance::status(cluster).await?)?,
        Topic::Repair => written(&repair::status(cluster).await?)?,
        Topic::Scrub => written(&scrub::status(cluster).await?)?,
        Topic::Topology => {
            let loads = loads(cluster).await?;
            return Ok(Some((Seen::Loads(Arc::new(loads)), None)));
        }
        Topic::Audit => {
            // All of them are only asked for when there are new ones.
            let one = audit::Filter { limit: Some(1), ..audit::Filter::default() };
            let last = audit::list(cluster, &one).await?.items.first().map_or(0, |entry| entry.seq);
            if newest.replace(last) == Some(last) {
                return Ok(None);
            }
            let some = audit::Filter { limit: Some(MOST_ENTRIES), ..audit::Filter::default() };
            let entries = audit::list(cluster, &some).await?.items;
            *newest = Some(entries.first().map_or(0, |entry| entry.seq));
            return Ok(Some((Seen::Entries(Arc::new(entries)), None)));
        }
    };
    Ok(Some((Seen::Text(text.clone().into()), Some(text))))
}

async fn loads(cluster: &Cluster) -> Result<Loads, Problem> {
    // Nothing of the map itself, only what is beside it.
    let request = MapRequest { have: u64::MAX, pgs: Vec::new(), all_pgs: false };
    let (map, status) = tokio::try_join!(cluster.leader::<GetMap>(&request), cluster.condition())?;
    let rates: HashMap<u32, _> = status.loads.iter().map(|rates| (rates.disk, *rates)).collect();
    let disks = map.loads.iter().map(|load| {
        let rates = rates.get(&load.disk).copied().unwrap_or_default();
        let liveness = names::liveness(load.liveness);
        let busy = f64::from(rates.load) / 1000.0;
        let row = (load.disk, load.used, load.free, liveness, rates.read_bytes, rates.write_bytes, busy);
        (load.disk, row)
    });
    let nodes = status.nodes.iter();
    // Whole seconds: heartbeats that come as they should are no news.
    let silent = |ms: u64| ms / 1000 * 1000;
    let nodes =
        nodes.map(|node| (node.node, (node.node, names::liveness(node.liveness), silent(node.silent_ms))));
    Ok(Loads { map_epoch: status.map_epoch, disks: disks.collect(), nodes: nodes.collect() })
}

/// What one listener was told already.
struct Teller {
    topic: Topic,
    loads: Option<Arc<Loads>>,
    entry: Option<u64>,
}

impl Teller {
    /// What is news of it; `None`: nothing.
    fn tell(&mut self, seen: &Seen) -> Option<Event> {
        let data = match seen {
            Seen::Text(text) => text.to_string(),
            Seen::Loads(now) => {
                let before = self.loads.replace(now.clone());
                let nothing = Loads::default();
                let old = before.as_deref().unwrap_or(&nothing);
                let disks: Vec<&DiskRow> =
                    now.disks.values().filter(|row| old.disks.get(&row.0) != Some(row)).collect();
                let nodes: Vec<&NodeRow> =
                    now.nodes.values().filter(|row| old.nodes.get(&row.0) != Some(row)).collect();
                if before.is_some() && disks.is_empty() && nodes.is_empty() && now.map_epoch == old.map_epoch
                {
                    return None;
                }
                serde_json::to_string(&LoadsChanged { map_epoch: now.map_epoch, disks, nodes }).ok()?
            }
            Seen::Entries(entries) => {
                let newest = entries.first().map_or(0, |entry| entry.seq);
                let told = self.entry.replace(newest);
                let news: Vec<&AuditEntry> =
                    entries.iter().filter(|entry| told.is_some_and(|told| entry.seq > told)).collect();
                // Who begins to listen has asked for what is there, but what was written between asking and
                // listening is in neither: the newest number tells.
                if told.is_some() && news.is_empty() {
                    return None;
                }
                serde_json::to_string(&EntriesAdded { newest, items: news }).ok()?
            }
        };
        Some(Event::default().event(self.topic.name()).data(data))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Topics {
    /// Separated by commas: `overview`, `topology`, `balance`, `repair`, `scrub`, `audit`.
    #[param(
        pattern = "^(overview|topology|balance|repair|scrub|audit)(,(overview|topology|balance|repair|scrub|audit))*$"
    )]
    topics: String,
}

/// An event.
#[derive(ToSchema)]
#[schema(as = Event)]
#[allow(dead_code, reason = "described, never made")]
struct Told {
    /// The topic.
    event: String,
    /// As JSON, what the route of that name answers; of `topology` and `audit` what is new.
    data: String,
}

/// Live updates: server-sent events.
#[utoipa::path(get, path = "/events", tag = "cluster", params(Topics),
    responses((status = 200, body = Told, content_type = "text/event-stream"), Failures))]
async fn get_events(
    State(app): State<App>,
    viewer: Viewer,
    Query(ask): Query<Topics>,
) -> Result<Response, Problem> {
    let mut topics: Vec<Topic> = Vec::new();
    for name in ask.topics.split(',') {
        let topic = Topic::of(name.trim());
        let topic = topic.ok_or_else(|| Problem::invalid(format!("there is no topic {name:?}")))?;
        if !topics.contains(&topic) {
            topics.push(topic);
        }
    }
    let all = topics.into_iter().map(|topic| app.live.listen(topic));
    let events = stream::select_all(all)
        .take_until(ended(app.live.permit(&app, &viewer.who)))
        .map(Ok::<_, Infallible>)
        .boxed();
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Looks again and again whether somebody may still look, until they may not.
async fn recheck(app: App, who: Who, tell: watch::Sender<bool>) {
    while who::may_still_look(&app, &who).await {
        tokio::time::sleep(RECHECK).await;
    }
    tell.send_replace(false);
}

/// Ends when who listens may no longer.
async fn ended(permit: Arc<Feed<bool>>) {
    let mut seen = permit.seen.clone();
    // Nobody who looks any more is as good as an end: the page comes back, and is asked who it is.
    drop(seen.wait_for(|may| !may).await);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(disk: u32, used: u64) -> (u32, DiskRow) {
        (disk, (disk, used, 0, "alive", 0, 0, 0.0))
    }

    fn seen(rows: &[(u32, u64)]) -> Seen {
        let disks = rows.iter().map(|(disk, used)| row(*disk, *used)).collect();
        Seen::Loads(Arc::new(Loads { map_epoch: 1, disks, nodes: BTreeMap::new() }))
    }

    #[test]
    fn a_listener_is_told_everything_once_and_then_what_changes() {
        let mut teller = Teller { topic: Topic::Topology, loads: None, entry: None };
        let told = |teller: &mut Teller, rows| teller.tell(&seen(rows)).map(|event| format!("{event:?}"));
        assert!(
            told(&mut teller, &[(1, 5), (2, 6)])
                .is_some_and(|text| text.contains("[1,5") && text.contains("[2,6"))
        );
        assert!(told(&mut teller, &[(1, 5), (2, 6)]).is_none());
        let text = told(&mut teller, &[(1, 5), (2, 7)]).unwrap();
        assert!(!text.contains("[1,5") && text.contains("[2,7"), "{text}");
    }

    #[test]
    fn who_begins_to_listen_learns_the_newest_number_of_the_journal() {
        let mut teller = Teller { topic: Topic::Audit, loads: None, entry: None };
        let told = |teller: &mut Teller, seqs: &[u64]| {
            let entries = seqs.iter().map(|seq| AuditEntry { seq: *seq, ..AuditEntry::default() }).collect();
            teller.tell(&Seen::Entries(Arc::new(entries))).map(|event| format!("{event:?}"))
        };
        let first = told(&mut teller, &[7, 6]).unwrap();
        assert!(first.contains(r#"newest\":7"#) && first.contains(r#"items\":[]"#), "{first}");
        assert!(told(&mut teller, &[7, 6]).is_none());
        let second = told(&mut teller, &[8, 7, 6]).unwrap();
        assert!(second.contains(r#"seq\":8"#) && !second.contains(r#"seq\":7"#), "{second}");
    }

    #[test]
    fn every_topic_has_its_name() {
        for (name, topic) in Topic::ALL {
            assert_eq!((Topic::of(name), topic.name()), (Some(topic), name));
        }
        assert_eq!(Topic::of("files"), None);
    }
}
