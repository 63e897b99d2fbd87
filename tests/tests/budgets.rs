//! What one operation costs in round trips and syncs, counted by the nodes' own metrics (DESIGN §8): one after another on
//! a quiet cluster of three, so that nothing shares what others pay for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::s3::Client;

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

/// Waits until nobody but the clocks does anything: between two looks no sync was asked for.
async fn quiet(cluster: &mut Cluster) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    let mut last = counters(cluster).await?;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = counters(cluster).await?;
        let same = |name: &str| now.get(name) == last.get(name);
        if same("holdfast_meta_log_syncs_total") && same("holdfast_chunk_commits_total") {
            return Ok(());
        }
        last = now;
    }
    bail!("the cluster does not come to rest")
}

/// Waits until chunks go to every member again.
async fn all_take_part(cluster: &mut Cluster, s3: &Client, body: &Bytes) -> Result<()> {
    const SHORT: &str = "holdfast_client_short_writes_total";
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        let before = counters(cluster).await?.get(SHORT).copied();
        s3.put("bkt", "probe", body.clone()).await?;
        if counters(cluster).await?.get(SHORT).copied() == before {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("a member is left out for good")
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
    quiet(&mut cluster).await?;

    let put = cost(&mut cluster, "PUT 4,000 bytes", |at| {
        let (s3, body) = (&s3, small.clone());
        async move { Ok(s3.put("bkt", &format!("s{at}"), body).await.map(drop)?) }
    })
    .await?;
    ensure!(about(put.commands(), 1.0) && about(put.questions(), 0.0), "one round trip to the leader");
    ensure!(about(put.writes(), 0.0) && about(put.chunk_syncs(), 0.0), "no chunk");
    // Three voters, each one sync; the leader's loops write now and then.
    ensure!(put.log_syncs() >= 2.0 && put.log_syncs() <= 3.0 + 3.0 * NOISE, "one sync per voter");

    let mut put = Cost(Counters::new());
    for _ in 0..5 {
        put = cost(&mut cluster, "PUT 1 MiB", |at| {
            let (s3, body) = (&s3, big.clone());
            async move { Ok(s3.put("bkt", &format!("b{at}"), body).await.map(drop)?) }
        })
        .await?;
        // A machine that stalled makes a member look slow, which is then left out for some seconds.
        if put.of("holdfast_client_short_writes_total") + put.of("holdfast_client_replacements_total") == 0.0
        {
            break;
        }
        all_take_part(&mut cluster, &s3, &big).await?;
    }
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
