// A state in words, with a shape and a colour of its own: never the colour alone.

import type { ReactNode } from "react";
import type { Health, Level, Liveness, Severity, Standing } from "../api/types";
import { common } from "../i18n/common";
import {
  ClockIcon,
  DangerIcon,
  DrainIcon,
  InfoIcon,
  OkIcon,
  PauseIcon,
  UnknownIcon,
  WarningIcon,
  type Icon,
} from "./icons";

export type Tone = "ok" | "warn" | "danger" | "info" | "idle";

const SHAPES: Record<Tone, Icon> = {
  ok: OkIcon,
  warn: WarningIcon,
  danger: DangerIcon,
  info: InfoIcon,
  idle: UnknownIcon,
};

export interface StatusBadgeProps {
  tone: Tone;
  icon?: Icon;
  /** Without the coloured ground, for tables. */
  bare?: boolean;
  children: ReactNode;
}

export function StatusBadge({ tone, icon, bare = false, children }: StatusBadgeProps) {
  const Shape = icon ?? SHAPES[tone];
  return (
    <span className={`badge tone-${tone} ${bare ? "bare" : ""}`}>
      <Shape size={13} />
      <span>{children}</span>
    </span>
  );
}

export const toneOfHealth: Record<Health, Tone> = {
  healthy: "ok",
  warning: "warn",
  danger: "danger",
  unknown: "idle",
};
export const toneOfSeverity: Record<Severity, Tone> = { note: "info", warning: "warn", danger: "danger" };
export const toneOfLiveness: Record<Liveness, Tone> = {
  alive: "ok",
  suspect: "warn",
  down: "danger",
  failed: "danger",
  full: "warn",
  unknown: "idle",
};
export const toneOfLevel: Record<Level, Tone> = {
  whole: "ok",
  degraded: "warn",
  at_risk: "danger",
  unavailable: "danger",
};

export function LivenessBadge({ value, bare = true }: { value: Liveness; bare?: boolean }) {
  const t = common();
  return (
    <StatusBadge tone={toneOfLiveness[value]} bare={bare} {...(value === "suspect" ? { icon: ClockIcon } : {})}>
      {t.liveness[value]}
    </StatusBadge>
  );
}

const STANDING: Record<Standing, [Tone, Icon]> = {
  in: ["ok", OkIcon],
  draining: ["info", DrainIcon],
  out: ["warn", WarningIcon],
  removed: ["idle", UnknownIcon],
  maintenance: ["info", PauseIcon],
};

export function StandingBadge({ value, bare = true }: { value: Standing; bare?: boolean }) {
  const t = common();
  const [tone, icon] = STANDING[value];
  return (
    <StatusBadge tone={tone} icon={icon} bare={bare}>
      {t.standing[value]}
    </StatusBadge>
  );
}

export function LevelBadge({ value, bare = true }: { value: Level; bare?: boolean }) {
  const t = common();
  return (
    <StatusBadge tone={toneOfLevel[value]} bare={bare}>
      {t.levels[value]}
    </StatusBadge>
  );
}
