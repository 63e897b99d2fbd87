// Numbers for people. Sizes count by 1024 and show three digits.

import { localeOf, type Language } from "../i18n/language";

const formats = new Map<string, Intl.NumberFormat>();
function format(language: Language, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = language + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(localeOf(language), options);
    formats.set(key, found);
  }
  return found;
}

const NARROW = "\u202f";
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

export function count(value: number, language: Language): string {
  return format(language, { maximumFractionDigits: 0 }).format(value);
}

export function decimal(value: number, digits: number, language: Language): string {
  return format(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

/** 1.2M, 120万. */
export function compact(value: number, language: Language): string {
  if (Math.abs(value) < 10_000) {
    return format(language, { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 }).format(value);
  }
  return format(language, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** The number and its unit apart, for where they are set in different sizes. */
export function bytesParts(value: number, language: Language): { number: string; unit: string } {
  let power = 0;
  let scaled = Math.abs(value);
  while (scaled >= 999.5 && power < UNITS.length - 1) {
    scaled /= 1024;
    power += 1;
  }
  const digits = power === 0 || scaled >= 100 ? 0 : scaled >= 10 ? 1 : 2;
  const number = format(language, { maximumFractionDigits: digits }).format(value < 0 ? -scaled : scaled);
  return { number, unit: UNITS[power] ?? "B" };
}

export function bytes(value: number, language: Language): string {
  const { number, unit } = bytesParts(value, language);
  return `${number}${NARROW}${unit}`;
}

export function rate(value: number, language: Language): string {
  return `${bytes(value, language)}/s`;
}

/** 0.5 is 50%. Never rounds up to 100% or down to 0%. */
export function percent(share: number, language: Language): string {
  let value = Number.isFinite(share) ? share : 0;
  let digits = value < 0.1 ? 1 : 0;
  if (value > 0.99 && value < 1) {
    digits = 1;
    value = Math.min(value, 0.999);
  }
  if (value > 0 && value < 0.001) value = 0.001;
  return format(language, { style: "percent", maximumFractionDigits: digits }).format(value);
}

/** A latency given in milliseconds. */
export function latency(ms: number, language: Language): string {
  if (ms >= 1_000) return `${decimal(ms / 1_000, 1, language)}${NARROW}s`;
  const digits = ms >= 100 ? 0 : ms >= 10 ? 1 : 2;
  return `${format(language, { maximumFractionDigits: digits }).format(ms)}${NARROW}ms`;
}
