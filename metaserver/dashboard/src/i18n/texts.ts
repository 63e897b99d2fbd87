// Dictionaries. English is the original; a Chinese one must have the same entries with the same arguments, or it does
// not compile. An entry is a text, a function that makes one, or a group of entries.

import { getLanguage, useLanguage, type Language } from "./language";

export type Translation<T> = {
  [K in keyof T]: T[K] extends string
    ? string
    : T[K] extends (...args: infer A) => string
      ? (...args: A) => string
      : Translation<T[K]>;
};

export interface Texts<T> {
  /** The texts in the language spoken now; the component is drawn anew when that changes. */
  (): Translation<T>;
  /** Outside of components. */
  now(): Translation<T>;
  of(language: Language): Translation<T>;
}

export function texts<T>(en: T, zh: Translation<T>): Texts<T> {
  const of = (language: Language) => (language === "zh" ? zh : (en as Translation<T>));
  const use = () => of(useLanguage());
  return Object.assign(use, { now: () => of(getLanguage()), of });
}

/** English plural: `plural(n, "disk")` is "disk" or "disks". */
export const plural = (count: number, one: string, many = `${one}s`): string => (count === 1 ? one : many);
