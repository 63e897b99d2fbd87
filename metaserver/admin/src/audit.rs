//! The audit log: looking through it, following its chain on every metaserver, taking it along.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Body as HttpBody;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use holdfast_proto::admin::MetaStatus;
use holdfast_proto::audit::{
    Actor as ActorRecord, AuditEntry as Entry, AuditKind, AuditNote, SealedEntry, VerifyAudit,
    VerifyAuditReply,
};
use holdfast_proto::method::VerifyAudit as Verify;
use holdfast_proto::query::{ListAudit, Query as Ask};
use http::header;
use prost::Message;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::cluster::Cluster;
use crate::error::{Failures, Problem};
use crate::http::{App, Path, Query};
use crate::page::{self, Page};
use crate::settings;
use crate::who::{Admin, Viewer};
use crate::{moment, names};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_audit))
        .routes(routes!(get_head))
        .routes(routes!(get_entry))
        .routes(routes!(verify_audit))
        .routes(routes!(export_audit))
}

/// Pages that one question goes through when it looks for something rare.
const MOST_STEPS: usize = 20;

/// An entry of the audit log.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its number, without gaps.
    pub seq: u64,
    /// When.
    pub at: String,
    /// `change`, `access` or `event`.
    pub kind: String,
    /// Who.
    pub actor: Actor,
    /// Stable name of what was done or happened.
    pub action: String,
    /// To what.
    pub target: String,
    /// More, by name.
    pub details: BTreeMap<String, String>,
    /// `ok` or `refused`.
    pub outcome: String,
    /// Why, if it was refused.
    pub message: String,
    /// Its hash, which covers the one of the entry before.
    pub hash: String,
}

/// Who did something.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Actor {
    /// `account`, `token`, `cli`, `client`, `system` or `anonymous`.
    pub kind: String,
    /// The account, the user, or what a client says of itself.
    pub name: String,
    /// From where.
    pub from: String,
}

/// The value of a detail.
pub(crate) fn detail(note: &AuditNote, name: &str) -> Option<String> {
    note.details.iter().find(|pair| pair.key == name).map(|pair| pair.value.clone())
}

pub(crate) fn view(sealed: &SealedEntry) -> AuditEntry {
    let hash = hex::encode(&sealed.hash);
    let Ok(entry) = Entry::decode(sealed.body.clone()) else {
        return AuditEntry {
            seq: 0,
            at: moment::of_ns(0),
            kind: "unknown".into(),
            actor: Actor { kind: "unknown".into(), name: String::new(), from: String::new() },
            action: "unreadable".into(),
            target: String::new(),
            details: BTreeMap::new(),
            outcome: "ok".into(),
            message: "this entry cannot be read: verify the log".into(),
            hash,
        };
    };
    let note = entry.note.unwrap_or_default();
    let ActorRecord { kind, name, from } = note.actor.unwrap_or_default();
    AuditEntry {
        seq: entry.seq,
        at: moment::of_ns(entry.at_ns),
        kind: names::audit(note.kind).to_owned(),
        actor: Actor { kind: names::actor(kind).to_owned(), name, from },
        action: note.action,
        target: note.target,
        details: note.details.into_iter().map(|pair| (pair.key, pair.value)).collect(),
        outcome: if note.refused { "refused" } else { "ok" }.to_owned(),
        message: note.message,
        hash,
    }
}

/// What is looked for; all of it must hold.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// `next` of the page before.
    #[param(format = "number-cursor")]
    pub after: Option<String>,
    /// Most entries on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `change`, `access` or `event`, or several of them, separated by commas.
    #[param(pattern = "^(change|access|event)(,(change|access|event))*$")]
    pub kind: Option<String>,
    /// Done by exactly this name.
    #[param(max_length = 200)]
    pub account: Option<String>,
    /// The action is this, or begins with it and a dot.
    #[param(max_length = 200)]
    pub action: Option<String>,
    /// The target is exactly this.
    #[param(max_length = 1024)]
    pub target: Option<String>,
    /// Somewhere in the entry, in any case.
    #[param(max_length = 200)]
    pub q: Option<String>,
    /// No earlier than this, RFC 3339.
    #[param(format = "date-time")]
    pub from: Option<String>,
    /// Before this, RFC 3339.
    #[param(format = "date-time")]
    pub to: Option<String>,
}

fn time(text: Option<&String>) -> Result<i64, Problem> {
    let parse =
        |text: &String| moment::parse(text).ok_or_else(|| Problem::invalid(format!("{text:?} is no time")));
    text.map(parse).transpose().map(Option::unwrap_or_default)
}

fn question(filter: &Filter) -> Result<ListAudit, Problem> {
    let kind = |name: &str| match name {
        "change" => Ok(AuditKind::Change as i32),
        "access" => Ok(AuditKind::Access as i32),
        "event" => Ok(AuditKind::Event as i32),
        _ => Err(Problem::invalid("kind is one or more of change, access, event")),
    };
    let kinds = filter.kind.iter().flat_map(|kinds| kinds.split(',')).map(kind).collect::<Result<_, _>>()?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(ListAudit {
        before: page::number(filter.after.as_deref())?,
        most: page::limit(filter.limit)?,
        kinds,
        actor: text(&filter.account),
        action: text(&filter.action),
        text: text(&filter.q),
        target: text(&filter.target),
        from_ns: time(filter.from.as_ref())?,
        // 0 would mean that there is no end.
        to_ns: time(filter.to.as_ref())?.max(i64::from(filter.to.is_some())),
    })
}

/// A page of the log, newest first. It may be short, or empty, although there is more.
pub async fn list(cluster: &Cluster, filter: &Filter) -> Result<Page<AuditEntry>, Problem> {
    let mut ask = question(filter)?;
    let most = ask.most as usize;
    let mut items: Vec<AuditEntry> = Vec::new();
    for _ in 0..MOST_STEPS {
        ask.most = u32::try_from(most - items.len()).unwrap_or(1);
        let reply = cluster.ask(Ask::ListAudit(ask.clone())).await?;
        items.extend(reply.audit.iter().map(view));
        let next = String::from_utf8_lossy(&reply.next).into_owned();
        if !reply.more {
            return Ok(Page { items, next: None });
        }
        if items.len() >= most {
            return Ok(Page { items, next: Some(next) });
        }
        ask.before = next.parse().map_err(|_| Problem::internal("the answer has no place to go on from"))?;
    }
    Ok(Page { items, next: Some(ask.before.to_string()) })
}

async fn find(cluster: &Cluster, seq: u64) -> Result<Option<AuditEntry>, Problem> {
    // Numbers begin with 1, and the place after the last number there can be is no place.
    let Some(before) = seq.checked_add(1).filter(|_| seq != 0) else { return Ok(None) };
    let ask = ListAudit { before, most: 1, ..ListAudit::default() };
    let reply = cluster.ask(Ask::ListAudit(ask)).await?;
    Ok(reply.audit.first().map(view).filter(|entry| entry.seq == seq))
}

/// The entry of a number.
pub async fn entry(cluster: &Cluster, seq: u64) -> Result<AuditEntry, Problem> {
    let none = || Problem::not_found(format!("there is no entry {seq} any more, or not yet"));
    find(cluster, seq).await?.ok_or_else(none)
}

/// The end of the log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Head {
    /// Number of the newest entry.
    pub seq: u64,
    /// Its hash: kept elsewhere, it proves later that nothing up to here was changed.
    pub hash: String,
    /// Number of the oldest entry that is kept.
    pub first_seq: u64,
    /// When the newest was made.
    pub at: Option<String>,
    /// How long entries are kept.
    pub retention_days: u64,
}

/// The end of the log.
pub async fn head(cluster: &Cluster) -> Result<Head, Problem> {
    let ask = Ask::ListAudit(ListAudit { most: 1, ..ListAudit::default() });
    let (reply, settings) = tokio::try_join!(cluster.ask(ask), settings::values(cluster))?;
    let ends = reply.audit_ends.unwrap_or_default();
    Ok(Head {
        seq: ends.last,
        hash: hex::encode(&ends.hash),
        first_seq: if ends.last == 0 { 0 } else { ends.trimmed + 1 },
        at: reply.audit.first().map(|sealed| view(sealed).at),
        retention_days: settings.get("audit_days").and_then(|days| days.parse().ok()).unwrap_or(0),
    })
}

/// What following the chain came to.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Every metaserver that answered has the same whole chain, and the one that was given fits it.
    pub ok: bool,
    /// Number of the first entry looked at.
    pub first: u64,
    /// Number of the last one.
    pub last: u64,
    /// Entries looked at, on the leader.
    pub entries: u64,
    /// Hash of the last one, as the leader has it.
    pub head: String,
    /// Each metaserver's own copy.
    pub members: Vec<MemberVerdict>,
}

/// What one metaserver found in its own copy.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MemberVerdict {
    /// The node.
    pub node: u64,
    /// Its copy is whole and ends as the leader's does.
    pub ok: bool,
    /// It answered.
    pub answered: bool,
    /// Hash of the last entry in its copy.
    pub head: String,
    /// What is wrong.
    pub problems: Vec<AuditProblem>,
}

/// Something that is wrong with the log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditProblem {
    /// At which entry.
    pub seq: u64,
    /// `changed`, `missing`, `misplaced`, `end`, `differs` (from the leader's copy), or `unlike_given`.
    pub code: String,
    /// In English.
    pub message: String,
}

/// An entry whose hash was kept elsewhere.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Given {
    /// Its number; 0: none was kept.
    pub seq: u64,
    /// Its hash.
    #[schema(format = "hash")]
    pub hash: String,
}

/// What a metaserver says of its copy.
type Looked = (u64, Result<VerifyAuditReply, Problem>);

/// Copies that begin or end at different entries are looked at so often: one may only be a moment behind.
const ROUNDS: u32 = 5;
const BETWEEN_ROUNDS: std::time::Duration = std::time::Duration::from_secs(1);

/// Asks every metaserver to follow the chain in its own copy.
async fn copies(cluster: &Cluster, meta: &MetaStatus, request: &VerifyAudit) -> Vec<Looked> {
    let asked = meta.voters.iter().chain(&meta.learners).map(|peer| {
        let (cluster, node, address) = (cluster.clone(), peer.node, peer.address.clone());
        async move { (node, cluster.node::<Verify>(node, &address, request).await) }
    });
    stream::iter(asked.collect::<Vec<_>>()).buffer_unordered(8).collect().await
}

/// The first entry that a copy should have.
fn begins(reply: &VerifyAuditReply) -> u64 {
    reply.ends.as_ref().map_or(0, |ends| ends.trimmed) + 1
}

/// Whether all copies that could be looked at begin and end at the same entries.
fn are_level(copies: &[Looked]) -> bool {
    let mut spans = copies.iter().filter_map(|(_, reply)| reply.as_ref().ok()).map(|r| (begins(r), r.upto));
    let first = spans.next();
    spans.all(|span| Some(span) == first)
}

/// How a copy that is whole in itself differs from the leader's. A copy proves nothing about what was cut off at its
/// beginning or end: only another one does.
fn unlike_leader(reply: &VerifyAuditReply, leaders: &VerifyAuditReply) -> Option<AuditProblem> {
    let problem =
        |seq: u64, code: &str, message: String| Some(AuditProblem { seq, code: code.to_owned(), message });
    let (own, other) = (begins(reply), begins(leaders));
    if own != other {
        let what = format!("it begins at entry {own}, the leader's at {other}: one of them was cut off");
        return problem(own.min(other), "missing", what);
    }
    if reply.upto != leaders.upto {
        let what = format!(
            "it ends at entry {}, the leader's at {}: it is far behind, or was cut off",
            reply.upto, leaders.upto
        );
        return problem(reply.upto.min(leaders.upto) + 1, "missing", what);
    }
    if reply.hash != leaders.hash {
        let what = "its copy is whole in itself, but is not the leader's".to_owned();
        return problem(reply.upto, "differs", what);
    }
    None
}

/// Follows the chain in the copy of every metaserver, and compares them with one another and with what was kept.
pub async fn verify(cluster: &Cluster, given: &Given) -> Result<Verdict, Problem> {
    let meta = cluster.condition().await?.meta.unwrap_or_default();
    let upto = head(cluster).await?.seq;
    let request = VerifyAudit { upto };
    let mut found = copies(cluster, &meta, &request).await;
    for _ in 1..ROUNDS {
        if are_level(&found) {
            break;
        }
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        found = copies(cluster, &meta, &request).await;
    }
    let leaders = found.iter().find(|(node, reply)| *node == meta.leader && reply.is_ok());
    let (_, Some(first)) = leaders.map(|(node, reply)| (node, reply.as_ref().ok())).unwrap_or((&0, None))
    else {
        let what = "the leader's copy could not be looked at; try again in a moment";
        let problem = Problem::new(http::StatusCode::SERVICE_UNAVAILABLE, "no_leader", what);
        return Err(problem.later(std::time::Duration::from_secs(1)));
    };
    let ends = first.ends.clone().unwrap_or_default();
    let mut members: Vec<MemberVerdict> = found
        .iter()
        .map(|(node, reply)| match reply {
            Err(problem) => MemberVerdict {
                node: *node,
                ok: false,
                answered: false,
                head: String::new(),
                problems: vec![AuditProblem {
                    seq: 0,
                    code: "no_answer".into(),
                    message: problem.message.clone(),
                }],
            },
            Ok(reply) => {
                let mut problems: Vec<AuditProblem> = reply
                    .problems
                    .iter()
                    .map(|p| AuditProblem { seq: p.seq, code: p.code.clone(), message: p.message.clone() })
                    .collect();
                if problems.is_empty() {
                    problems.extend(unlike_leader(reply, first));
                }
                let head = hex::encode(&reply.hash);
                MemberVerdict { node: *node, ok: problems.is_empty(), answered: true, head, problems }
            }
        })
        .collect();
    members.sort_by_key(|member| member.node);
    if given.seq != 0
        && let Some(problem) = unlike(cluster, given).await?
        && let Some(member) = members.iter_mut().find(|member| member.node == meta.leader)
    {
        member.ok = false;
        member.problems.push(problem);
    }
    Ok(Verdict {
        ok: members.iter().all(|member| member.ok || !member.answered),
        first: ends.trimmed + 1,
        last: first.upto,
        entries: first.entries,
        head: hex::encode(&first.hash),
        members,
    })
}

/// What is wrong when an entry's hash is not the one that was kept elsewhere.
async fn unlike(cluster: &Cluster, given: &Given) -> Result<Option<AuditProblem>, Problem> {
    let there = find(cluster, given.seq).await?;
    let problem = |message: &str| {
        Some(AuditProblem { seq: given.seq, code: "unlike_given".into(), message: message.to_owned() })
    };
    Ok(match there {
        Some(entry) if entry.hash.eq_ignore_ascii_case(&given.hash) => None,
        Some(_) => problem("its hash is not the one that was kept: the log was rewritten"),
        None => problem("there is no entry of this number any more, or not yet"),
    })
}

/// The audit log, newest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Filter),
    responses((status = 200, body = Page<AuditEntry>), Failures))]
async fn list_audit(viewer: Viewer, Query(filter): Query<Filter>) -> Result<Json<Page<AuditEntry>>, Problem> {
    list(&viewer.cluster, &filter).await.map(Json)
}

/// One entry of the audit log.
#[utoipa::path(get, path = "/audit/{seq}", tag = "audit", operation_id = "get_audit_entry", params(("seq" = u64, Path)),
    responses((status = 200, body = AuditEntry), Failures))]
async fn get_entry(viewer: Viewer, Path(seq): Path<u64>) -> Result<Json<AuditEntry>, Problem> {
    entry(&viewer.cluster, seq).await.map(Json)
}

/// The end of the audit log: number and hash of the newest entry.
#[utoipa::path(get, path = "/audit/head", tag = "audit", operation_id = "get_audit_head",
    responses((status = 200, body = Head), Failures))]
async fn get_head(viewer: Viewer) -> Result<Json<Head>, Problem> {
    head(&viewer.cluster).await.map(Json)
}

/// Follow the chain of the audit log in the copy of every metaserver.
#[utoipa::path(post, path = "/audit/verify", tag = "audit", request_body = Given,
    responses((status = 200, body = Verdict), Failures))]
async fn verify_audit(
    viewer: Viewer,
    crate::http::Body(given): crate::http::Body<Given>,
) -> Result<Json<Verdict>, Problem> {
    verify(&viewer.cluster, &given).await.map(Json)
}

/// What is taken along, and in which form.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Export {
    /// `ndjson` or `csv`.
    #[param(pattern = "^(ndjson|csv)$")]
    format: Option<String>,
    /// No earlier than this, RFC 3339.
    #[param(format = "date-time")]
    from: Option<String>,
    /// Before this, RFC 3339.
    #[param(format = "date-time")]
    to: Option<String>,
}

/// The audit log as a file, newest first: a JSON document per line, or CSV.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(Export),
    responses((status = 200, description = "The file",
               content((String = "application/x-ndjson"), (String = "text/csv"))), Failures))]
async fn export_audit(admin: Admin, Query(ask): Query<Export>) -> Result<Response, Problem> {
    let csv = match ask.format.as_deref() {
        None | Some("ndjson") => false,
        Some("csv") => true,
        Some(_) => return Err(Problem::invalid("format is ndjson or csv")),
    };
    let filter = Filter { limit: Some(1000), from: ask.from, to: ask.to, ..Filter::default() };
    // What would fail, fails before the first byte.
    let first = list(&admin.cluster, &filter).await?;
    let head = Bytes::from_static(if csv { CSV_HEAD.as_bytes() } else { b"" });
    let pages = stream::unfold(Some((Some(first), filter)), move |state| {
        let cluster = admin.cluster.clone();
        async move {
            let (ready, filter) = state?;
            let page = match ready {
                Some(page) => Ok(page),
                None => list(&cluster, &filter).await,
            };
            match page {
                Ok(page) => {
                    let text: String = page.items.iter().map(|entry| line(entry, csv)).collect();
                    let rest = page.next.map(|next| (None, Filter { after: Some(next), ..filter }));
                    Some((Ok(Bytes::from(text)), rest))
                }
                Err(problem) => Some((Err(problem), None)),
            }
        }
    });
    let body = HttpBody::from_stream(stream::iter([Ok(head)]).chain(pages));
    let (kind, name) =
        if csv { ("text/csv; charset=utf-8", "audit.csv") } else { ("application/x-ndjson", "audit.ndjson") };
    let disposition = format!("attachment; filename=\"holdfast-{name}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body)
        .into_response())
}

/// The first line of an export as CSV.
pub const CSV_HEAD: &str = "seq,at,kind,actor_kind,actor,from,action,target,outcome,message,details,hash\r\n";

/// One line of an export.
pub fn line(entry: &AuditEntry, csv: bool) -> String {
    if !csv {
        return serde_json::to_string(entry).map(|text| text + "\n").unwrap_or_default();
    }
    let details = serde_json::to_string(&entry.details).unwrap_or_default();
    let fields = [
        entry.seq.to_string(),
        entry.at.clone(),
        entry.kind.clone(),
        entry.actor.kind.clone(),
        entry.actor.name.clone(),
        entry.actor.from.clone(),
        entry.action.clone(),
        entry.target.clone(),
        entry.outcome.clone(),
        entry.message.clone(),
        details,
        entry.hash.clone(),
    ];
    fields.map(|field| quoted(&field)).join(",") + "\r\n"
}

/// A field of CSV (RFC 4180). What a spreadsheet would take for a formula gets a quote mark before it.
fn quoted(field: &str) -> String {
    let formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let field = if formula { format!("'{field}") } else { field.to_owned() };
    if field.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_was_cut_off_is_not_the_leaders() {
        let copy = |trimmed: u64, upto: u64, hash: &'static [u8]| VerifyAuditReply {
            upto,
            hash: hash.into(),
            ends: Some(holdfast_proto::audit::AuditEnds { trimmed, ..Default::default() }),
            ..VerifyAuditReply::default()
        };
        let leaders = copy(0, 30, b"h");
        let told = |copy: VerifyAuditReply| unlike_leader(&copy, &leaders).map(|p| (p.seq, p.code));
        assert_eq!(told(copy(0, 30, b"h")), None);
        assert_eq!(told(copy(20, 30, b"h")), Some((1, "missing".to_owned())), "its head");
        assert_eq!(told(copy(0, 10, b"e")), Some((11, "missing".to_owned())), "its tail");
        assert_eq!(told(copy(0, 30, b"x")), Some((30, "differs".to_owned())));
        assert!(are_level(&[(1, Ok(leaders.clone())), (2, Err(Problem::invalid("away")))]));
        assert!(!are_level(&[(1, Ok(leaders.clone())), (2, Ok(copy(0, 29, b"g")))]));
    }

    #[test]
    fn a_field_is_quoted_and_no_formula() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\""), "\"say \"\"x\"\"\"");
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("a\r\nb"), "\"a\r\nb\"");
    }

    #[test]
    fn what_cannot_be_read_is_shown_as_such() {
        let sealed = SealedEntry { body: Bytes::from_static(b"\xff\xff"), hash: Bytes::from_static(b"\x01") };
        assert_eq!((view(&sealed).action.as_str(), view(&sealed).hash.as_str()), ("unreadable", "01"));
    }
}
