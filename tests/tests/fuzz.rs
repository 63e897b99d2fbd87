//! Damaged HTTP requests at a real process: heads, signatures, chunked bodies, XML. Every connection gets an answer or
//! is closed, the process stays the same, and what was there is unharmed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::oracle::Content;
use holdfast_tests::s3::Draft;

/// What must survive.
const PRECIOUS: Content = Content { seed: 12, size: 300_001 };

/// Longest silence of a healthy server.
const SILENCE: Duration = Duration::from_secs(20);

/// The first line of the answer, without what differs from one to the next; empty when the connection was closed.
fn ask(to: SocketAddr, request: &[u8]) -> Result<String> {
    let mut socket = TcpStream::connect(to).context("connect")?;
    socket.set_read_timeout(Some(SILENCE))?;
    // It may refuse and close before all is said.
    let _ = socket.write_all(request);
    let _ = socket.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while answer.len() < 4096 {
        match socket.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => anyhow::bail!("no answer"),
            Err(_) => break,
        }
    }
    let text = String::from_utf8_lossy(&answer).into_owned();
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    Ok(format!("{} {}", text.lines().next().unwrap_or_default(), code.map_or("", |(code, _)| code)))
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_requests_are_answered_or_closed() -> Result<()> {
    let mut cluster = Builder::new("fuzz").start().await?;
    cluster.s3().create_bucket("bkt").await?;
    cluster.s3().put("bkt", "precious", PRECIOUS.bytes()).await?;
    let (to, pid) = (cluster.node(1).spec().s3, cluster.node(1).pid());
    // A bucket of their own: damaged requests that still mean something may do it there.
    cluster.s3().create_bucket("play").await?;
    let draft = |method, path: &str| Draft::new(cluster.credentials(), &to.to_string(), method, path);
    let delete = br#"<Delete><Object><Key>a</Key></Object><Quiet>true</Quiet></Delete>"#;
    let finish = br#"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part></CompleteMultipartUpload>"#;
    let drafts = [
        draft("PUT", "/play/key").header("x-amz-meta-a", "b").body(b"some bytes"),
        draft("GET", "/play/key").header("range", "bytes=1-3"),
        draft("GET", "/play?list-type=2&prefix=k&delimiter=%2F&max-keys=10"),
        draft("POST", "/play?delete").body(delete),
        draft("POST", "/play/key?uploads"),
        draft("POST", "/play/key?uploadId=1&x=2").body(finish),
        draft("HEAD", "/play/key").header("if-match", "\"abc\""),
    ];
    let mut corpus = Vec::new();
    for draft in &drafts {
        corpus.push(draft.signed()?.bytes());
    }
    corpus.push(drafts[0].clone().chunked(5)?.bytes());
    // Damaged before it is signed: what lies behind the signature is reached.
    let bodies: [(&str, &[u8]); 2] = [("/play?delete", delete), ("/play/key?uploadId=1", finish)];
    let inner = |bytes: &[u8], turn: usize| -> Result<Vec<u8>> {
        let (path, _) = bodies[turn % bodies.len()];
        Ok(draft("POST", path).body(bytes).signed()?.bytes())
    };
    let requests = tokio::task::block_in_place(|| {
        let outside = holdfast_fuzz::run(corpus, |bytes| ask(to, bytes).unwrap_or_else(|e| panic!("{e}")));
        let mut turn = 0;
        let inside = holdfast_fuzz::run(bodies.map(|(_, body)| body.to_vec()).to_vec(), |bytes| {
            turn += 1;
            let request = inner(bytes, turn).unwrap_or_else(|e| panic!("{e}"));
            ask(to, &request).unwrap_or_else(|e| panic!("{e}"))
        });
        outside + inside
    });
    ensure!(requests > 50, "only {requests} requests");
    ensure!(cluster.node(1).pid() == pid, "the process ended");
    ensure!(cluster.s3().get("bkt", "precious").await? == PRECIOUS.bytes(), "the object is another one");
    ensure!(cluster.s3().list_all("bkt", "").await? == ["precious"], "the bucket is another one");
    cluster.finish().await
}
