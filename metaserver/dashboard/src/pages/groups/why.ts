// What is the matter with a group, in the language spoken: from its state and its members, so that both languages say
// the same. What this build does not know is told in the server's words.

import type { GroupMember, GroupView } from "../../api/types";
import type { ServerTexts } from "../../i18n/server";
import type { words } from "./text";

type Words = ReturnType<typeof words>;

/** Which members a state speaks of. */
const SUBJECTS: Record<string, string[]> = {
  lost: ["gone", "filling"],
  unavailable: ["silent", "away", "failed"],
  rebuilding: ["filling"],
  held: ["silent"],
  maintenance: ["away"],
  waiting: ["silent"],
  mending: ["lacks"],
  moving: ["filling"],
};

/** Reasons that only say how close to loss a group is, as the first words here do. */
const LEVELS = new Set(["group_empty", "group_unreadable", "group_at_risk", "group_degraded"]);

export function disksOf(members: GroupMember[], conditions: string[], t: Words, disk: (id: number) => string): string {
  const names = members.filter((member) => conditions.includes(member.condition)).map((member) => disk(member.disk));
  const last = names.pop();
  if (last === undefined) return "";
  return names.length === 0 ? last : t.why.list(names.join(t.why.comma), last);
}

export function why(group: GroupView, t: Words, server: ServerTexts, disk: (id: number) => string): string[] {
  const said: string[] = [];
  const regular = group.members.filter((member) => !member.temporary);
  const ill = regular.filter((member) => member.condition !== "whole" && member.condition !== "leaving");
  if (group.level === "degraded") said.push(t.why.level.degraded(group.spare));
  if (group.level === "at_risk") said.push(t.why.level.at_risk());
  if (group.level === "unavailable") said.push(t.why.level.unavailable());
  if (group.level !== "whole" && ill.length > 0) said.push(t.why.missing(String(ill.length), String(regular.length)));
  const told = group.reasons.filter((reason) => reason.code !== "" && !LEVELS.has(reason.code));
  if (told.length > 0) return [...said, ...told.map(server.reason)];
  const who = disksOf(group.members, SUBJECTS[group.state] ?? [], t, disk);
  said.push(doing(group.state, who, t) ?? server.phrase(group.why));
  return said;
}

function doing(state: string, who: string, t: Words): string | undefined {
  const w = t.why;
  switch (state) {
    case "lost":
      return w.lost(who || w.somebody);
    case "unavailable":
      return who ? w.unavailable(who) : w.unavailableChunks;
    case "rebuilding":
      return who ? w.rebuilding(who) : w.rebuildingNext;
    case "no_room":
      return w.no_room;
    case "held":
      return w.held(who || w.somebody);
    case "maintenance":
      return w.maintenance(who || w.somebody);
    case "waiting":
      return who ? w.waiting(who) : w.waitingNext;
    case "mending":
      return w.mending(who || w.somebody);
    case "moving":
      return who ? w.moving(who) : w.movingNext;
    case "whole":
      return w.whole;
    default:
      return undefined;
  }
}
