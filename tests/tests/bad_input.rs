//! Strangers at the ports of a node: nonsense, half sentences, too much of everything, forged and outdated
//! signatures. Each gets a clear refusal or a closed connection within a deadline; the process goes on, and an object
//! that was there before is the same afterwards.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::raw::{Then, say};
use holdfast_tests::s3::{Draft, Wire};
use holdfast_tests::{rpc, wait};

/// What must survive all of this.
const PRECIOUS: Content = Content { seed: 11, size: 9_000_017 };

/// One node with something to lose.
struct Victim {
    cluster: Cluster,
    pid: Option<u32>,
}

impl Victim {
    async fn start(name: &str) -> Result<Self> {
        let mut cluster = Builder::new(name).start().await?;
        cluster.s3().create_bucket("bkt").await?;
        cluster.s3().put("bkt", "precious", PRECIOUS.bytes()).await?;
        let pid = cluster.node(1).pid();
        Ok(Self { cluster, pid })
    }

    /// The same process serves the same object, and nothing else appeared.
    async fn is_unharmed(&mut self, after: &str) -> Result<()> {
        ensure!(self.cluster.node(1).pid() == self.pid, "the process ended after {after}");
        let got = self.cluster.s3().get("bkt", "precious").await.with_context(|| format!("after {after}"))?;
        ensure!(got == PRECIOUS.bytes(), "the object is another one after {after}");
        let keys = self.cluster.s3().list_all("bkt", "").await?;
        ensure!(keys == ["precious"], "after {after} there are {keys:?}");
        Ok(())
    }

    fn rpc(&mut self) -> SocketAddr {
        self.cluster.node(1).spec().rpc
    }

    fn s3(&mut self) -> SocketAddr {
        self.cluster.node(1).spec().s3
    }

    fn draft(&mut self, method: &'static str, path: &str) -> Draft {
        let host = self.s3().to_string();
        Draft::new(self.cluster.credentials(), &host, method, path)
    }

    /// Sends a request as it is; it must be refused with this status and code.
    async fn refuses(&mut self, what: &str, wire: &Wire, status: u16, code: &str) -> Result<()> {
        let answer = say(self.s3(), &wire.bytes(), Then::Waits).await.context(what.to_owned())?;
        let wanted = format!("HTTP/1.1 {status} ");
        ensure!(
            answer.starts_with(&wanted) && answer.contains(&format!("<Code>{code}</Code>")),
            "{what}: {answer}"
        );
        ensure!(!answer.contains("<Message></Message>"), "{what} is refused without a reason: {answer}");
        Ok(())
    }
}

fn noise(seed: u64, size: u64) -> Vec<u8> {
    Content { seed, size }.bytes().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_at_the_rpc_port_ends_its_connection_and_nothing_else() -> Result<()> {
    let mut victim = Victim::start("rpc").await?;
    let rpc = victim.rpc();
    let hello = rpc::hello(&[], (1, 1));
    let after_hello = |bytes: Vec<u8>| [hello.clone(), bytes].concat();
    let mut damaged = rpc::frame(rpc::REQUEST, b"message");
    damaged[45] ^= 1;
    let cases = [
        ("noise", noise(1, 5000)),
        ("a few bytes of noise", noise(2, 3)),
        ("somebody else's protocol", b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec()),
        ("a hello of 4 GiB", rpc::header(rpc::HELLO, b"", u32::MAX, 0)),
        ("a hello with a payload of 4 GiB", rpc::header(rpc::HELLO, b"", 0, u32::MAX)),
        ("a hello that is no message", rpc::frame(rpc::HELLO, &noise(3, 100))),
        ("half a hello", hello[..hello.len() - 3].to_vec()),
        ("half a header", hello[..17].to_vec()),
        ("nothing", Vec::new()),
        ("a request without hello", rpc::frame(rpc::REQUEST, b"")),
        ("noise after hello", after_hello(noise(4, 5000))),
        ("a message of 4 GiB", after_hello(rpc::header(rpc::REQUEST, b"", u32::MAX, 0))),
        ("a payload of 4 GiB", after_hello(rpc::header(rpc::REQUEST, b"", 0, u32::MAX))),
        ("a damaged message", after_hello(damaged)),
        ("a second hello", after_hello(hello.clone())),
    ];
    // All of them stay on the line: it is the server that has to close.
    let talks = cases.iter().map(|(what, bytes)| async move {
        say(rpc, bytes, Then::Waits).await.with_context(|| (*what).to_owned())
    });
    futures::future::try_join_all(talks).await?;
    for (what, bytes) in &cases {
        say(rpc, bytes, Then::Ends).await.with_context(|| (*what).to_owned())?;
        say(rpc, bytes, Then::Leaves).await?;
    }
    // Payload that is announced and never comes.
    let truncated = after_hello([rpc::header(rpc::REQUEST, b"", 0, 60 << 20), noise(5, 70_000)].concat());
    say(rpc, &truncated, Then::Ends).await?;
    say(rpc, &truncated, Then::Leaves).await?;
    victim.is_unharmed("nonsense at the RPC port").await?;
    victim.cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_cluster_or_version_is_told_so() -> Result<()> {
    let mut victim = Victim::start("hello").await?;
    let rpc = victim.rpc();
    let identity = std::fs::read_to_string(victim.cluster.node(1).spec().data.join("identity.toml"))?;
    let identity: toml::Table = toml::from_str(&identity)?;
    let ours = identity["cluster"].as_str().context("the identity names no cluster")?.to_owned();
    for (what, hello, parts) in [
        ("another cluster", rpc::hello(&[7; 16], (1, 1)), ["belongs to cluster", ours.as_str()]),
        (
            "a later version",
            rpc::hello(&[], (9, 12)),
            ["speaks protocol versions 1 to 1", "the caller 9 to 12"],
        ),
        ("a cluster id of 5 bytes", rpc::hello(&[7; 5], (1, 1)), ["a cluster id has 16 bytes", ""]),
    ] {
        let answer = say(rpc, &hello, Then::Waits).await.context(what)?;
        ensure!(parts.iter().all(|part| answer.contains(part)), "{what}: {answer:?}");
        let log = victim.cluster.node(1).log_path();
        wait::until(&format!("{what} to be in the log"), Duration::from_secs(10), || async {
            std::fs::read_to_string(&log)?.contains(parts[0]).then_some(()).context("it is not")
        })
        .await?;
    }
    victim.is_unharmed("wrong hellos").await?;
    victim.cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_excess_at_the_http_ports_are_refused() -> Result<()> {
    let mut victim = Victim::start("http").await?;
    let admin = victim.cluster.node(1).spec().admin;
    let s3 = victim.s3();
    let get = |headers: &str| format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n").into_bytes();
    let many: String = (0..5000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let cases = [
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 nonsense\r\n\r\n".to_vec(), vec!["400"]),
        ("words", b"hello, is anybody there?\r\n\r\n".to_vec(), vec!["400"]),
        ("noise", noise(6, 3000), vec!["400", ""]),
        ("two lengths", get("content-length: 1\r\ncontent-length: 2\r\n"), vec!["400"]),
        ("a negative length", get("content-length: -1\r\n"), vec!["400"]),
        ("a header of 1 MiB", get(&format!("x-big: {}\r\n", "a".repeat(1 << 20))), vec!["431"]),
        ("5,000 headers", get(&many), vec!["431"]),
        (
            "a name of 1 MiB",
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)).into(),
            vec!["414", "431"],
        ),
    ];
    for (port, address) in [("S3", s3), ("admin", admin)] {
        for (what, bytes, statuses) in &cases {
            let answer = say(address, bytes, Then::Ends).await.with_context(|| format!("{port}: {what}"))?;
            let status = answer.split(' ').nth(1).unwrap_or_default();
            ensure!(statuses.contains(&status), "{port}: {what} is answered with {answer:?}");
            say(address, bytes, Then::Leaves).await?;
        }
        // Half a request, and none at all.
        say(address, b"GET /healthz HTTP/1.1\r\nho", Then::Ends).await?;
        say(address, b"", Then::Ends).await?;
    }
    let health = victim.cluster.s3().plain(&format!("http://{admin}/healthz")).await?;
    ensure!(health.body == "ok\n", "{health:?}");
    victim.is_unharmed("garbage at the HTTP ports").await?;
    victim.cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_with_one_thing_wrong_change_nothing() -> Result<()> {
    let mut victim = Victim::start("forged").await?;
    let put = victim.draft("PUT", "/bkt/precious").body(b"worthless");
    let long = victim.draft("PUT", &format!("/bkt/{}", "k".repeat(1025))).body(b"x");
    victim.refuses("a key of 1,025 bytes", &long.signed()?, 400, "KeyTooLongError").await?;
    let heavy = put.clone().header("x-amz-meta-heavy", &"m".repeat(3000));
    victim.refuses("metadata of 3,000 bytes", &heavy.signed()?, 400, "MetadataTooLarge").await?;

    let mut forged = put.signed()?;
    forged.body = b"different".to_vec();
    victim.refuses("another body", &forged, 400, "XAmzContentSHA256Mismatch").await?;
    let mut forged = put.signed()?;
    let last = forged.head.find("Signature=").context("no signature")? + "Signature=".len();
    let digit = if forged.head[last..].starts_with('0') { "1" } else { "0" };
    forged.head.replace_range(last..=last, digit);
    victim.refuses("another signature", &forged, 403, "SignatureDoesNotMatch").await?;
    for off in [-16 * 60, 16 * 60] {
        let late = put.clone().ahead(off).signed()?;
        victim.refuses("a clock that is off", &late, 403, "RequestTimeTooSkewed").await?;
    }
    let expired = put.clone().ahead(-120).presigned(60)?;
    victim.refuses("an expired URL", &expired, 403, "AccessDenied").await?;
    let answer = say(victim.s3(), &expired.bytes(), Then::Waits).await?;
    ensure!(answer.contains("expired"), "an expired URL is refused for another reason: {answer}");

    let data = noise(8, 300_000);
    let mut chunks = put.clone().body(&data).chunked(65_536)?;
    chunks.body[150_000] ^= 1;
    victim.refuses("a chunk that was changed", &chunks, 403, "SignatureDoesNotMatch").await?;
    victim.is_unharmed("requests with one thing wrong").await?;

    // With nothing wrong, each of them is taken: it was that one thing.
    for (number, wire) in
        [put.signed()?, put.presigned(60)?, put.clone().body(&data).chunked(65_536)?].iter().enumerate()
    {
        let answer = say(victim.s3(), &wire.bytes(), Then::Waits).await?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "right request {number}: {answer}");
    }
    ensure!(
        victim.cluster.s3().get("bkt", "precious").await? == data,
        "the last upload is not what is there"
    );
    victim.cluster.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_the_old_object() -> Result<()> {
    let mut victim = Victim::start("broken-off").await?;
    for (size, sent) in [(9, 4), (300_000, 299_999), (20 << 20, 12 << 20)] {
        for key in ["precious", "new"] {
            let data = noise(9, size);
            let mut plain = victim.draft("PUT", &format!("/bkt/{key}")).body(&data).signed()?;
            plain.body.truncate(sent);
            let mut chunks = victim.draft("PUT", &format!("/bkt/{key}")).body(&data).chunked(65_536)?;
            chunks.body.truncate(sent);
            for wire in [plain, chunks] {
                let answer = say(victim.s3(), &wire.bytes(), Then::Ends).await?;
                ensure!(!answer.starts_with("HTTP/1.1 2"), "{sent} of {size} bytes were taken: {answer}");
                say(victim.s3(), &wire.bytes(), Then::Leaves).await?;
            }
        }
        victim.is_unharmed(&format!("uploads of {sent} of {size} bytes")).await?;
    }
    victim.cluster.finish().await
}
