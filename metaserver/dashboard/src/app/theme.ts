// Light, dark, or as the system has it. `first-paint.ts` sets the attribute before anything is drawn.

import { useSyncExternalStore } from "react";

export type ThemeChoice = "system" | "light" | "dark";
export const THEME_KEY = "holdfast.theme";

export function storedTheme(): ThemeChoice {
  try {
    const stored = localStorage.getItem(THEME_KEY);
    if (stored === "light" || stored === "dark") return stored;
  } catch {
    // No storage: as the system has it.
  }
  return "system";
}

const prefersDark = () => matchMedia("(prefers-color-scheme: dark)");

export function applyTheme(choice: ThemeChoice): void {
  const dark = choice === "dark" || (choice === "system" && prefersDark().matches);
  document.documentElement.dataset["theme"] = dark ? "dark" : "light";
}

let current: ThemeChoice = "system";
const watchers = new Set<() => void>();
const tell = () => {
  for (const watcher of [...watchers]) watcher();
};

export function startTheme(): void {
  current = storedTheme();
  applyTheme(current);
  prefersDark().addEventListener("change", () => {
    applyTheme(current);
    tell();
  });
}

export function setTheme(choice: ThemeChoice): void {
  current = choice;
  try {
    localStorage.setItem(THEME_KEY, choice);
  } catch {
    // Kept until the page is left.
  }
  applyTheme(choice);
  tell();
}

export const watchTheme = (watcher: () => void): (() => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};
export const useThemeChoice = (): ThemeChoice => useSyncExternalStore(watchTheme, () => current);

/** What is drawn now; canvases repaint when it changes. */
export const drawnTheme = (): string => document.documentElement.dataset["theme"] ?? "light";
export const useDrawnTheme = (): string => useSyncExternalStore(watchTheme, drawnTheme);

/** The value of a token such as `--line`, for canvases. */
export const token = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();
