//! `holdfast fsck`: is what the metadata says true, on every metaserver and on every disk? And is what lies on the disks
//! known to the metadata?
//!
//! First every metaserver checks its own copy of the whole state; copies at the same log index must be the same. Then
//! the chunks of every placement group are compared with what each member disk lists, and every record that a disk lists
//! with what metadata knows; with `--deep` every copy is read back from its disk.
//!
//! What always holds:
//! - Nothing counts that was seen once: whatever looks wrong is judged by the leader, from the state and by asking the
//!   disk again. So chunks may be written, moved and deleted meanwhile.
//! - Without `--repair` fsck changes nothing; but disks report damage that they read by themselves, so reading them
//!   (`--deep`) may have copies repaired. With it, the leader changes what it found to be so itself: copies are copied
//!   anew by ordinary repair, records go by the rules of its own sweep (`metaserver/src/leader/crosscheck.rs`).
//! - Memory follows pages, not the size of the cluster: lists of chunks and records are walked side by side.

mod compare;
mod files;
mod judge;
mod members;
mod metadata;
mod pace;
mod repair;
mod report;
mod strangers;
mod walk;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use holdfast_proto::ids::NodeId;
use holdfast_proto::map::{Disk, MapReply, Standing};
use holdfast_proto::op::DiskRef;
use holdfast_rpc::Endpoint;
use holdfast_support::config::{Period, Size};
use parking_lot::Mutex;

use crate::admin::whole_map;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::progress::Progress;
use crate::remote::Remote;
use pace::Pace;
use repair::Followed;
use report::{Report, Tally};

/// Problems that are shown when nothing else is said.
const PROBLEMS: usize = 100;
/// For how long what was handed to repair is waited for when nothing else is said.
const WAIT: Duration = Duration::from_secs(600);

#[derive(Args, Debug)]
pub(crate) struct FsckArgs {
    /// Read every byte of every copy back from the disks, which report damage to repair by themselves
    #[arg(long)]
    deep: bool,

    /// With --deep: bytes per second that each disk is made to read, such as 50MiB; 0: as fast as it goes
    #[arg(long, requires = "deep", value_name = "SIZE", default_value = "0")]
    rate: Size,

    /// Only the metadata
    #[arg(long, conflicts_with_all = ["deep", "repair", "pg"])]
    metadata_only: bool,

    /// Have bad copies copied anew and records collected that nothing refers to, and wait until all is whole
    #[arg(long)]
    repair: bool,

    /// With --repair: change nothing, say what would be done
    #[arg(long, requires = "repair")]
    dry_run: bool,

    /// With --repair: for how long to wait for copies at most, such as 30m; 0: not at all [default: 10m]
    #[arg(long, requires = "repair", value_name = "TIME", value_parser = parse_wait)]
    wait: Option<Wait>,

    /// Show up to so many problems and single records that metadata does not know [default: 100 problems, no records]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    list: Option<u32>,

    /// Only this placement group; may be given again
    #[arg(long, value_name = "GROUP")]
    pg: Vec<u32>,

    /// Groups looked at side by side
    #[arg(long, short, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
}

/// A time to wait, none included.
#[derive(Clone, Copy, Debug)]
struct Wait(Duration);

fn parse_wait(text: &str) -> Result<Wait, String> {
    match text {
        "0" => Ok(Wait(Duration::ZERO)),
        text => Ok(Wait(text.parse::<Period>()?.0)),
    }
}

/// One run over chunks and records.
struct Checker<'a> {
    remote: &'a Remote,
    args: &'a FsckArgs,
    map: MapReply,
    /// Where disks are, removed ones included.
    disks: BTreeMap<u32, (Disk, Endpoint)>,
    progress: Progress,
    /// Of reading back.
    pace: Pace,
    /// What is found is put right at once.
    act: bool,
    total: Mutex<Tally>,
    /// Copies handed to repair.
    followed: Mutex<Followed>,
    /// Disks that did not answer, and why: they are asked once.
    silent: Mutex<BTreeMap<u32, String>>,
    /// Deleting is turned off, as the leader says.
    collection_off: Mutex<bool>,
}

impl<'a> Checker<'a> {
    fn new(remote: &'a Remote, args: &'a FsckArgs, map: MapReply, progress: Progress, act: bool) -> Self {
        let at = |disk: &Disk| {
            let node = map.nodes.iter().find(|node| node.id == disk.node)?;
            let endpoint = Endpoint { node: NodeId(node.id), address: node.address.clone() };
            Some((disk.id, (disk.clone(), endpoint)))
        };
        let disks: BTreeMap<u32, (Disk, Endpoint)> = map.disks.iter().filter_map(at).collect();
        let mut total = bounded(args);
        for (id, (disk, _)) in &disks {
            if disk.standing() != Standing::Removed {
                total.disk(*id).node = disk.node;
            }
        }
        Self {
            remote,
            args,
            disks,
            map,
            progress,
            pace: Pace::new(args.rate.0),
            act,
            total: Mutex::new(total),
            followed: Mutex::default(),
            silent: Mutex::default(),
            collection_off: Mutex::default(),
        }
    }

    /// An empty count with the bounds of this run.
    fn tally(&self) -> Tally {
        self.total.lock().fresh()
    }

    /// Where the node of a disk listens; an error says that the disk is not in the map as that life.
    fn endpoint(&self, disk: DiskRef) -> Outcome<&Endpoint> {
        match self.disks.get(&disk.disk) {
            Some((known, at)) if known.incarnation == disk.incarnation => Ok(at),
            Some(_) => Err(Failure::failed("the disk was replaced by an empty one")),
            None => Err(Failure::failed("the disk's node is not in the map")),
        }
    }
}

pub(crate) async fn run(remote: &Remote, args: &FsckArgs, output: Output, quiet: bool) -> Outcome<()> {
    let progress = Progress::new(output, quiet);
    progress.say("metadata");
    let mut tally = bounded(args);
    let meta = Box::pin(metadata::check(remote, &mut tally)).await?;
    let mut mending = None;
    if !args.metadata_only {
        let map = whole_map(remote).await?;
        known_groups(&map, &args.pg)?;
        let act = args.repair && !args.dry_run && meta.in_doubt.is_none();
        let checker = Checker::new(remote, args, map, progress.clone(), act);
        Box::pin(walk::groups(&checker)).await?;
        Box::pin(strangers::disks(&checker)).await?;
        if args.repair {
            let wait = args.wait.map_or(WAIT, |wait| wait.0);
            mending = Some(Box::pin(repair::finish(&checker, wait, meta.in_doubt.as_deref())).await?);
        }
        tally.absorb(checker.total.into_inner());
    }
    progress.finish();
    let report = Report::new(meta.servers, meta.compared, tally, mending, args.metadata_only);
    report.show(output)?;
    verdict(report.problems())
}

/// An empty count that keeps as many single things as are to be listed.
fn bounded(args: &FsckArgs) -> Tally {
    let asked = args.list.map(|count| count as usize);
    Tally::new(asked.unwrap_or(PROBLEMS), asked.unwrap_or(0))
}

/// A group that is not there would only look clean.
fn known_groups(map: &MapReply, asked: &[u32]) -> Outcome<()> {
    match asked.iter().find(|id| !map.pgs.iter().any(|pg| pg.id == **id)) {
        Some(id) => Err(Failure::not_found(format!("there is no group pg{id}; see `holdfast admin pgs`"))),
        None => Ok(()),
    }
}

fn verdict((found, left): (u64, u64)) -> Outcome<()> {
    match (found, left) {
        (0, _) => Ok(()),
        (found, 0) => {
            Err(Failure::new(Exit::Repaired, format!("fsck found {found} problems, all of them repaired")))
        }
        (found, left) if found == left => {
            Err(Failure::new(Exit::Failed, format!("fsck found {found} problems")))
        }
        (found, left) => {
            Err(Failure::new(Exit::Failed, format!("fsck found {found} problems, {left} of them are left")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_tells_repaired_from_left() {
        assert!(verdict((0, 0)).is_ok());
        assert_eq!(verdict((3, 0)).unwrap_err().exit, Exit::Repaired);
        assert_eq!(verdict((3, 3)).unwrap_err().exit, Exit::Failed);
        let some = verdict((3, 1)).unwrap_err();
        assert_eq!(
            (some.exit, some.message.as_str()),
            (Exit::Failed, "fsck found 3 problems, 1 of them are left")
        );
    }

    #[test]
    fn waits_are_read() {
        assert_eq!(parse_wait("0").unwrap().0, Duration::ZERO);
        assert_eq!(parse_wait("2m").unwrap().0, Duration::from_secs(120));
        assert!(parse_wait("soon").is_err());
    }
}
