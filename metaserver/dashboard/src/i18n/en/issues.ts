// Causes for concern, by the server's `code`: what is, and what it means. A parameter that is not there makes the
// whole entry fall back to the server's own English message.

import type { Params } from "./errors";

export interface IssueText {
  what: (p: Params) => string;
  means: (p: Params) => string;
}

const groups = (n: string | undefined) => `${n} placement ${n === "1" ? "group" : "groups"}`;

export const issues: Record<string, IssueText> = {
  no_leader: {
    what: () => "No metadata leader",
    means: () =>
      "Names can neither be read nor changed until a majority of the metadata servers reach each other. They elect a leader by themselves.",
  },
  quorum_lost: {
    what: () => "The majority of metadata servers does not answer",
    means: () => "Nothing can be changed until it does.",
  },
  quorum_at_risk: {
    what: (p) => `Metadata servers behind or silent: ${p["nodes"]}`,
    means: () => "Fewer further failures are survived until they are back.",
  },
  two_voters: {
    what: () => "Only two metadata servers vote",
    means: () => "Metadata cannot be changed when either is lost. Add a node that may vote, or a witness.",
  },
  pgs_unavailable: {
    what: (p) => `${groups(p["groups"])} cannot be read whole`,
    means: () => "Too few of their disks answer. Nothing is given up: they return with their disks.",
  },
  pgs_at_risk: {
    what: (p) => `${groups(p["groups"])} bear no further failure`,
    means: () => "One more failed disk would make them unavailable. Repair takes them first.",
  },
  pgs_degraded: {
    what: (p) => `${groups(p["groups"])} lack a copy`,
    means: () => "They still bear a further failure. Missing copies are being restored.",
  },
  no_room_for_repair: {
    what: (p) => `${groups(p["groups"])} find no disk for repair`,
    means: () => "No other disk has room and is far enough apart. Add disks, or make room.",
  },
  mass_failure: {
    what: () => "Many disks vanished at once; automatic repair is held",
    means: () =>
      "This looks like a network or power failure. Nothing is rebuilt until they return, or until an administrator raises mass_failure_percent.",
  },
  single_copy: {
    what: () => "A storage class keeps a single copy",
    means: () => "A lost disk is lost data. The number of copies grows by itself as nodes join.",
  },
  disk_failed: {
    what: (p) => `Disk ${p["disk"]} on node ${p["node"]} has failed`,
    means: (p) => `${p["reason"] ? `Reported: ${p["reason"]}. ` : ""}Its data is being rebuilt elsewhere. Replace it.`,
  },
  disk_out: {
    what: (p) => `Disk ${p["disk"]} on node ${p["node"]} is out`,
    means: () => "Its data is rebuilt elsewhere. It is taken back if it returns.",
  },
  disk_away: {
    what: (p) => `Disk ${p["disk"]} on node ${p["node"]} is away, as expected`,
    means: () => "Its node is in maintenance: nothing is rebuilt for that.",
  },
  disk_down: {
    what: (p) => `Disk ${p["disk"]} on node ${p["node"]} does not answer`,
    means: () => "Its data is rebuilt elsewhere if it stays away.",
  },
  disk_full: {
    what: (p) => `Disk ${p["disk"]} on node ${p["node"]} is full`,
    means: () => "It takes no new chunks. Add disks or delete data.",
  },
  disk_recovering: {
    what: (p) => `Disk ${p["disk"]} on node ${p["node"]} rebuilds its index`,
    means: () => "It serves reads meanwhile.",
  },
  disk_hangs: {
    what: (p) => `Disk ${p["disk"]} does not finish a write`,
    means: () => "Writers go elsewhere meanwhile. Look at the hardware.",
  },
  disk_slow: {
    what: (p) => `Disk ${p["disk"]} commits far slower than the others`,
    means: () => "Everything written to it is slow. Look at the hardware, or drain it.",
  },
  scrub_damage: {
    what: (p) => `Scrub found damage on disk ${p["disk"]}`,
    means: () => "The damaged records are copied anew from other members.",
  },
  node_down: {
    what: (p) => `Node ${p["node"]} does not answer`,
    means: (p) => `Address ${p["address"]}. Its data is rebuilt elsewhere if it stays away beyond the grace period.`,
  },
  meta_room: {
    what: (p) => `Little room for metadata on node ${p["node"]}`,
    means: () => "When it is full, the node can no longer lead.",
  },
  meta_full: {
    what: (p) => `The metadata's file system on node ${p["node"]} is full`,
    means: () => "Give it room. When it leads, only what frees room is taken.",
  },
  metadata_full: {
    what: (p) => `The metadata's file system on node ${p["node"]} is full`,
    means: () => "Give it room. When it leads, only what frees room is taken.",
  },
  drain: { what: (p) => `${target(p)} is being drained`, means: (p) => `${p["groups"]} placement groups still count on it.` },
  drain_held_up: { what: (p) => `The drain of ${target(p, true)} is held up`, means: (p) => `${p["groups"]} placement groups still count on it.` },
  maintenance: {
    what: (p) => `${target(p)} is in maintenance${"left_seconds" in p ? ` for ${Math.ceil(Number(p["left_seconds"]) / 60)} more minutes` : ""}`,
    means: () => "Nothing is rebuilt for its absence.",
  },
  replacement: { what: (p) => `${target(p)} is being replaced`, means: (p) => `${p["groups"]} placement groups are to be filled.` },
};

/** A disk with its node, or a node. */
function target(p: Record<string, string>, inside = false): string {
  const text = "disk" in p ? `disk ${p["disk"]} on node ${p["node"]}` : `node ${p["node"]}`;
  return inside ? text : text.charAt(0).toUpperCase() + text.slice(1);
}
