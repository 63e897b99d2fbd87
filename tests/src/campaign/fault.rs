//! What can go wrong: the catalogue, and which of it a scenario may combine.

use anyhow::Result;

use super::bed::Bed;
use super::dice::Dice;
use super::wound::Wound;
use super::{clocks, disks, flips, networks, operations, processes, upkeep};

/// A kind of fault. Whom it hits and for how long is up to the dice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// kill -9 of the metadata leader, several times.
    KillLeader,
    /// kill -9 of another node.
    KillNode,
    /// kill -9 of a mount while applications write through it.
    KillMount,
    /// kill -9 of everything at once.
    KillAll,
    /// The leader stands still for 10 s and wakes up.
    PauseLeader,
    /// Another node stands still.
    PauseNode,
    /// A random node is killed every 2 s.
    CrashLoop,
    /// All nodes are restarted in turn, in order.
    RollingRestart,
    /// Leadership is handed over again and again.
    LeaderFlaps,
    /// One node loses power.
    PowerLossNode,
    /// All nodes lose power at once.
    PowerLossAll,
    /// One node loses power, and what it wrote last is torn.
    TornWrites,
    /// One bit in many records of one node is flipped while it runs.
    FlipBits,
    /// Bits flip on as many members of a group as its class bears.
    FlipToLimit,
    /// Every call on one disk fails; later the same disk is back.
    DiskDies,
    /// A disk is gone for good; later an empty one takes its place.
    DiskLost,
    /// Two disks of a node trade places.
    DisksSwapped,
    /// A disk is full.
    DiskFull,
    /// The file system with one node's metadata is full.
    MetaFull,
    /// One disk hangs.
    DiskHangs,
    /// Every disk of a node is slow: 50 requests and 1 MiB per second.
    SlowDisk,
    /// A sync of a node that does not lead fails once.
    SyncFails,
    /// Some reads from the disks of a node fail.
    ReadsFail,
    /// Nobody hears the leader, nor does it hear anybody.
    IsolateLeader,
    /// The leader sends, and receives nothing.
    LeaderDeaf,
    /// The leader receives, and nothing it sends arrives.
    LeaderMute,
    /// The leader and another node do not hear each other.
    CutPair,
    /// A node loses packets, one in twenty.
    LossyLink,
    /// Every packet from or to a node takes 50 ms more.
    LateLink,
    /// A node has 1 Mbit/s.
    SlowLink,
    /// A node's link goes down and comes up every second.
    FlappingLink,
    /// A node's connections are reset.
    Resets,
    /// A node's wall clock jumps by an hour and a day, forwards and back.
    WallClock,
    /// A node's clocks run at twice their speed.
    FastClock,
    /// A node is away for so long that it needs a snapshot; it is killed while it gets it.
    Snapshot,
    /// A node is lost with all it had; another machine takes its place.
    NodeReplaced,
    /// Nodes are killed while a disk is drained and filled again.
    CrashInDrain,
    /// Nodes are killed while disks are evened out.
    CrashInBalance,
    /// Nodes are killed while a bucket changes its class and back.
    CrashInClassChange,
    /// Nodes are killed while they compact segments.
    CrashInCompaction,
}

impl Fault {
    /// Every one, in the order of the table.
    pub const ALL: &[Self] = &[
        Self::KillLeader,
        Self::KillNode,
        Self::KillMount,
        Self::KillAll,
        Self::PauseLeader,
        Self::PauseNode,
        Self::CrashLoop,
        Self::RollingRestart,
        Self::LeaderFlaps,
        Self::PowerLossNode,
        Self::PowerLossAll,
        Self::TornWrites,
        Self::FlipBits,
        Self::FlipToLimit,
        Self::DiskDies,
        Self::DiskLost,
        Self::DisksSwapped,
        Self::DiskFull,
        Self::MetaFull,
        Self::DiskHangs,
        Self::SlowDisk,
        Self::SyncFails,
        Self::ReadsFail,
        Self::IsolateLeader,
        Self::LeaderDeaf,
        Self::LeaderMute,
        Self::CutPair,
        Self::LossyLink,
        Self::LateLink,
        Self::SlowLink,
        Self::FlappingLink,
        Self::Resets,
        Self::WallClock,
        Self::FastClock,
        Self::Snapshot,
        Self::NodeReplaced,
        Self::CrashInDrain,
        Self::CrashInBalance,
        Self::CrashInClassChange,
        Self::CrashInCompaction,
    ];

    /// Its name on the command line and in the table.
    pub fn name(self) -> String {
        let mut name = String::new();
        for (at, letter) in format!("{self:?}").char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                name.push('-');
            }
            name.push(letter.to_ascii_lowercase());
        }
        name
    }

    /// The fault of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fault| fault.name() == name)
    }

    /// Whether data is destroyed on some node: two of these at once may be more than the classes bear.
    pub fn destroys(self) -> bool {
        matches!(
            self,
            Self::TornWrites
                | Self::FlipBits
                | Self::FlipToLimit
                | Self::DiskDies
                | Self::DiskLost
                | Self::SyncFails
                | Self::ReadsFail
                | Self::NodeReplaced
        )
    }

    /// Whether it does its own work from beginning to end and needs the rest of the cluster for it.
    pub fn is_operation(self) -> bool {
        matches!(
            self,
            Self::DisksSwapped
                | Self::DiskLost
                | Self::NodeReplaced
                | Self::Snapshot
                | Self::CrashInDrain
                | Self::CrashInBalance
                | Self::CrashInClassChange
                | Self::CrashInCompaction
                | Self::RollingRestart
        )
    }

    /// Whether all nodes are down at once, so that nobody can be served meanwhile.
    pub fn stops_everything(self) -> bool {
        matches!(self, Self::KillAll | Self::PowerLossAll)
    }

    /// Whether it cuts a node off until it is undone: that one cannot be seen to start.
    fn cuts_off(self) -> bool {
        matches!(self, Self::IsolateLeader | Self::LeaderDeaf | Self::LeaderMute)
    }

    /// Whether one node's clock is wrong: its gateway then refuses every signature, as it should.
    pub fn is_clock(self) -> bool {
        matches!(self, Self::WallClock | Self::FastClock)
    }

    /// Whether records are damaged that nobody may read for long: only a scrub finds all of them.
    pub fn needs_scrub(self) -> bool {
        matches!(self, Self::FlipBits | Self::FlipToLimit | Self::TornWrites)
    }

    /// Whether it lasts long enough, and matters enough, for the cluster to have to say so while it lasts.
    pub fn is_reported(self) -> bool {
        matches!(
            self,
            Self::KillNode
                | Self::PauseNode
                | Self::DiskDies
                | Self::DiskLost
                | Self::DiskFull
                | Self::MetaFull
                | Self::DiskHangs
                | Self::SlowDisk
                | Self::SyncFails
                | Self::ReadsFail
                | Self::IsolateLeader
        )
    }

    /// Why this machine cannot have it, if it cannot.
    pub fn missing(self) -> Option<String> {
        match self {
            Self::SlowDisk => disks::cannot_be_slow(),
            Self::SyncFails | Self::ReadsFail => disks::cannot_fail(),
            Self::SlowLink => crate::skip::missing_for_root_with(&["tc"]),
            Self::DiskHangs => crate::skip::missing_for_root_with(&["fsfreeze"]),
            _ if self.is_clock() && clocks::library().is_none() => Some("needs libfaketime".to_owned()),
            _ => None,
        }
    }

    /// Whether the two make a scenario together: what one needs, the other leaves.
    pub fn goes_with(self, other: Self) -> bool {
        self != other
            && !(self.destroys() && other.destroys())
            && !(self.is_operation() || other.is_operation())
            && !(self.stops_everything() && (other.stops_everything() || other.cuts_off()))
            && !(self.cuts_off() && other.stops_everything())
    }

    /// Does it. What was done is undone by [`Wound::heal`].
    pub(super) async fn inject(self, bed: &mut Bed, dice: &mut Dice) -> Result<Wound> {
        match self {
            Self::KillLeader => processes::kill_leader(bed, dice).await,
            Self::KillNode => processes::kill_node(bed, dice).await,
            Self::KillMount => processes::kill_mount(bed).await,
            Self::KillAll => processes::kill_all(bed).await,
            Self::PauseLeader => processes::pause(bed, dice, true).await,
            Self::PauseNode => processes::pause(bed, dice, false).await,
            Self::CrashLoop => processes::crash_loop(bed, dice).await,
            Self::RollingRestart => processes::rolling_restart(bed).await,
            Self::LeaderFlaps => processes::leader_flaps(bed, dice).await,
            Self::PowerLossNode => disks::power_loss_node(bed, dice, false).await,
            Self::PowerLossAll => disks::power_loss_all(bed).await,
            Self::TornWrites => disks::power_loss_node(bed, dice, true).await,
            Self::FlipBits => flips::one_node(bed, dice).await,
            Self::FlipToLimit => flips::to_the_limit(bed, dice).await,
            Self::DiskDies => disks::die(bed, dice).await,
            Self::DiskLost => disks::lose(bed, dice).await,
            Self::DisksSwapped => disks::swap(bed, dice).await,
            Self::DiskFull => disks::fill(bed, dice).await,
            Self::MetaFull => disks::fill_metadata(bed, dice).await,
            Self::DiskHangs => disks::hang(bed, dice).await,
            Self::SlowDisk => disks::slow(bed, dice).await,
            Self::SyncFails => disks::failing_calls(bed, dice, disks::Call::Sync).await,
            Self::ReadsFail => disks::failing_calls(bed, dice, disks::Call::Read).await,
            Self::IsolateLeader => networks::leader_loses(bed, dice, networks::Loses::Both).await,
            Self::LeaderDeaf => networks::leader_loses(bed, dice, networks::Loses::In).await,
            Self::LeaderMute => networks::leader_loses(bed, dice, networks::Loses::Out).await,
            Self::CutPair => networks::cut_pair(bed, dice).await,
            Self::LossyLink => networks::lossy(bed, dice).await,
            Self::LateLink => networks::late(bed, dice).await,
            Self::SlowLink => networks::slow(bed, dice).await,
            Self::FlappingLink => networks::flapping(bed, dice).await,
            Self::Resets => networks::resets(bed, dice).await,
            Self::WallClock => clocks::wall(bed, dice).await,
            Self::FastClock => clocks::fast(bed, dice).await,
            Self::Snapshot => operations::snapshot(bed, dice).await,
            Self::NodeReplaced => operations::replace_node(bed).await,
            Self::CrashInDrain => upkeep::crash_in_drain(bed, dice).await,
            Self::CrashInBalance => upkeep::crash_in_balance(bed, dice).await,
            Self::CrashInClassChange => upkeep::crash_in_class_change(bed, dice).await,
            Self::CrashInCompaction => upkeep::crash_in_compaction(bed, dice).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_by_its_name() {
        for fault in Fault::ALL {
            assert_eq!(Fault::of(&fault.name()), Some(*fault));
        }
        assert_eq!(Fault::KillLeader.name(), "kill-leader");
        assert_eq!(Fault::of("nonsense"), None);
    }

    #[test]
    fn pairs_destroy_at_most_once() {
        for one in Fault::ALL {
            for other in Fault::ALL.iter().filter(|other| one.goes_with(**other)) {
                assert!(!(one.destroys() && other.destroys()), "{one:?} and {other:?}");
                assert!(other.goes_with(*one));
            }
        }
        assert!(!Fault::KillNode.goes_with(Fault::KillNode));
    }
}
