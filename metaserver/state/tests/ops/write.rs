//! Writes, truncation, range copies, compaction; freeing in steps.

use holdfast_proto::inode::{Extent, FileKind, Inode};
use holdfast_proto::op::*;
use holdfast_proto::query::{GetExtents, ListFragmented, Query};
use holdfast_proto::status::Code;

use crate::common::{World, create, delete_objects, inline, inline_piece, piece, put_object, whole};

fn file(world: &mut World) -> Inode {
    let root = world.bucket();
    world.ok(create(root, "f", FileKind::File)).inode.unwrap()
}

fn write(world: &mut World, ino: u64, offset: u64, bytes: &[u8]) -> Reply {
    let commit = world.chunk(bytes);
    let pieces = vec![piece(offset, bytes.len() as u64, Some(whole(&commit, 0)))];
    world.ok(Op::Write(Write { ino, chunks: vec![commit], pieces, ..Write::default() }))
}

fn write_inline(ino: u64, pieces: Vec<Piece>) -> Op {
    Op::Write(Write { ino, pieces, ..Write::default() })
}

#[test]
fn overlapping_writes_cut_and_split() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    write(&mut world, ino, 0, &[b'a'; 100]);
    write(&mut world, ino, 30, &[b'b'; 20]);
    let inode = write(&mut world, ino, 90, &[b'c'; 20]).inode.unwrap();
    assert_eq!((inode.size, inode.extent_count, inode.allocated), (110, 4, 110));
    let mut expected = vec![b'a'; 110];
    expected[30..50].fill(b'b');
    expected[90..110].fill(b'c');
    assert_eq!(world.read_inode(ino), expected);
    write(&mut world, ino, 0, &[b'd'; 110]);
    assert_eq!(world.garbage().len(), 3);
}

#[test]
fn many_extents_spill_into_records_and_come_back() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    let mut expected = vec![0; 1000];
    for n in 0..50u64 {
        let inode = write(&mut world, ino, n * 20, &[n as u8 + 1; 10]).inode.unwrap();
        assert_eq!(inode.extents.is_empty(), n >= 4);
        expected[n as usize * 20..n as usize * 20 + 10].fill(n as u8 + 1);
    }
    expected.truncate(990);
    assert_eq!(world.read_inode(ino), expected);
    let page = world.ask(Query::GetExtents(GetExtents { ino, offset: 25, end: 65, if_version: 0 }));
    assert_eq!(page.extents.iter().map(|e| e.offset).collect::<Vec<_>>(), [20, 40, 60]);
    let page = world.ask(Query::GetExtents(GetExtents { ino, offset: 35, end: 41, if_version: 0 }));
    assert_eq!(page.extents.iter().map(|e| e.offset).collect::<Vec<_>>(), [40]);
    world.ok(Op::SetAttr(SetAttr { ino, size: Some(45), ..SetAttr::default() }));
    expected.truncate(45);
    assert_eq!(world.read_inode(ino), expected);
    let inode = world.object("f").unwrap();
    assert_eq!((inode.extents.len(), inode.extent_count), (3, 3));
}

#[test]
fn holes_read_as_zeros() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    write(&mut world, ino, 0, &[1; 50]);
    world.ok(Op::Write(Write {
        ino,
        pieces: vec![piece(10, 10, None)],
        keep_size: true,
        ..Write::default()
    }));
    world.ok(Op::Write(Write {
        ino,
        pieces: vec![piece(45, 100, None)],
        keep_size: true,
        ..Write::default()
    }));
    let mut expected = vec![1; 50];
    expected[10..20].fill(0);
    expected[45..].fill(0);
    assert_eq!(world.read_inode(ino), expected);
    world.ok(Op::Write(Write { ino, pieces: vec![piece(45, 100, None)], ..Write::default() }));
    expected.resize(145, 0);
    assert_eq!(world.read_inode(ino), expected);
    world.ok(Op::SetAttr(SetAttr { ino, size: Some(200), ..SetAttr::default() }));
    assert_eq!(world.read_inode(ino).len(), 200);
}

#[test]
fn appends_land_at_the_end_whatever_it_is() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    for n in 0..3u8 {
        let commit = world.chunk(&[n; 10]);
        let pieces = vec![piece(0, 10, Some(whole(&commit, 0)))];
        let op = Write { ino, chunks: vec![commit], pieces, append: true, ..Write::default() };
        assert_eq!(world.ok(Op::Write(op)).offset, u64::from(n) * 10);
    }
    let small = Write { ino, pieces: vec![inline_piece(0, b"tail")], append: true, ..Write::default() };
    assert_eq!(world.ok(Op::Write(small)).offset, 30);
    let bytes = world.read_inode(ino);
    assert_eq!((bytes.len(), &bytes[30..]), (34, &b"tail"[..]));
}

#[test]
fn small_files_stay_inline_under_small_writes() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    world.ok(write_inline(ino, vec![inline_piece(0, b"hello")]));
    let inode =
        world.ok(write_inline(ino, vec![inline_piece(7, b"world"), inline_piece(0, b"J")])).inode.unwrap();
    assert!(inode.inline);
    assert_eq!(world.read_inode(ino), b"Jello\0\0world");
    let op = Write { ino, pieces: vec![inline_piece(0, b"!")], append: true, ..Write::default() };
    assert_eq!(world.ok(Op::Write(op)).offset, 12);
    world.ok(Op::Write(Write { ino, pieces: vec![piece(1, 4, None)], keep_size: true, ..Write::default() }));
    assert_eq!(world.read_inode(ino), b"J\0\0\0\0\0\0world!");
    world.ok(Op::SetAttr(SetAttr { ino, size: Some(3), ..SetAttr::default() }));
    assert_eq!(world.read_inode(ino), b"J\0\0");
    world.ok(Op::Write(Write { ino, replace_inline: Some("new".into()), ..Write::default() }));
    assert_eq!(world.read_inode(ino), b"new");
    world.ok(Op::SetAttr(SetAttr { ino, size: Some(0), ..SetAttr::default() }));
    assert!(!world.object("f").unwrap().inline);
}

#[test]
fn an_inline_file_that_grows_keeps_its_bytes() {
    let mut world = World::new();
    let ino = world.put_text("f", "0123456789").ino;
    let inode = write(&mut world, ino, 5000, b"far").inode.unwrap();
    assert!(!inode.inline);
    let bytes = world.read_inode(ino);
    assert_eq!((&bytes[..10], &bytes[5000..]), (&b"0123456789"[..], &b"far"[..]));
    // A write that covers the old bytes leaves no inline extent.
    let ino = world.put_text("g", "0123456789").ino;
    let inode = write(&mut world, ino, 0, &[7; 9000]).inode.unwrap();
    assert_eq!((inode.inline_extents, inode.extent_count), (0, 1));
    // An append by another client, without the old bytes, works as well.
    let ino = world.put_text("h", "0123456789").ino;
    let commit = world.chunk(&[8; 9000]);
    let pieces = vec![piece(0, 9000, Some(whole(&commit, 0)))];
    world.ok(Op::Write(Write { ino, chunks: vec![commit], pieces, append: true, ..Write::default() }));
    let bytes = world.read_inode(ino);
    assert_eq!((&bytes[..10], bytes[10], bytes.len()), (&b"0123456789"[..], 8, 9010));
    world.refused(
        Op::Write(Write { ino, replace_inline: Some("x".into()), ..Write::default() }),
        Code::PreconditionFailed,
    );
}

#[test]
fn inline_extents_are_joined_and_bounded() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    write(&mut world, ino, 0, &[9; 5000]);
    for _ in 0..20 {
        let op = Write { ino, pieces: vec![inline_piece(0, &[1; 100])], append: true, ..Write::default() };
        world.ok(Op::Write(op));
    }
    assert_eq!(world.object("f").unwrap().inline_extents, 1);
    for n in 0..63 {
        world.ok(write_inline(ino, vec![inline_piece(100_000 + n * 10, b"x")]));
    }
    world.refused(write_inline(ino, vec![inline_piece(200_000, b"x")]), Code::TooLarge);
    assert_eq!(world.object("f").unwrap().inline_extents, 64);
    world.ok(delete_objects(&["f"]));
    assert_eq!(world.totals().inodes, 3);
}

/// Who has brought chunks cannot do better, whatever lies where they go.
#[test]
fn cutting_inline_extents_in_two_is_never_refused() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    write(&mut world, ino, 0, &[9; 5000]);
    for n in 0..64 {
        world.ok(write_inline(ino, vec![inline_piece(100_000 + n * 100, &[n as u8; 30])]));
    }
    let inode = write(&mut world, ino, 100_010, b"amid").inode.unwrap();
    assert_eq!(inode.inline_extents, 65);
    let inode = write(&mut world, ino, 100_110, b"amid").inode.unwrap();
    assert_eq!(inode.inline_extents, 66);
    let punch = piece(100_210, 5, None);
    assert_eq!(world.ok(write_inline(ino, vec![punch])).inode.unwrap().inline_extents, 67);
    // Bytes of their own are.
    world.refused(write_inline(ino, vec![inline_piece(200_000, b"x")]), Code::TooLarge);
    let bytes = world.read_inode(ino);
    assert_eq!((&bytes[100_008..100_016], bytes[100_113]), (&b"\0\0amid\0\0"[..], b'd'));
    // And fewer are always welcome.
    assert_eq!(write(&mut world, ino, 100_000, &[5; 6000]).inode.unwrap().inline_extents, 4);
}

#[test]
fn writes_can_be_conditional_and_bad_ones_are_refused() {
    let mut world = World::new();
    let inode = file(&mut world);
    let ino = inode.ino;
    let if_version = inode.version;
    let op = |if_version| {
        Op::Write(Write { ino, pieces: vec![inline_piece(0, b"x")], if_version, ..Write::default() })
    };
    world.ok(op(if_version));
    world.refused(op(if_version), Code::PreconditionFailed);
    let root = world.bucket();
    world.refused(write_inline(root, vec![inline_piece(0, b"x")]), Code::IsADirectory);
    world.refused(write_inline(ino, vec![piece(0, 0, None)]), Code::InvalidArgument);
    world.refused(write_inline(ino, vec![piece(u64::MAX, u64::MAX, None)]), Code::TooLarge);
    world.refused(write_inline(ino, vec![inline_piece(1 << 62, b"x")]), Code::TooLarge);
    let long = Extent { inline: Some(vec![0; 5000].into()), ..Extent::default() };
    world.refused(write_inline(ino, vec![piece(10_000, 5000, Some(long))]), Code::InvalidArgument);
    let wrong = Extent { inline: Some("ab".into()), ..Extent::default() };
    world.refused(write_inline(ino, vec![piece(0, 3, Some(wrong))]), Code::InvalidArgument);
    world.refused(Op::SetAttr(SetAttr { ino, size: Some(u64::MAX), ..SetAttr::default() }), Code::TooLarge);
}

#[test]
fn ranges_are_copied_by_reference() {
    let mut world = World::new();
    let content = world.content(&[b"0123456789", b"abcdefghij"]);
    world.put("a", content);
    world.put_text("b", "XXXXXXXXXXXXXXXXXXXXXXXXXXXXXX");
    let (a, b) = (world.object("a").unwrap().ino, world.object("b").unwrap().ino);
    let copy = |source, source_offset, target, target_offset, length| {
        Op::CopyRange(CopyRange { source, source_offset, target, target_offset, length })
    };
    assert_eq!(world.ok(copy(a, 5, b, 2, 10)).progress, 10);
    assert_eq!(world.read_inode(b), b"XX56789abcdeXXXXXXXXXXXXXXXXXX");
    assert_eq!(world.ok(copy(a, 15, b, 28, 100)).progress, 5);
    assert_eq!(world.read_inode(b), b"XX56789abcdeXXXXXXXXXXXXXXXXfghij");
    world.ok(copy(a, 0, a, 15, 10));
    assert_eq!(world.read_inode(a), b"0123456789abcde0123456789");
    world.refused(copy(a, 0, a, 5, 10), Code::InvalidArgument);
    assert_eq!(world.ok(copy(a, 100, b, 0, 10)).progress, 0);
    world.put_text("c", "tiny");
    let c = world.object("c").unwrap().ino;
    world.ok(copy(c, 1, a, 0, 2));
    assert_eq!(&world.read_inode(a)[..4], b"in23");
    world.ok(delete_objects(&["a", "b"]));
    assert_eq!(world.garbage().len(), 2);
}

#[test]
fn compaction_keeps_the_version() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    for n in 0..10 {
        write(&mut world, ino, n * 10, &[n as u8; 10]);
    }
    let before = world.read_inode(ino);
    let version = world.object("f").unwrap().version;
    let expected = world.extents(ino);
    let commit = world.chunk(&before);
    let pieces = vec![piece(0, 100, Some(whole(&commit, 0)))];
    let op = Compact { ino, chunks: vec![commit], pieces, expected, ..Compact::default() };
    for (from, to) in [(0, 90), (0, 99), (10, 100)] {
        // Not the range of the extents that it names.
        let pieces = vec![piece(from, to - from, op.pieces[0].source.clone())];
        let op = Compact { pieces, ..op.clone() };
        world.refused(Op::Compact(op), Code::InvalidArgument);
    }
    let inode = world.ok(Op::Compact(op.clone())).inode.unwrap();
    assert_eq!((inode.version, inode.extent_count), (version, 1));
    assert_eq!(world.read_inode(ino), before);
    assert_eq!(world.garbage().len(), 10);
    world.refused(Op::Compact(op), Code::PreconditionFailed);
}

#[test]
fn compaction_is_not_disturbed_by_writes_beside_it() {
    let mut world = World::new();
    let ino = file(&mut world).ino;
    for n in 0..10 {
        write(&mut world, ino, n * 10, &[n as u8; 10]);
    }
    let expected = world.extents(ino)[2..8].to_vec();
    let commit = world.chunk(&world.read_inode(ino)[20..80]);
    let pieces = vec![piece(20, 60, Some(whole(&commit, 0)))];
    write(&mut world, ino, 100, b"appended");
    write(&mut world, ino, 0, b"overwritten");
    let before = world.read_inode(ino);
    let op = Compact { ino, chunks: vec![commit], pieces, expected, ..Compact::default() };
    world.ok(Op::Compact(op.clone()));
    assert_eq!(world.read_inode(ino), before);
    // The same bytes were brought once more, and meanwhile one of them is another.
    write(&mut world, ino, 50, b"x");
    let commit = world.chunk(&before[20..80]);
    let pieces = vec![piece(20, 60, Some(whole(&commit, 0)))];
    world.refused(Op::Compact(Compact { chunks: vec![commit], pieces, ..op }), Code::PreconditionFailed);
}

#[test]
fn files_of_very_many_extents_are_listed_until_they_are_settled_or_gone() {
    let mut world = World::new();
    world.checked = false;
    let ino = file(&mut world).ino;
    let listed = |world: &World, share, shares| {
        let ask = ListFragmented { after: 0, most: 10, share, shares, converting: false };
        world.ask(Query::ListFragmented(ask)).inos
    };
    for n in 0..64 {
        write(&mut world, ino, n * 10, &[1; 10]);
    }
    assert!(listed(&world, 0, 1).is_empty());
    world.checked = true;
    write(&mut world, ino, 640, b"one too many");
    assert_eq!(listed(&world, 0, 1), [ino]);
    assert_eq!([0, 1].map(|share| listed(&world, share, 2).len()).iter().sum::<usize>(), 1);
    let version = world.object("f").unwrap().version;
    let settled = |if_version| Op::Compact(Compact { ino, settled: true, if_version, ..Compact::default() });
    world.refused(settled(version - 1), Code::PreconditionFailed);
    world.ok(settled(version));
    assert!(listed(&world, 0, 1).is_empty());
    write(&mut world, ino, 700, b"again");
    assert_eq!(listed(&world, 0, 1), [ino]);
    world.ok(delete_objects(&["f"]));
    assert!(listed(&world, 0, 1).is_empty());
}

#[test]
fn large_files_are_freed_in_steps() {
    let mut world = World::new();
    world.checked = false;
    let ino = file(&mut world).ino;
    for n in 0..300 {
        write(&mut world, ino, n * 10, &[1; 10]);
    }
    world.checked = true;
    world.ok(delete_objects(&["f"]));
    assert!(world.garbage().is_empty());
    assert_eq!(holdfast_state::work::inodes_to_free(&world.table, 9).unwrap(), [ino]);
    let mut freed = Vec::new();
    loop {
        let progress = world.lead(Op::FreeStep(FreeStep { ino, most: 120 })).progress;
        if progress == 0 {
            break;
        }
        freed.push(progress);
    }
    assert_eq!(freed, [120, 120]);
    assert_eq!(world.garbage().len(), 300);
    assert_eq!((world.totals().chunks, world.totals().bytes), (0, 0));
    assert!(holdfast_state::work::inodes_to_free(&world.table, 9).unwrap().is_empty());
}

#[test]
fn a_cut_of_too_many_extents_is_refused_whole() {
    let mut world = World::new();
    world.checked = false;
    let ino = file(&mut world).ino;
    let pieces: Vec<Vec<u8>> = (0..600u32).map(|n| vec![n as u8; 3]).collect();
    for _ in 0..2 {
        let size = world.object("f").unwrap().size;
        let slices: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let content = world.content(&slices);
        let pieces = content.extents.iter().map(|e| piece(size + e.offset, 3, Some(e.clone()))).collect();
        world.ok(Op::Write(Write { ino, chunks: content.chunks, pieces, ..Write::default() }));
    }
    world.checked = true;
    let before = world.read_inode(ino);
    world.refused(Op::SetAttr(SetAttr { ino, size: Some(0), ..SetAttr::default() }), Code::NeedsSteps);
    assert_eq!(world.read_inode(ino), before);
    world.ok(Op::SetAttr(SetAttr { ino, size: Some(1500), ..SetAttr::default() }));
    world.ok(put_object("f", inline(b"")));
}
