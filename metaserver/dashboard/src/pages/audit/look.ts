// How an entry looks at a glance: its shape, its tone, who did it.

import type { AuditEntry } from "../../api/types";
import {
  AccessIcon,
  DangerIcon,
  EditIcon,
  InfoIcon,
  OkIcon,
  StopIcon,
  WarningIcon,
  type Icon,
} from "../../components/icons";
import type { words } from "./text";

export type EntryTone = "ok" | "warn" | "danger" | "idle";

export function look(entry: AuditEntry): [Icon, EntryTone] {
  if (entry.outcome === "refused") return [entry.kind === "access" ? AccessIcon : StopIcon, "warn"];
  if (entry.kind === "access") return [AccessIcon, "idle"];
  if (entry.kind === "change") return [EditIcon, "idle"];
  if (/failed|damage|unavailable|at_risk/.test(entry.action)) return [DangerIcon, "danger"];
  if (/down|out$|suspect|lost|silent|degraded|full/.test(entry.action)) return [WarningIcon, "warn"];
  if (/up$|done|good|back|whole|finish/.test(entry.action)) return [OkIcon, "ok"];
  return [InfoIcon, "idle"];
}

export function nameOf(entry: AuditEntry, t: ReturnType<typeof words>): string {
  const { kind, name } = entry.actor;
  const said = t.actors[kind] ?? kind;
  if (kind === "account" && name) return name;
  return name && kind !== "system" ? `${name} · ${said}` : said;
}
