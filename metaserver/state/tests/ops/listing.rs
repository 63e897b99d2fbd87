//! ListObjects in S3 order, with prefixes, delimiters and pages.

use holdfast_proto::inode::FileKind;

use crate::common::World;

fn filled() -> World {
    let mut world = World::new();
    for key in ["a", "a-b", "a/1", "a/2/x", "a/2/y", "a0", "b/1", "c", "c/d/e/f"] {
        world.put_text(key, key);
    }
    world
}

#[test]
fn keys_come_in_byte_order() {
    let world = filled();
    assert_eq!(world.list_all(), ["a", "a-b", "a/1", "a/2/x", "a/2/y", "a0", "b/1", "c", "c/d/e/f"]);
}

#[test]
fn the_slash_groups_by_directory() {
    let world = filled();
    assert_eq!(world.list("", "/", "", 100).0, ["a", "a-b", "a/*", "a0", "b/*", "c", "c/*"]);
    assert_eq!(world.list("a/", "/", "", 100).0, ["a/1", "a/2/*"]);
    assert_eq!(world.list("a/2", "/", "", 100).0, ["a/2/*"]);
    assert_eq!(world.list("a/2/", "/", "", 100).0, ["a/2/x", "a/2/y"]);
    assert_eq!(world.list("c/d/e", "/", "", 100).0, ["c/d/e/*"]);
}

#[test]
fn other_delimiters_group_by_text() {
    let world = filled();
    assert_eq!(
        world.list("", "b", "", 100).0,
        ["a", "a-b*", "a/1", "a/2/x", "a/2/y", "a0", "b*", "c", "c/d/e/f"]
    );
    assert_eq!(world.list("a", "/2", "", 100).0, ["a", "a-b", "a/1", "a/2*", "a0"]);
    assert_eq!(world.list("c", "e/", "", 100).0, ["c", "c/d/e/*"]);
}

#[test]
fn prefixes_cut_anywhere() {
    let world = filled();
    assert_eq!(world.list("a", "", "", 100).0, ["a", "a-b", "a/1", "a/2/x", "a/2/y", "a0"]);
    assert_eq!(world.list("a/", "", "", 100).0, ["a/1", "a/2/x", "a/2/y"]);
    assert_eq!(world.list("a/2", "", "", 100).0, ["a/2/x", "a/2/y"]);
    assert_eq!(world.list("c/d/", "", "", 100).0, ["c/d/e/f"]);
    assert!(world.list("x", "", "", 100).0.is_empty());
    assert!(world.list("a/3", "", "", 100).0.is_empty());
}

#[test]
fn pages_join_to_the_whole() {
    let world = filled();
    for delimiter in ["", "/", "b", "2/"] {
        for prefix in ["", "a", "a/", "c/"] {
            let whole = world.list(prefix, delimiter, "", 100).0;
            for most in 1..4 {
                let (mut found, mut after) = (Vec::new(), String::new());
                loop {
                    let (page, more) = world.list(prefix, delimiter, &after, most);
                    found.extend(page.iter().cloned());
                    if !more {
                        break;
                    }
                    after = page.last().unwrap().trim_end_matches('*').to_owned();
                }
                assert_eq!(found, whole, "prefix {prefix:?} delimiter {delimiter:?} most {most}");
            }
        }
    }
}

#[test]
fn after_may_be_any_text() {
    let world = filled();
    assert_eq!(world.list("", "", "a/2", 2).0, ["a/2/x", "a/2/y"]);
    assert_eq!(world.list("", "", "a/2/x", 2).0, ["a/2/y", "a0"]);
    assert_eq!(world.list("", "/", "a/", 2).0, ["a0", "b/*"]);
    assert_eq!(world.list("", "/", "a/2/x", 2).0, ["a0", "b/*"]);
    assert_eq!(world.list("b", "", "a", 9).0, ["b/1"]);
    assert!(world.list("b", "", "c", 9).0.is_empty());
}

#[test]
fn an_empty_directory_is_a_common_prefix_and_never_a_key() {
    let mut world = World::new();
    let root = world.bucket();
    let dir = world.create(root, "dir", FileKind::Directory).inode.unwrap();
    world.create(dir.ino, "sub", FileKind::Directory);
    world.create(root, "pipe", FileKind::Fifo);
    assert!(world.list_all().is_empty());
    assert_eq!(world.list("", "/", "", 9).0, ["dir/*"]);
    assert_eq!(world.list("dir/", "/", "", 9).0, ["dir/sub/*"]);
    world.put_text("dir/", "the object of that name");
    assert_eq!(world.list_all(), ["dir/"]);
    assert_eq!(world.list("dir/", "/", "", 9).0, ["dir/", "dir/sub/*"]);
}

#[test]
fn very_many_empty_directories_give_short_pages() {
    let mut world = World::new();
    world.checked = false;
    let root = world.bucket();
    for n in 0..21_000 {
        world.create(root, &format!("d{n:05}"), FileKind::Directory);
    }
    world.put_text("z", "z");
    let (mut found, mut after, mut pages) = (Vec::new(), bytes::Bytes::new(), 0);
    loop {
        let reply =
            world.ask(holdfast_proto::query::Query::ListObjects(holdfast_proto::query::ListObjects {
                bucket: crate::common::BUCKET.into(),
                after,
                most: 1000,
                ..Default::default()
            }));
        found.extend(reply.entries.into_iter().map(|entry| entry.key));
        pages += 1;
        after = reply.next;
        if !reply.more {
            break;
        }
    }
    assert_eq!(found, ["z"]);
    assert_eq!(pages, 2);
}
