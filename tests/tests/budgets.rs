//! What one operation costs in round trips and syncs, counted by the nodes' own metrics (DESIGN §8): one after another on
//! a quiet cluster of three, so that nothing shares what others pay for.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;

/// Operations per measurement.
const COUNT: u64 = 40;

/// Sums of counters over all nodes and labels, by name; of those with labels, also by name and labels.
type Counters = BTreeMap<String, f64>;

async fn counters(cluster: &mut Cluster) -> Result<Counters> {
    let http = cluster.s3();
    let mut sums = Counters::new();
    for node in 1..=cluster.len() {
        let url = format!("http://{}/metrics", cluster.node(node).spec().admin);
        let answer = http.plain(&url).await?;
        for line in String::from_utf8_lossy(&answer.body).lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').context("a metric without a value")?;
            let value: f64 = value.parse()?;
            *sums.entry(name.to_owned()).or_default() += value;
            if let Some((bare, _)) = name.split_once('{') {
                *sums.entry(bare.to_owned()).or_default() += value;
            }
        }
    }
    Ok(sums)
}

/// What each of some operations cost.
struct Cost(Counters);

impl Cost {
    fn of(&self, name: &str) -> f64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    fn commands(&self) -> f64 {
        self.of(r#"holdfast_client_meta_calls_total{kind="command"}"#)
    }

    fn questions(&self) -> f64 {
        self.of(r#"holdfast_client_meta_calls_total{kind="question"}"#)
    }

    fn writes(&self) -> f64 {
        self.of(r#"holdfast_client_member_calls_total{op="write"}"#)
    }

    fn reads(&self) -> f64 {
        self.of(r#"holdfast_client_member_calls_total{op="read"}"#)
    }

    fn chunk_syncs(&self) -> f64 {
        self.of("holdfast_chunk_commits_total")
    }

    fn log_syncs(&self) -> f64 {
        self.of("holdfast_meta_log_syncs_total")
    }
}

async fn cost<F, W>(cluster: &mut Cluster, what: &str, work: F) -> Result<Cost>
where
    F: Fn(u64) -> W,
    W: Future<Output = Result<()>>,
{
    let before = counters(cluster).await?;
    for at in 0..COUNT {
        work(at).await.with_context(|| format!("{what} {at}"))?;
    }
    let after = counters(cluster).await?;
    let each = |(name, value): (String, f64)| {
        let grown = value - before.get(&name).copied().unwrap_or_default();
        (name, grown / COUNT as f64)
    };
    let cost = Cost(after.into_iter().map(each).collect());
    println!(
        "{what}: {:.2} commands, {:.2} questions, {:.2} chunk writes, {:.2} chunk reads, {:.2} chunk syncs, {:.2} log syncs",
        cost.commands(),
        cost.questions(),
        cost.writes(),
        cost.reads(),
        cost.chunk_syncs(),
        cost.log_syncs()
    );
    Ok(cost)
}

/// Upkeep of the cluster (heartbeats of sessions, grants, loops) may add this much per operation.
const NOISE: f64 = 0.3;

fn about(found: f64, wanted: f64) -> bool {
    found >= wanted && found <= wanted + NOISE
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operation_costs_what_it_should() -> Result<()> {
    let mut cluster = Builder::new("budgets").nodes(3).start().await?;
    let s3 = cluster.s3_of(1);
    s3.create_bucket("bkt").await?;
    let small = Content { seed: 1, size: 4000 }.bytes();
    let big = Content { seed: 2, size: 1 << 20 }.bytes();
    // Sessions, grants and connections are there afterwards.
    s3.put("bkt", "warm", big.clone()).await?;
    s3.get("bkt", "warm").await?;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let put = cost(&mut cluster, "PUT 4,000 bytes", |at| {
        let (s3, body) = (&s3, small.clone());
        async move { Ok(s3.put("bkt", &format!("s{at}"), body).await.map(drop)?) }
    })
    .await?;
    ensure!(about(put.commands(), 1.0) && about(put.questions(), 0.0), "one round trip to the leader");
    ensure!(about(put.writes(), 0.0) && about(put.chunk_syncs(), 0.0), "no chunk");
    // Three voters, each one sync; the leader's loops write now and then.
    ensure!(put.log_syncs() >= 2.0 && put.log_syncs() <= 3.0 + 3.0 * NOISE, "one sync per voter");

    let put = cost(&mut cluster, "PUT 1 MiB", |at| {
        let (s3, body) = (&s3, big.clone());
        async move { Ok(s3.put("bkt", &format!("b{at}"), body).await.map(drop)?) }
    })
    .await?;
    ensure!(about(put.commands(), 1.0) && about(put.questions(), 0.0), "one round trip to the leader");
    ensure!(about(put.writes(), 3.0) && about(put.chunk_syncs(), 3.0), "one per member");
    ensure!(put.log_syncs() >= 2.0 && put.log_syncs() <= 3.0 + 3.0 * NOISE, "one sync per voter");

    let get = cost(&mut cluster, "GET 1 MiB", |at| {
        let s3 = &s3;
        async move { Ok(s3.get("bkt", &format!("b{at}")).await.map(drop)?) }
    })
    .await?;
    ensure!(about(get.questions(), 1.0) && about(get.commands(), 0.0), "one round trip to the leader");
    ensure!(about(get.reads(), 1.0), "one to a member");
    ensure!(get.log_syncs() <= 3.0 * NOISE && get.chunk_syncs() <= NOISE, "no sync");

    let get = cost(&mut cluster, "GET 4,000 bytes", |at| {
        let s3 = &s3;
        async move { Ok(s3.get("bkt", &format!("s{at}")).await.map(drop)?) }
    })
    .await?;
    ensure!(about(get.questions(), 1.0) && about(get.reads(), 0.0), "everything comes with the answer");

    let head = cost(&mut cluster, "HEAD", |at| {
        let s3 = &s3;
        async move { Ok(s3.head("bkt", &format!("b{at}")).await.map(drop)?) }
    })
    .await?;
    ensure!(about(head.questions(), 1.0) && about(head.reads(), 0.0), "one round trip to the leader");

    let delete = cost(&mut cluster, "DELETE", |at| {
        let s3 = &s3;
        async move { Ok(s3.delete("bkt", &format!("s{at}")).await?) }
    })
    .await?;
    ensure!(about(delete.commands(), 1.0) && about(delete.questions(), 0.0), "one round trip to the leader");
    cluster.finish().await
}
