// What may be done to a disk or a node now, and why not.

import { useRefusal } from "../../app/session";
import type { DiskView, NodeView, Procedure } from "../../api/types";
import { words } from "./text";

export type Target = { kind: "disk"; id: number } | { kind: "node"; id: number };
export type Verb = "drain" | "maintenance" | "resume" | "replace" | "decommission" | "remove";

export interface Offer {
  verb: Verb;
  label: string;
  refused: string | null;
  /** The next thing to do. */
  primary?: boolean;
}

export function useDiskOffers(disk: DiskView, procedure: Procedure | null): Offer[] {
  const t = words();
  const role = useRefusal("operator");
  const { standing, liveness } = disk;
  const draining = standing === "draining";
  const drained = draining && procedure?.done === true;
  const away = liveness === "failed" || liveness === "down";
  const gone = standing === "removed" ? t.reasons.removed : null;
  const replaced = disk.lost ? t.reasons.beingReplaced : null;
  const moving = draining ? t.reasons.already : null;
  const offers: Offer[] = [];
  if (drained) offers.push({ verb: "remove", label: t.verbs.remove, refused: role, primary: true });
  if (draining || disk.lost || standing === "out") {
    const label = draining ? t.verbs.stopDrain : t.verbs.resume;
    offers.push({ verb: "resume", label, refused: role ?? gone });
  }
  if (!draining) offers.push({ verb: "drain", label: t.verbs.drain, refused: role ?? gone ?? replaced });
  offers.push({ verb: "replace", label: t.verbs.replace, refused: role ?? gone ?? replaced ?? (away ? null : t.reasons.notDown) });
  if (!drained) offers.push({ verb: "decommission", label: t.verbs.decommission, refused: role ?? gone ?? replaced ?? moving });
  return offers;
}

export function useNodeOffers(node: NodeView, procedure: Procedure | null): Offer[] {
  const t = words();
  const role = useRefusal("operator");
  const { standing } = node;
  const gone = standing === "removed" ? t.reasons.removed : null;
  const draining = standing === "draining";
  const drained = draining && procedure?.done === true;
  const resting = standing === "maintenance" ? t.reasons.inMaintenance : null;
  const moving = draining ? t.reasons.already : null;
  const offers: Offer[] = [];
  if (drained) offers.push({ verb: "remove", label: t.verbs.remove, refused: role, primary: true });
  if (draining || resting || standing === "out") {
    const label = resting ? t.verbs.endMaintenance : draining ? t.verbs.stopDrain : t.verbs.resume;
    offers.push({ verb: "resume", label, refused: role ?? gone });
  }
  if (!resting) offers.push({ verb: "maintenance", label: t.verbs.maintenance, refused: role ?? gone ?? moving });
  if (!draining) offers.push({ verb: "drain", label: t.verbs.drain, refused: role ?? gone ?? resting });
  if (!drained) offers.push({ verb: "decommission", label: t.verbs.decommission, refused: role ?? gone ?? resting ?? moving });
  return offers;
}
