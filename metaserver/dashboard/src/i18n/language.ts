// Which language is spoken: the browser's at first, then what was chosen.

import { useSyncExternalStore } from "react";

export type Language = "en" | "zh";
const KEY = "holdfast.language";

function initial(): Language {
  if (typeof window === "undefined") return "en";
  try {
    const stored = localStorage.getItem(KEY);
    if (stored === "en" || stored === "zh") return stored;
  } catch {
    // No storage: what the browser says will do.
  }
  for (const wanted of navigator.languages ?? []) {
    if (/^zh\b/i.test(wanted)) return "zh";
    if (/^en\b/i.test(wanted)) return "en";
  }
  return "en";
}

let current = initial();
const watchers = new Set<() => void>();

export const localeOf = (language: Language): string => (language === "zh" ? "zh-CN" : "en-US");
export const getLanguage = (): Language => current;

export function setLanguage(language: Language): void {
  current = language;
  try {
    localStorage.setItem(KEY, language);
  } catch {
    // Kept until the page is left.
  }
  document.documentElement.lang = localeOf(language);
  for (const watcher of [...watchers]) watcher();
}

const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};
export const useLanguage = (): Language => useSyncExternalStore(watch, getLanguage);
