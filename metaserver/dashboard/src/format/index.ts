// Formatting in the language spoken now: `const f = useFormat(); f.bytes(n)`.

import { useMemo } from "react";
import { getLanguage, useLanguage, type Language } from "../i18n/language";
import * as numbers from "./numbers";
import * as times from "./times";

type At = string | number | Date;

function formatIn(language: Language) {
  return {
    language,
    count: (value: number) => numbers.count(value, language),
    decimal: (value: number, digits = 1) => numbers.decimal(value, digits, language),
    compact: (value: number) => numbers.compact(value, language),
    bytes: (value: number) => numbers.bytes(value, language),
    bytesParts: (value: number) => numbers.bytesParts(value, language),
    rate: (value: number) => numbers.rate(value, language),
    percent: (share: number) => numbers.percent(share, language),
    latency: (ms: number) => numbers.latency(ms, language),
    dateTime: (at: At) => times.dateTime(at, language),
    time: (at: At) => times.time(at, language),
    day: (at: At) => times.day(at, language),
    duration: (seconds: number) => times.duration(seconds, language),
    /** Several parts of one remark. */
    list: (parts: string[]) => parts.join(language === "zh" ? "，" : ", "),
    ago: (at: At) => times.ago(at, language),
  };
}

export type Format = ReturnType<typeof formatIn>;
const made: Record<Language, Format> = { en: formatIn("en"), zh: formatIn("zh") };

export function useFormat(): Format {
  const language = useLanguage();
  return useMemo(() => made[language], [language]);
}
export const formatNow = (): Format => made[getLanguage()];
