// Sizes, times and shares: the units in which a setting is written, and how a value is said.

import type { Setting } from "../../api/types";
import type { Format } from "../../format";
import type { SettingText } from "../../i18n/en/settingNames";
import type { words } from "./text";

type Words = ReturnType<typeof words>;

export interface Unit {
  name: string;
  /** How many of the smallest unit it is. */
  size: number;
}

const KIB = 1024;

export function unitsOf(unit: string, t: Words): Unit[] {
  const u = t.units;
  switch (unit) {
    case "bytes_per_second":
      return [
        { name: "B/s", size: 1 },
        { name: "KiB/s", size: KIB },
        { name: "MiB/s", size: KIB ** 2 },
        { name: "GiB/s", size: KIB ** 3 },
      ];
    case "ms":
      return [
        { name: u.ms, size: 1 },
        { name: u.s, size: 1_000 },
        { name: u.min, size: 60_000 },
      ];
    case "seconds":
      return [
        { name: u.s, size: 1 },
        { name: u.min, size: 60 },
        { name: u.h, size: 3_600 },
        { name: u.d, size: 86_400 },
      ];
    case "days":
      return [{ name: u.d, size: 1 }];
    case "percent":
      return [{ name: u.percent, size: 1 }];
    default:
      return [];
  }
}

/** The size of the largest unit of which the value is a multiple; of none, one to begin with. */
export function fittingUnit(value: string, units: Unit[]): number {
  const number = Number(value);
  if (number > 0) return [...units].reverse().find((unit) => number % unit.size === 0)?.size ?? 1;
  return units.find((unit) => unit.size === KIB ** 2 || unit.size === 86_400)?.size ?? 1;
}

const zeroOf = (setting: Setting, text: SettingText | undefined, t: Words): string | undefined =>
  Number(setting.least) === 0 ? (text?.zero ?? (setting.unit === "bytes_per_second" ? t.noLimit : undefined)) : undefined;

export interface Mode {
  id: "node" | "zero" | "set";
  label: string;
}

/** The ways in which a number may be given: not at all, zero with its meaning, a number. */
export function modesOf(setting: Setting, text: SettingText | undefined, t: Words): Mode[] {
  const modes: Mode[] = [];
  if (setting.kind === "override") modes.push({ id: "node", label: t.asConfiguredShort });
  const zero = zeroOf(setting, text, t);
  if (zero) modes.push({ id: "zero", label: zero });
  if (modes.length > 0) modes.push({ id: "set", label: t.limit });
  return modes;
}

export function say(setting: Setting, value: string, text: SettingText | undefined, t: Words, f: Format): string {
  if (setting.kind === "switch") return value === "true" ? t.on : t.off;
  if (setting.kind === "choice") return text?.choices?.[value]?.label ?? value;
  if (value === "node") return t.asConfigured;
  const number = Number(value);
  if (value === "" || !Number.isFinite(number)) return value;
  if (number === 0) {
    const zero = zeroOf(setting, text, t);
    if (zero) return zero;
  }
  return sayNumber(setting.unit, number, t, f);
}

export function sayNumber(unit: string, value: number, t: Words, f: Format): string {
  switch (unit) {
    case "bytes_per_second":
      return f.rate(value);
    case "ms":
      return value < 10_000 && value % 1_000 !== 0 ? `${f.count(value)}\u00a0${t.units.ms}` : f.duration(value / 1_000);
    case "seconds":
      return f.duration(value);
    case "days":
      return t.days(f.count(value));
    case "percent":
      return f.percent(value / 100);
    default:
      return f.count(value);
  }
}

/** What is wrong with a number, or null. */
export function checkNumber(setting: Setting, text: string, size: number, t: Words, f: Format): string | null {
  const plain = text.trim().replace(",", ".");
  if (!/^\d+(\.\d+)?$/.test(plain)) return t.notANumber;
  const value = Number(plain) * size;
  const whole = Math.round(value);
  if (Math.abs(value - whole) > 1e-6) return t.notWhole;
  const { least, most } = setting;
  if ((typeof least === "number" && whole < least) || (typeof most === "number" && whole > most)) return rangeOf(setting, t, f);
  return null;
}

export function rangeOf(setting: Setting, t: Words, f: Format): string {
  const { least, most, unit } = setting;
  if (typeof least !== "number" || typeof most !== "number") return "";
  const from = unit === "percent" || unit === "days" ? f.count(least) : sayNumber(unit, least, t, f);
  return t.range(from, sayNumber(unit, most, t, f));
}

export const baseOf = (text: string, size: number): string => String(Math.round(Number(text.trim().replace(",", ".")) * size));
