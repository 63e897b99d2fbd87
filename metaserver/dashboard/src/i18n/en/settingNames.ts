// Every cluster setting: its title, what it does, what to expect of a change; and of some, a warning. By the server's
// name. A setting that is not here is shown with the server's own words.

export interface SettingText {
  title: string;
  meaning: string;
  /** What to expect when it is changed. */
  effect: string;
  /** What 0 means. */
  zero?: string;
  /** Of a choice: each word. */
  choices?: Record<string, { label: string; means: string }>;
  /** What is asked before a risky value is set. */
  risk?: string;
}

export const settingNames: Record<string, SettingText> = {
  audit_days: {
    title: "Keep the audit log",
    meaning: "How long entries of the audit log are kept. The days count while the cluster runs.",
    effect: "When shortened, older entries are dropped within the hour and cannot be brought back. Export them first.",
    risk: "Entries of the audit log that are older than this are dropped for good.",
  },
  auto_class_growth: {
    title: "More copies as nodes join",
    meaning: "Raises the copies of the default class by itself as nodes join: one on one node, two on two, three from three on.",
    effect: "When switched on with nodes to spare, copies are added in the background, which takes room and traffic.",
  },
  balance_auto: {
    title: "Balance automatically",
    meaning: "Evens out how full the disks are when they differ by more than the threshold.",
    effect: "When switched off, disks fill up unevenly until somebody starts balancing by hand.",
  },
  balance_bytes_per_second: {
    title: "Balancing rate per disk",
    meaning: "What balancing may move from or to one disk, beside the limit that holds for repair.",
    effect: "Takes effect on moves under way within seconds.",
    zero: "No limit of its own",
  },
  balance_parallel: {
    title: "Moves at once",
    meaning: "How many members of groups may be moved at the same time in the whole cluster; at most two from and two to one disk.",
    effect: "More of them balance faster and compete more with applications.",
  },
  balance_threshold_percent: {
    title: "Start balancing at",
    meaning: "The difference between the fullest and the emptiest disk at which balancing starts by itself.",
    effect: "A small value moves data often, a large one leaves disks uneven.",
  },
  compact_bytes_per_second: {
    title: "Compaction rate per disk",
    meaning: "What compaction may copy on each disk to free the space of deleted chunks.",
    effect: "A low rate frees space later; a high one competes with applications.",
  },
  down_ms: {
    title: "Counts as down after",
    meaning: "The silence after which a node counts as down: clients and repair stop waiting for it.",
    effect: "A short time reacts sooner, and takes more hiccups of the network for failures.",
    risk: "A time this short takes hiccups of the network or a busy machine for failures.",
  },
  gc_enabled: {
    title: "Delete what nothing refers to",
    meaning: "Deletes chunks that no file uses any more. Only off after a restore from a backup, until fsck is through.",
    effect: "While it is off, deleted files free no space.",
    risk: "While this is off, deleting files frees no space and disks fill up. If it is off because of a restore, switching it on before fsck is through may delete chunks that are still needed.",
  },
  grace_seconds: {
    title: "Wait before rebuilding",
    meaning: "How long a disk may be down before its data is rebuilt elsewhere. Counted while the cluster runs.",
    effect: "Holds for disks that are down now as well: a shorter time may begin rebuilding at once.",
    risk: "With a grace this short, a mere reboot sets off the rebuilding of whole disks.",
  },
  mass_failure_percent: {
    title: "Hold when so many disks vanish",
    meaning: "If more than this share of the disks vanishes within the grace, nothing is given up by itself: this looks like a network or power failure.",
    effect: "Holds at once. A higher value may release repair that is held now.",
    risk: "With a value this high, the failure of a switch or of a power line may set off the rebuilding of much of the cluster.",
  },
  pgs_per_disk: {
    title: "Placement groups per disk",
    meaning: "How many writable placement groups are kept for each disk. More of them spread data and repair more evenly.",
    effect: "Groups are made or sealed in the background; nothing is moved.",
  },
  read_policy: {
    title: "How reads of metadata are confirmed",
    meaning: "Before it answers, the leader makes sure that it still leads.",
    effect: "Takes effect at once for all clients.",
    choices: {
      quorum: { label: "Ask the majority", means: "Always right, whatever clocks do. Costs a round between the metadata servers, shared by many reads." },
      lease: { label: "Trust the lease", means: "Faster: a recent round counts. Relies on clocks that do not run at wildly different speeds." },
    },
    risk: "Under a lease, a metadata server whose clock or process stands still for long may answer with outdated names.",
  },
  repair_bytes_per_second: {
    title: "Repair rate per disk",
    meaning: "What repair and balancing together may copy from or to one disk.",
    effect: "Takes effect within seconds. A low limit spares applications, and leaves data at risk for longer.",
    zero: "No limit",
    risk: "At a rate this low, a failed disk stays unrepaired for days. A further failure in that time may lose data.",
  },
  repair_parallel_per_disk: {
    title: "Repairs at once per disk",
    meaning: "How many copies may be made to one disk at the same time.",
    effect: "More of them repair faster and slow the disk down for others.",
  },
  repair_parallel_total: {
    title: "Repairs at once in all",
    meaning: "How many copies may be made at the same time in the whole cluster.",
    effect: "More of them repair faster and load the network more.",
  },
  scrub_bytes_per_second: {
    title: "Scrub rate per disk",
    meaning: "What scrub may read of each disk to find damage before it matters.",
    effect: "Takes effect within seconds. A low rate finds damage later.",
    zero: "No scrub",
    risk: "Without scrub, damage on disks stays unnoticed until the last good copy is gone.",
  },
  scrub_period_seconds: {
    title: "Time between scrubs",
    meaning: "The time from the end of a scrub of a disk to the beginning of the next.",
    effect: "Disks that are overdue under a shorter time begin at once, one after the other.",
    zero: "Begin again at once",
  },
  session_ttl_ms_max: {
    title: "Longest silence of a client",
    meaning: "The longest silence that a client may ask for before its session is ended.",
    effect: "Holds for sessions that are open as well. Locks of a client that died stay until then.",
  },
  session_ttl_ms_min: {
    title: "Shortest silence of a client",
    meaning: "The shortest silence after which a session may be ended.",
    effect: "A short time frees locks of dead clients sooner, and ends clients with a shaky network.",
  },
  suspect_ms: {
    title: "Suspect after",
    meaning: "The silence after which new writes avoid a node.",
    effect: "A short time keeps writes fast when a node hangs. Nothing is moved for that.",
  },
  temporary_member_seconds: {
    title: "Stand-in after",
    meaning: "The silence after which a group without redundancy left gets an extra member, so that new writes are safe again.",
    effect: "A short time protects new writes sooner, and makes more stand-ins for nothing.",
  },
  timer_profile: {
    title: "Timers of the metadata group",
    meaning: "How quickly the metadata servers miss their leader.",
    effect: "Takes effect on all metadata servers within seconds.",
    choices: {
      lan: { label: "Local network", means: "Heartbeat 40 ms, a new leader after 110 to 170 ms. For servers in one place." },
      wan: { label: "Wide area", means: "Longer times, for servers that are tens of milliseconds apart." },
    },
    risk: "With timers too short for the network, leadership changes again and again; with long ones, a failed leader is missed for longer.",
  },
  trash_min_age_seconds: {
    title: "Too young for the trash",
    meaning: "Files that existed for less than this before they were deleted are not kept: temporary files, mostly.",
    effect: "Holds for files deleted from now on.",
    zero: "Keep every file",
  },
  trash_seconds: {
    title: "Keep deleted files",
    meaning: "How long deleted files are kept in the trash where no directory says otherwise. Counted while the cluster runs.",
    effect: "Holds for files deleted from now on. Files in the trash take up space; they go early when disks get full.",
    zero: "Not at all",
    risk: "Without trash, a deleted file is gone at once.",
  },
  upload_expiry_days: {
    title: "Abort abandoned uploads after",
    meaning: "Multipart uploads that nobody touched for this long are aborted, and their parts deleted.",
    effect: "When shortened, uploads that are older are aborted within the hour.",
    zero: "Never",
  },
};
