//! Evening out how full disks are: what an administrator or the leader makes of the one run there is.
//!
//! What moves is not written down here: it follows from the map (members with [`crate::map::Member::takes`]) and from
//! how full disks are, so a new leader goes on with what it finds.

/// What the run is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum BalanceState {
    /// There is none; what is recorded is the last one.
    Idle = 0,
    /// Moves are begun and filled.
    Running = 1,
    /// None is begun, and those begun are not filled.
    Paused = 2,
    /// Those begun are given up; then it is idle.
    Cancelling = 3,
}

/// The run there is, or the last one.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Balance {
    /// Its number: the log index of its start; 0: there never was one.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// What it is at.
    #[prost(enumeration = "BalanceState", tag = "2")]
    pub state: i32,
    /// The leader started it, because disks differed by more than the threshold.
    #[prost(bool, tag = "3")]
    pub automatic: bool,
    /// State time of its start, nanoseconds.
    #[prost(int64, tag = "4")]
    pub began_ns: i64,
    /// State time of the last change of its state, nanoseconds.
    #[prost(int64, tag = "5")]
    pub changed_ns: i64,
    /// Members that reached their new disks.
    #[prost(uint64, tag = "6")]
    pub moves: u64,
    /// Their bytes.
    #[prost(uint64, tag = "7")]
    pub bytes: u64,
    /// Bytes that were to be moved when it started.
    #[prost(uint64, tag = "8")]
    pub planned_bytes: u64,
    /// How it ended, for people.
    #[prost(string, tag = "9")]
    pub outcome: String,
}

/// What to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum BalanceAction {
    /// Begin one; refused while there is one.
    Start = 0,
    /// Let it rest.
    Pause = 1,
    /// Go on with one that rests.
    Resume = 2,
    /// Give up what is not done.
    Cancel = 3,
    /// The leader: nothing is left to do.
    Finish = 4,
    /// The leader: count what was moved.
    Count = 5,
}

/// See [`super::Op::SteerBalance`].
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct SteerBalance {
    /// What to do.
    #[prost(enumeration = "BalanceAction", tag = "1")]
    pub action: i32,
    /// Only if this is the run's number; 0: whichever there is.
    #[prost(uint64, tag = "2")]
    pub number: u64,
    /// With `Start`: by the leader itself.
    #[prost(bool, tag = "3")]
    pub automatic: bool,
    /// With `Start`: bytes to be moved.
    #[prost(uint64, tag = "4")]
    pub planned_bytes: u64,
    /// With `Count`: members that reached their new disks since the last time.
    #[prost(uint64, tag = "5")]
    pub moves: u64,
    /// With `Count`: their bytes.
    #[prost(uint64, tag = "6")]
    pub bytes: u64,
    /// With `Finish`: how it ended.
    #[prost(string, tag = "7")]
    pub outcome: String,
}
