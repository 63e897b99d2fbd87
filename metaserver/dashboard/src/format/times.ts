// Times and durations for people, in the browser's time zone.

import { localeOf, type Language } from "../i18n/language";

const formats = new Map<string, Intl.DateTimeFormat>();
function format(language: Language, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language + JSON.stringify(options);
  let found = formats.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat(localeOf(language), { hourCycle: "h23", ...options });
    formats.set(key, found);
  }
  return found;
}

const parse = (at: string | number | Date): Date => (at instanceof Date ? at : new Date(at));

export function dateTime(at: string | number | Date, language: Language): string {
  return format(language, { dateStyle: "medium", timeStyle: "medium" }).format(parse(at));
}
export function time(at: string | number | Date, language: Language): string {
  return format(language, { timeStyle: "medium" }).format(parse(at));
}
export function day(at: string | number | Date, language: Language): string {
  return format(language, { dateStyle: "medium" }).format(parse(at));
}

const UNITS: [number, { en: string; zh: string }][] = [
  [86_400, { en: "d", zh: "天" }],
  [3_600, { en: "h", zh: "小时" }],
  [60, { en: "min", zh: "分钟" }],
  [1, { en: "s", zh: "秒" }],
];

/** The two largest units: "3 d 4 h", "3 天 4 小时". */
export function duration(seconds: number, language: Language): string {
  const whole = Math.max(0, Math.round(seconds));
  const first = UNITS.findIndex(([size]) => whole >= size);
  if (first < 0) return `0\u00a0${UNITS[3]![1][language]}`;
  const [size, name] = UNITS[first]!;
  const large = Math.floor(whole / size);
  const next = UNITS[first + 1];
  const small = next ? Math.floor((whole - large * size) / next[0]) : 0;
  const parts = [`${large}\u00a0${name[language]}`];
  // "12 d 3 h" tells something, "45 d 3 h" does not.
  if (next && small > 0 && large < 15) parts.push(`${small}\u00a0${next[1][language]}`);
  return parts.join(" ");
}

const relatives = new Map<Language, Intl.RelativeTimeFormat>();

/** "5 minutes ago", "in 3 days". */
export function ago(at: string | number | Date, language: Language, now = Date.now()): string {
  let relative = relatives.get(language);
  if (!relative) {
    relative = new Intl.RelativeTimeFormat(localeOf(language), { numeric: "auto" });
    relatives.set(language, relative);
  }
  const made = relative;
  const say = (value: number, unit: Intl.RelativeTimeFormatUnit) =>
    // As in durations: a space between figures and Chinese.
    made.format(value, unit).replace(/(\d)(?=[\u4e00-\u9fff])/g, "$1\u00a0");
  const seconds = Math.round((parse(at).getTime() - now) / 1_000);
  const size = Math.abs(seconds);
  if (size < 45) return say(seconds, "second");
  if (size < 3_600) return say(Math.round(seconds / 60), "minute");
  if (size < 86_400) return say(Math.round(seconds / 3_600), "hour");
  if (size < 30 * 86_400) return say(Math.round(seconds / 86_400), "day");
  if (size < 365 * 86_400) return say(Math.round(seconds / 2_629_800), "month");
  return say(Math.round(seconds / 31_557_600), "year");
}
