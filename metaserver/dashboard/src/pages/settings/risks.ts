// Values that are asked about before they are set. What the danger is stands in i18n/settingNames, `risk`.

import type { Setting } from "../../api/types";

const MIB = 1024 ** 2;

/** Null: none. "typed": what follows cannot be undone, so a word has to be typed. */
export type Risk = null | "ask" | "typed";

const RISKS: Record<string, (value: number, before: number, text: string) => Risk> = {
  audit_days: (value, before) => (value < before ? "typed" : null),
  down_ms: (value) => (value < 5_000 ? "ask" : null),
  gc_enabled: () => "typed",
  grace_seconds: (value) => (value < 120 ? "ask" : null),
  mass_failure_percent: (value) => (value > 50 ? "ask" : null),
  read_policy: (_, __, text) => (text === "lease" ? "ask" : null),
  repair_bytes_per_second: (value) => (value > 0 && value < 8 * MIB ? "ask" : null),
  scrub_bytes_per_second: (value, _, text) => (text !== "node" && value === 0 ? "ask" : null),
  timer_profile: () => "ask",
  trash_seconds: (value) => (value === 0 ? "ask" : null),
};

export const riskOf = (setting: Setting, value: string): Risk =>
  RISKS[setting.name]?.(Number(value), Number(setting.value), value) ?? null;
