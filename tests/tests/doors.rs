//! One namespace, two doors: what S3 makes of names, attributes and files that the mount made, and the other way round.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use holdfast_tests::cluster::Builder;
use holdfast_tests::mount::{Mount, missing};
use holdfast_tests::s3::Client;
use holdfast_tests::wait;

const BUCKET: &str = "bkt";

#[tokio::test(flavor = "multi_thread")]
async fn s3_and_the_mount_agree_on_names_and_attributes() -> Result<()> {
    if let Some(why) = missing() {
        eprintln!("SKIPPED {}: {why}", module_path!());
        return Ok(());
    }
    let cluster = Builder::new("doors").start().await?;
    let s3 = cluster.s3();
    s3.create_bucket(BUCKET).await?;
    let mount = Mount::new(&cluster, "m", "/bkt", &[]).await?;
    directories_come_and_go(&s3, &mount).await.context("directories")?;
    an_object_beside_a_prefix(&s3, &mount).await.context("an object beside a prefix")?;
    keys_that_are_no_names(&s3, &mount).await.context("keys that are no names")?;
    attributes_of_objects(&s3, &mount).await.context("attributes of objects")?;
    open_files_and_links(&s3, &mount).await.context("open files and links")?;
    mount.finish(&cluster).await?;
    cluster.finish().await
}

fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

async fn until_there(path: &Path) -> Result<()> {
    wait::until("a name to come", Duration::from_secs(10), || async {
        fs::symlink_metadata(path).map(drop).map_err(|error| error.to_string())
    })
    .await
}

async fn until_gone(path: &Path) -> Result<()> {
    wait::until("a name to go", Duration::from_secs(10), || async {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await
}

async fn directories_come_and_go(s3: &Client, mount: &Mount) -> Result<()> {
    s3.put(BUCKET, "one/two/key", "text".into()).await?;
    until_there(&mount.path("one")).await?;
    ensure!(fs::read(mount.path("one/two/key"))? == b"text");
    ensure!(fs::metadata(mount.path("one/two"))?.is_dir());
    s3.delete(BUCKET, "one/two/key").await?;
    until_gone(&mount.path("one")).await?;
    // A directory that a mount made, or changed, stays; S3 does not show it as long as it is empty.
    fs::create_dir(mount.path("made"))?;
    s3.put(BUCKET, "made/key", "text".into()).await?;
    s3.put(BUCKET, "kept/inner/key", "text".into()).await?;
    until_there(&mount.path("kept")).await?;
    fs::set_permissions(mount.path("kept"), fs::Permissions::from_mode(0o750))?;
    for key in ["made/key", "kept/inner/key"] {
        s3.delete(BUCKET, key).await?;
    }
    until_gone(&mount.path("kept/inner")).await?;
    ensure!(names(mount.at())? == ["kept", "made"]);
    ensure!(fs::metadata(mount.path("kept"))?.mode() & 0o7777 == 0o750);
    ensure!(s3.list_all(BUCKET, "").await?.is_empty(), "S3 shows directories as keys");
    fs::remove_dir(mount.path("made"))?;
    fs::remove_dir(mount.path("kept"))?;
    Ok(())
}

async fn an_object_beside_a_prefix(s3: &Client, mount: &Mount) -> Result<()> {
    s3.put(BUCKET, "both", "object".into()).await?;
    s3.put(BUCKET, "both/inside", "inside".into()).await?;
    wait::until("both to be seen", Duration::from_secs(10), || async {
        let names = names(mount.at()).map_err(|error| error.to_string())?;
        if names == [".hf~fboth", "both"] { Ok(()) } else { Err(format!("{names:?}")) }
    })
    .await?;
    ensure!(fs::read(mount.path(".hf~fboth"))? == b"object");
    ensure!(fs::read(mount.path("both/inside"))? == b"inside");
    OpenOptions::new().append(true).open(mount.path(".hf~fboth"))?.write_all(b" and more")?;
    ensure!(s3.get(BUCKET, "both").await? == "object and more");
    ensure!(s3.list_all(BUCKET, "").await? == ["both", "both/inside"]);
    fs::remove_file(mount.path(".hf~fboth"))?;
    ensure!(s3.get(BUCKET, "both").await.is_err_and(|error| error.is_not_found()));
    let new = File::create(mount.path(".hf~fnew"));
    ensure!(new.is_err_and(|error| error.kind() == std::io::ErrorKind::InvalidInput), "a name of that kind");
    s3.delete(BUCKET, "both/inside").await?;
    until_gone(&mount.path("both")).await
}

async fn keys_that_are_no_names(s3: &Client, mount: &Mount) -> Result<()> {
    let long = "l".repeat(400);
    let keys = ["e//f", "e/../g", "e/./h", long.as_str(), "ends/"];
    for key in keys {
        s3.put(BUCKET, key, key.to_owned().into()).await?;
    }
    until_there(&mount.path("ends")).await?;
    let mut seen = Vec::new();
    let mut folders = vec![mount.at().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            match path.is_dir() {
                true => folders.push(path),
                false => seen.push(fs::read_to_string(path)?),
            }
        }
    }
    seen.sort();
    let mut wanted = keys.map(str::to_owned);
    wanted.sort();
    ensure!(seen == wanted, "{seen:?}");
    for key in keys {
        s3.delete(BUCKET, key).await?;
    }
    until_gone(&mount.path("e")).await
}

async fn attributes_of_objects(s3: &Client, mount: &Mount) -> Result<()> {
    let headers = [("content-type", "text/x-test"), ("x-amz-meta-colour", "blue")];
    s3.put_with(BUCKET, "typed", &headers, "text".into()).await?;
    let before = s3.head(BUCKET, "typed").await?;
    let path = mount.path("typed");
    until_there(&path).await?;
    ensure!(fs::metadata(&path)?.mode() & 0o7777 == 0o644, "{:o}", fs::metadata(&path)?.mode());
    OpenOptions::new().append(true).open(&path)?.write_all(b" and more")?;
    fs::rename(&path, mount.path("renamed"))?;
    let after = s3.head(BUCKET, "renamed").await?;
    for header in ["content-type", "x-amz-meta-colour"] {
        ensure!(
            after.header(header) == before.header(header) && !after.header(header).is_empty(),
            "{header}"
        );
    }
    ensure!(after.header("etag") != before.header("etag"), "the ETag of other content");
    ensure!(after.header("content-length") == "13");
    // What the mount made has a type too; modes bind those who come through the mount.
    fs::write(mount.path("plain"), b"plain")?;
    fs::set_permissions(mount.path("plain"), fs::Permissions::from_mode(0o000))?;
    ensure!(s3.get(BUCKET, "plain").await? == "plain");
    ensure!(!s3.head(BUCKET, "plain").await?.header("content-type").is_empty());
    for key in ["renamed", "plain"] {
        s3.delete(BUCKET, key).await?;
    }
    until_gone(&mount.path("plain")).await
}

async fn open_files_and_links(s3: &Client, mount: &Mount) -> Result<()> {
    s3.put(BUCKET, "first", "old".into()).await?;
    until_there(&mount.path("first")).await?;
    let mut open = File::open(mount.path("first"))?;
    fs::hard_link(mount.path("first"), mount.path("second"))?;
    s3.put(BUCKET, "first", "new".into()).await?;
    let mut text = String::new();
    open.read_to_string(&mut text)?;
    ensure!(text == "old", "who has it open keeps it");
    ensure!(s3.get(BUCKET, "second").await? == "old", "the other name keeps it");
    ensure!(s3.get(BUCKET, "first").await? == "new");
    s3.delete(BUCKET, "second").await?;
    until_gone(&mount.path("second")).await?;
    ensure!(open.metadata()?.len() == 3, "open without a name");
    // S3 knows no symbolic links.
    symlink("first", mount.path("link"))?;
    ensure!(s3.list_all(BUCKET, "").await? == ["first"]);
    ensure!(s3.get(BUCKET, "link").await.is_err_and(|error| error.is_not_found()));
    fs::remove_file(mount.path("link"))?;
    fs::remove_file(mount.path("first"))?;
    Ok(())
}
