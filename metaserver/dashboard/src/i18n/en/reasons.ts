// Why something is so, cannot be done, or how far it is: by the server's code. `reasons.json` lists all codes with their
// parameters; numbers of disks and nodes come bare, several with commas between.

export type ReasonText = (params: Record<string, string>) => string;

const list = (numbers: string | undefined): string[] => (numbers ?? "").split(",").filter((number) => number !== "");

function disks(numbers: string | undefined): string {
  const all = list(numbers);
  if (all.length === 0) return "no disk";
  if (all.length === 1) return `disk ${all[0]}`;
  return `disks ${all.slice(0, -1).join(", ")} and ${all[all.length - 1]}`;
}
const plural = (numbers: string | undefined): boolean => list(numbers).length !== 1;
const groups = (count: string | undefined): string => (count === "1" ? "1 placement group" : `${count} placement groups`);
const together = (nodes: string | undefined): string => {
  const all = list(nodes);
  return all.length === 0 ? "" : ` (together with node${all.length === 1 ? "" : "s"} ${all.join(", ")}, in maintenance already)`;
};
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

export const reasons: Record<string, ReasonText> = {
  group_empty: () => "Empty",
  group_unreadable: () => "Cannot be read whole",
  group_at_risk: (p) => `One failure from loss: data is missing on ${p["missing"]} of ${p["members"]} disks`,
  group_degraded: (p) => `Data is missing on ${p["missing"]} of ${p["members"]} disks; ${p["spare"]} more may fail`,
  group_lost: (p) => `Lost: ${disks(p["disks"])} ${plural(p["disks"]) ? "are" : "is"} beyond what can be rebuilt`,
  group_waits_for_all: (p) => `Waits for ${disks(p["disks"])} to come back; nothing is given up`,
  group_lacks_copies: () => "Single chunks have no readable copy now; every member is asked again",
  group_no_room: () => "Waits for room: no other disk that is apart enough has room for it",
  group_mending: (p) => `Single chunks are copied anew to ${disks(p["disks"])}`,
  group_whole: () => "Nothing is lacking",
  group_next_step: () => "The next step of its repair is being chosen",
  group_moving: (p) => `Nothing is lacking; ${disks(p["disks"])} ${plural(p["disks"]) ? "are" : "is"} being filled to take a place`,
  group_rebuilding: (p) => `Being rebuilt onto ${disks(p["disks"])}`,
  group_shares_domain: (p) => `Members share a failure domain; disk ${p["disk"]} is to join`,
  group_join: (p) => `Disk ${p["disk"]} is to join and to be filled`,
  group_let_go: (p) => `Disk ${p["disk"]} is let go of`,
  group_replace: (p) => `Disk ${p["disk"]} takes the place of disk ${p["member"]}`,
  group_maintenance: (p) => `${capital(disks(p["disks"]))} ${plural(p["disks"]) ? "are" : "is"} away for maintenance; nothing is rebuilt for that`,
  group_held: (p) => `Waits for ${disks(p["disks"])} to come back: too many disks vanished at once to give any up without you`,
  group_grace: (p) => `Waits for ${disks(p["disks"])} to come back before it is rebuilt elsewhere`,
  group_waits: (p) => `Waits for ${disks(p["disks"])} to come back`,
  drain_stuck: (p) =>
    `${p["stuck"]} of its ${groups(p["groups"])} would find no other disk that is apart enough and has room, or have members that do not answer now`,
  drain_crowded: (p) => `${groups(p["groups"])} would have members that share a failure domain: one failure could take both`,
  not_measured: () => "How much lies in each placement group is still being counted; in a minute it is known",
  absence_unreadable: (p) => `Without it ${groups(p["groups"])} could not be read${together(p["others"])}`,
  absence_unwritable: (p) => `Without it nothing could be written in class ${p["classes"]}${together(p["others"])}`,
  absence_majority: (p) => `Only ${p["left"]} of ${p["voters"]} metadata servers would be there, and every change needs a majority`,
  replace_only_there: (p) =>
    `${groups(p["groups"])} may be lost with it: ${p["disks"] ? `what else has them does not answer now (${disks(p["disks"])})` : "no other disk has them whole"}`,
  already_removed: () => "It was removed",
  not_in_maintenance: () => "It is not in maintenance but being drained or replaced: take it back into service instead",
  not_being_emptied: () => "It is not being drained but in maintenance: end that instead",
  being_emptied: () => "It is being drained or was given up: take it back into service first",
  still_answers: (p) => `It answers, and ${groups(p["groups"])} count on it: drain it, or stop its node, before another disk takes its place`,
  leads_metadata: () => "It leads the metadata group: hand leadership over first",
  takes_part: () => "It takes part: drain it first, and wait until it is empty",
  only_metaserver: () => "It is the only metadata server: nothing could be changed without it",
  removal_majority: (p) =>
    `Only ${p["left"]} of the ${p["voters"]} metadata servers that would be left answer, which is no majority: bring back those that are silent, or remove them first`,
  still_counted: (p) => `${groups(p["groups"])} count on it: drain it first, and wait until it is empty`,
  still_to_let_go: (p) => `It still has to let go of ${groups(p["groups"])}, which it does as soon as nobody reads there: try again then`,
  not_whole_elsewhere: (p) => `Chunk ${p["chunk"]} lies on disk ${p["disk"]} and is not whole elsewhere`,
  waits_for_disk: () => "Waits for an empty directory in the disk's place, and for its node to be up",
  waits_for_room: (p) => `${groups(p["groups"])} find no other disk that is apart enough and has room: add one, or give disks room`,
  waits_for_members: (p) => `${groups(p["groups"])} cannot be read whole now: too few of their disks answer`,
  drain_done: () => "Empty; it may be removed",
  drain_letting_go: (p) => `No placement group counts on it any more; it still has to let go of ${p["groups"]}`,
  drain_uncounted: () => "No placement group counts on it any more",
  drain_silent: (p) =>
    `${groups(p["groups"])} still count on it; ${disks(p["disks"])} ${plural(p["disks"]) ? "do" : "does"} not answer, and what lies there is rebuilt from other members`,
  drain_left: (p) => `${groups(p["groups"])} still count on it`,
  maintenance_away: () => "Away; nothing is rebuilt for that",
  maintenance_here: () => "Still here; its absence will cause no rebuild",
  replacement_awaited: () => "Lost; an empty disk may take its place",
  replacement_filling: (p) => `An empty disk took its place; ${groups(p["groups"])} are to be filled or placed elsewhere`,
  job_repair: (p) => `${groups(p["groups"])} lack something`,
  job_balance: (p) => `${p["moves"]} members were moved, ${p["under_way"]} are under way`,
  job_scrub: (p) => `${p["disks"]} disks are read back and checked`,
  job_convert: (p) => `${p["files"]} files are converted to their class`,
  balance_done: (p) => `Done; disks differ by ${p["percent"]} %`,
  balance_cancelled: () => "Cancelled by an administrator",
};
