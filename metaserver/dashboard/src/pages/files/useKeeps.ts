// How long something is kept, in a sentence: "7 days", not "7 d".

import { useFormat } from "../../format";
import { localeOf, useLanguage } from "../../i18n/language";

const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

export function useKeeps(): (seconds: number) => string {
  const f = useFormat();
  const locale = localeOf(useLanguage());
  return (seconds) => {
    for (const [unit, size] of UNITS) {
      if (seconds < size || seconds % size !== 0) continue;
      return new Intl.NumberFormat(locale, { style: "unit", unit, unitDisplay: "long" }).format(seconds / size);
    }
    return f.duration(seconds);
  };
}
