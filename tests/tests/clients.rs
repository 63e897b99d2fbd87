//! S3 clients that people really use, against a cluster of three: each writes a tree of odd names and a file large
//! enough for a multipart upload through one gateway, and finds all of it, byte for byte, through the others; it
//! copies, moves, asks for parts of a file, signs a URL for somebody without a key, and cleans up.
//!
//! `deploy/setup.sh test` installs the clients; one that is missing all the same is announced as skipped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::{Builder, Cluster};
use holdfast_tests::oracle::Content;
use holdfast_tests::s3;
use holdfast_tests::skip::announce_missing;
use holdfast_tests::tool::Tool;
use holdfast_tests::{source, tree};

/// Larger than every client's limit for one PUT, and no multiple of anything.
const BIG: Content = Content { seed: 77, size: (20 << 20) + 17 };

/// One client, a cluster, and files to carry around.
struct Trial {
    cluster: Cluster,
    tool: Tool,
    /// Where the client keeps its files.
    dir: PathBuf,
    /// What is uploaded: odd names and a big file.
    tree: PathBuf,
}

impl Trial {
    /// `None` when the client is not installed; that is announced.
    async fn start(name: &str, package: &str, candidates: &[&[&str]]) -> Result<Option<Self>> {
        let home = tempfile::tempdir()?;
        if Tool::find(candidates, home.path()).await?.is_none() {
            announce_missing(module_path!(), name, package);
            return Ok(None);
        }
        let cluster = Builder::new(name).nodes(3).start().await?;
        let dir = cluster.scratch()?;
        let tool = Tool::find(candidates, &dir.join("home")).await?.context("the client went away")?;
        let tree = dir.join("tree");
        tree::write_odd(&tree)?;
        tree::write(&tree.join("big/20 MiB.bin"), BIG)?;
        cluster.s3().create_bucket("other").await?;
        Ok(Some(Self { cluster, tool, dir, tree }))
    }

    /// The S3 address of a node.
    fn host(&mut self, number: u8) -> String {
        self.cluster.node(number).spec().s3.to_string()
    }

    fn url(&mut self, number: u8) -> String {
        format!("http://{}", self.host(number))
    }

    /// All keys of the bucket, as another client sees them.
    async fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        Ok(self.cluster.s3().list_all("bkt", prefix).await?)
    }

    /// The keys below a prefix are the names of the tree, and nothing else.
    async fn is_tree(&self, prefix: &str) -> Result<()> {
        let names: Vec<_> =
            tree::files(&self.tree)?.into_keys().map(|name| format!("{prefix}{name}")).collect();
        let keys = self.keys(prefix).await?;
        ensure!(keys == names, "below {prefix} there are {keys:?}, not {names:?}");
        Ok(())
    }

    /// A URL signed by the client gives the content to somebody without a key.
    async fn fetch(&self, url: &str, name: &str) -> Result<()> {
        let answer = self.cluster.s3().plain(url.trim()).await.with_context(|| url.trim().to_owned())?;
        ensure!(answer.body == std::fs::read(self.tree.join(name))?, "{name} differs through a signed URL");
        Ok(())
    }

    async fn finish(self) -> Result<()> {
        ensure!(self.keys("").await?.is_empty(), "the client left {:?}", self.keys("").await?);
        self.cluster.s3().delete_bucket("bkt").await?;
        self.cluster.finish().await
    }
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

#[tokio::test(flavor = "multi_thread")]
async fn rclone() -> Result<()> {
    let Some(mut t) = Trial::start("rclone", "rclone", &[&["rclone", "version"]]).await? else {
        return Ok(());
    };
    let credentials = t.cluster.credentials().clone();
    let mut tool = t.tool.clone();
    for (number, remote) in [(1, "ONE"), (2, "TWO"), (3, "THREE")] {
        for (name, value) in [
            ("TYPE", "s3"),
            ("PROVIDER", "Other"),
            ("ENDPOINT", &t.url(number)),
            ("ACCESS_KEY_ID", &credentials.access_key),
            ("SECRET_ACCESS_KEY", &credentials.secret_key),
            ("REGION", &credentials.region),
            ("UPLOAD_CUTOFF", "6M"),
            ("CHUNK_SIZE", "5M"),
            ("COPY_CUTOFF", "8M"),
        ] {
            tool = tool.environment(&format!("RCLONE_CONFIG_{remote}_{name}"), value);
        }
    }
    // A retry would hide what went wrong the first time.
    let tool = tool.environment("RCLONE_RETRIES", "1");
    let (tree, back) = (t.tree.clone(), t.dir.join("back"));

    tool.run(&["mkdir", "one:bkt"]).await?;
    tool.run(&["copy", path(&tree)?, "one:bkt/tree"]).await?;
    t.is_tree("tree/").await?;
    tool.run(&["check", "--download", path(&tree)?, "two:bkt/tree"]).await?;
    tool.run(&["copy", "three:bkt/tree", path(&back)?]).await?;
    tree::same(&tree, &back)?;
    let part =
        tool.run(&["cat", "--offset", "8388000", "--count", "5000", "two:bkt/tree/big/20 MiB.bin"]).await?;
    ensure!(part == BIG.range(8_388_000, 5000), "a part of the big file differs");

    // What changed here changes there, and nothing else.
    tree::write(&tree.join("100% sure"), Content { seed: 5, size: 7777 })?;
    std::fs::remove_file(tree.join("plain"))?;
    let said = tool.output(&["sync", "-v", path(&tree)?, "two:bkt/tree"], None).await?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.matches(": Copied (").count() == 1 && said.matches(": Deleted").count() == 1, "{said}");
    t.is_tree("tree/").await?;

    // Copies and moves happen on the server; the big file in parts.
    let said = tool.output(&["copy", "-v", "one:bkt/tree", "one:bkt/copy"], None).await?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.matches("(server-side copy)").count() == tree::ODD_NAMES.len(), "{said}");
    tool.run(&["move", "three:bkt/copy", "three:bkt/moved/ü +%"]).await?;
    ensure!(t.keys("copy/").await?.is_empty(), "moved files are still in their old place");
    t.is_tree("moved/ü +%/").await?;
    tool.run(&["check", "--download", path(&tree)?, "two:bkt/moved/ü +%"]).await?;

    // A name that is a file and a directory at once, and a stream whose length nobody knew.
    tool.feed(&["rcat", "one:bkt/pair/a"], b"file").await?;
    tool.feed(&["rcat", "two:bkt/pair/a/b"], &BIG.bytes()).await?;
    ensure!(
        tool.run(&["cat", "three:bkt/pair/a"]).await? == b"file",
        "the file beside the directory differs"
    );
    ensure!(tool.run(&["cat", "three:bkt/pair/a/b"]).await? == BIG.bytes(), "the streamed file differs");
    ensure!(tool.text(&["lsf", "-R", "one:bkt/pair"]).await?.lines().count() == 3, "a, a/ and a/b are there");
    tool.run(&["deletefile", "one:bkt/pair/a"]).await?;
    ensure!(t.keys("pair/").await? == ["pair/a/b"]);

    for name in ["with some spaces", "per%20cent%2Fencoded", "plus+plus/a+b c"] {
        let url = tool.text(&["link", "--expire", "60s", &format!("three:bkt/tree/{name}")]).await?;
        t.fetch(&url, name).await?;
    }
    tool.run(&["delete", "two:bkt"]).await?;
    t.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn aws() -> Result<()> {
    let Some(mut t) = Trial::start("aws", "awscli", &[&["aws", "--version"]]).await? else { return Ok(()) };
    let credentials = t.cluster.credentials().clone();
    let base = t
        .tool
        .clone()
        .environment("AWS_ACCESS_KEY_ID", &credentials.access_key)
        .environment("AWS_SECRET_ACCESS_KEY", &credentials.secret_key)
        .environment("AWS_DEFAULT_REGION", &credentials.region)
        .environment("AWS_EC2_METADATA_DISABLED", "true")
        .environment("AWS_MAX_ATTEMPTS", "1");
    // Older ones sign URLs in the old way unless they are told.
    std::fs::create_dir_all(base.home().join(".aws"))?;
    let config = "[default]\ns3 =\n  signature_version = s3v4\n  addressing_style = path\n";
    std::fs::write(base.home().join(".aws/config"), config)?;
    let [one, two, three] = [1, 2, 3].map(|number| base.clone().first(&["--endpoint-url", &t.url(number)]));
    let (tree, back) = (t.tree.clone(), t.dir.join("back"));
    let quiet = "--only-show-errors";

    one.run(&["s3", "mb", "s3://bkt"]).await?;
    one.run(&["s3", "cp", "--recursive", quiet, path(&tree)?, "s3://bkt/tree"]).await?;
    t.is_tree("tree/").await?;
    two.run(&["s3", "sync", quiet, "s3://bkt/tree", path(&back)?]).await?;
    tree::same(&tree, &back)?;
    let out = t.dir.join("part");
    let args = ["s3api", "get-object", "--bucket", "bkt", "--key", "tree/big/20 MiB.bin"];
    three.run(&[&args[..], &["--range", "bytes=8388000-8392999", path(&out)?]].concat()).await?;
    ensure!(std::fs::read(&out)? == BIG.range(8_388_000, 5000), "a part of the big file differs");

    tree::write(&tree.join("100% sure"), Content { seed: 5, size: 7777 })?;
    std::fs::remove_file(tree.join("plain"))?;
    let said = three.text(&["s3", "sync", "--delete", path(&tree)?, "s3://bkt/tree"]).await?;
    ensure!(said.matches("upload: ").count() == 1 && said.matches("delete: ").count() == 1, "{said}");
    t.is_tree("tree/").await?;

    two.run(&["s3", "cp", "--recursive", quiet, "s3://bkt/tree", "s3://other/copy"]).await?;
    three.run(&["s3", "mv", "--recursive", quiet, "s3://other/copy", "s3://bkt/moved/ü +%"]).await?;
    t.is_tree("moved/ü +%/").await?;
    ensure!(
        t.cluster.s3().list_all("other", "").await?.is_empty(),
        "moved files are still in their old place"
    );
    std::fs::remove_dir_all(&back)?;
    one.run(&["s3", "cp", "--recursive", quiet, "s3://bkt/moved/ü +%", path(&back)?]).await?;
    tree::same(&tree, &back)?;

    one.feed(&["s3", "cp", "-", "s3://bkt/pair/a"], b"file").await?;
    two.feed(&["s3", "cp", "-", "s3://bkt/pair/a/b"], &BIG.bytes()).await?;
    ensure!(
        three.run(&["s3", "cp", "s3://bkt/pair/a", "-"]).await? == b"file",
        "the file beside the directory differs"
    );
    ensure!(
        three.run(&["s3", "cp", "s3://bkt/pair/a/b", "-"]).await? == BIG.bytes(),
        "the streamed file differs"
    );
    let listed = one.text(&["s3", "ls", "s3://bkt/pair/"]).await?;
    ensure!(listed.contains("PRE a/") && listed.contains(" 4 a\n"), "{listed}");
    one.run(&["s3", "rm", quiet, "s3://bkt/pair/a"]).await?;
    ensure!(t.keys("pair/").await? == ["pair/a/b"]);

    for name in ["per%20cent%2Fencoded", "plus+plus/a+b c"] {
        let key = format!("s3://bkt/tree/{name}");
        t.fetch(&three.text(&["s3", "presign", "--expires-in", "60", &key]).await?, name).await?;
    }
    two.run(&["s3", "rm", "--recursive", quiet, "s3://bkt"]).await?;
    t.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn s3cmd() -> Result<()> {
    let Some(mut t) = Trial::start("s3cmd", "s3cmd", &[&["s3cmd", "--version"]]).await? else {
        return Ok(());
    };
    let credentials = t.cluster.credentials().clone();
    let base = t.tool.clone();
    let config = format!(
        "[default]\naccess_key = {}\nsecret_key = {}\nbucket_location = {}\nuse_https = False\n\
         multipart_chunk_size_mb = 5\nmax_retries = 0\nprogress_meter = False\n",
        credentials.access_key, credentials.secret_key, credentials.region
    );
    std::fs::write(base.home().join(".s3cfg"), config)?;
    let [one, two, three] = [1, 2, 3].map(|number| {
        let host = t.host(number);
        base.clone().first(&[&format!("--host={host}"), &format!("--host-bucket={host}")])
    });
    let (tree, back) = (t.tree.clone(), t.dir.join("back"));
    let below = |dir: &Path| Ok::<_, anyhow::Error>(format!("{}/", path(dir)?));

    one.run(&["mb", "s3://bkt"]).await?;
    one.run(&["sync", &below(&tree)?, "s3://bkt/tree/"]).await?;
    t.is_tree("tree/").await?;
    std::fs::create_dir_all(&back)?;
    two.run(&["sync", "s3://bkt/tree/", &below(&back)?]).await?;
    tree::same(&tree, &back)?;
    // A download that goes on where it ended is how this client asks for a range.
    let half = t.dir.join("half");
    std::fs::write(&half, BIG.range(0, 8_388_000))?;
    three.run(&["get", "--continue", "s3://bkt/tree/big/20 MiB.bin", path(&half)?]).await?;
    ensure!(std::fs::read(&half)? == BIG.bytes(), "the download that went on differs");

    tree::write(&tree.join("100% sure"), Content { seed: 5, size: 7777 })?;
    std::fs::remove_file(tree.join("plain"))?;
    let said = three.text(&["sync", "--delete-removed", &below(&tree)?, "s3://bkt/tree/"]).await?;
    ensure!(said.matches("upload: ").count() == 1 && said.matches("delete: ").count() == 1, "{said}");
    t.is_tree("tree/").await?;

    two.run(&["cp", "--recursive", "s3://bkt/tree/", "s3://other/copy/"]).await?;
    three.run(&["mv", "--recursive", "s3://other/copy/", "s3://bkt/moved/ü +%/"]).await?;
    t.is_tree("moved/ü +%/").await?;
    ensure!(
        t.cluster.s3().list_all("other", "").await?.is_empty(),
        "moved files are still in their old place"
    );
    std::fs::remove_dir_all(&back)?;
    std::fs::create_dir_all(&back)?;
    one.run(&["get", "--recursive", "s3://bkt/moved/ü +%/", &below(&back)?]).await?;
    tree::same(&tree, &back)?;

    one.feed(&["put", "-", "s3://bkt/pair/a"], b"file").await?;
    two.feed(&["put", "-", "s3://bkt/pair/a/b"], &BIG.bytes()).await?;
    ensure!(
        three.run(&["get", "s3://bkt/pair/a", "-"]).await? == b"file",
        "the file beside the directory differs"
    );
    ensure!(three.run(&["get", "s3://bkt/pair/a/b", "-"]).await? == BIG.bytes(), "the streamed file differs");
    one.run(&["del", "s3://bkt/pair/a"]).await?;
    ensure!(t.keys("pair/").await? == ["pair/a/b"]);

    // This client knows only the old way of signing a URL, which we refuse; the refusal must say so.
    let url = three.text(&["signurl", "s3://bkt/tree/star*", "+60"]).await?;
    match t.cluster.s3().plain(url.trim()).await {
        Err(s3::Error::Answered { status: 400, body, .. }) if body.contains("only AWS4-HMAC-SHA256") => {}
        other => anyhow::bail!("{url}: {other:?}"),
    }
    two.run(&["del", "--recursive", "--force", "s3://bkt/"]).await?;
    t.finish().await
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3() -> Result<()> {
    // One that was installed by hand comes first; the one of the distribution knows another interpreter.
    let candidates: [&[&str]; 2] =
        [&["python3", "-c", "import boto3"], &["/usr/bin/python3", "-c", "import boto3"]];
    let Some(mut t) = Trial::start("boto3", "python3-boto3", &candidates).await? else { return Ok(()) };
    let credentials = t.cluster.credentials().clone();
    let script = source::file("tests/s3/roundtrip.py");
    let (one, two) = (t.url(1), t.url(2));
    let keys = [&credentials.access_key, &credentials.secret_key, &credentials.region];
    let args = ["--access-key", keys[0], "--secret-key", keys[1], "--region", keys[2]];
    let ends = [holdfast_tests::outcome::text(&script)?, "--endpoint", &one, "--second-endpoint", &two];
    println!("{}", t.tool.text(&[&ends[..], &args[..]].concat()).await?);
    t.cluster.s3().create_bucket("bkt").await?;
    t.finish().await
}
