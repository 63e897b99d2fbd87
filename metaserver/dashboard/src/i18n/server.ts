// Texts of the server in the language spoken: by code and parameters where it gives them, by the form of the English
// sentence where it gives nothing else (refusals of files and accounts, loops), else as they came.

import type { Failure } from "../api/client";
import type { AuditEntry, Issue, Reason } from "../api/types";
import { getLanguage, useLanguage, type Language } from "./language";
import { actions as actionsEn } from "./en/actions";
import { errors as errorsEn } from "./en/errors";
import { issues as issuesEn } from "./en/issues";
import { reasons as reasonsEn } from "./en/reasons";
import { phrasesZh } from "./zh/phrases";
import { actions as actionsZh } from "./zh/actions";
import { errors as errorsZh } from "./zh/errors";
import { issues as issuesZh } from "./zh/issues";
import { reasons as reasonsZh } from "./zh/reasons";

const own = <T>(table: Record<string, T>, key: string): T | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined;

class Missing extends Error {}

/** A text that asks for a parameter that is not there is no text: better English than "disk undefined". */
function filled(params: Record<string, string>): Record<string, string> {
  return new Proxy(params, {
    get(target, name) {
      if (typeof name === "string" && Object.hasOwn(target, name)) return target[name];
      if (name === "reason") return "";
      throw new Missing(String(name));
    },
  });
}

export interface IssueShown {
  what: string;
  means: string;
}

export function issueIn(language: Language, issue: Issue): IssueShown {
  const text = own(language === "zh" ? issuesZh : issuesEn, issue.code);
  try {
    const params = filled(issue.params);
    const said = issue.reasons ?? [];
    if (text) return { what: text.what(params), means: said.length > 0 ? reasonsIn(language, said) : text.means(params) };
  } catch (cause) {
    if (!(cause instanceof Missing)) throw cause;
  }
  const [what = "", ...means] = issue.message.split(/[:;] /);
  return { what: capital(what), means: capital(means.join("; ")) };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Why something is so: by its code, or in the server's words when this build does not know it. */
export function reasonIn(language: Language, reason: Reason): string {
  const text = own(language === "zh" ? reasonsZh : reasonsEn, reason.code);
  try {
    if (text) return text(filled(reason.params));
  } catch (cause) {
    if (!(cause instanceof Missing)) throw cause;
  }
  return phraseIn(language, reason.message);
}

const reasonsIn = (language: Language, reasons: Reason[]): string =>
  reasons.map((reason) => reasonIn(language, reason)).join(language === "zh" ? "；" : ". ");

export function phraseIn(language: Language, text: string): string {
  if (language === "zh") {
    for (const [form, make] of phrasesZh) {
      const found = form.exec(text);
      if (found) return make(...found.slice(1));
    }
  }
  return capital(text);
}

export function failureIn(language: Language, failure: Failure): string {
  if (failure.reasons.length > 0) return reasonsIn(language, failure.reasons);
  const table = language === "zh" ? errorsZh : errorsEn;
  const text = own(table, failure.code)?.(failure.params);
  return text || phraseIn(language, failure.message);
}

/** "d7" and "n3" are disk 7 and node 3 where the action says which it is. */
const bare = (entry: AuditEntry): string =>
  /^(disk|node|meta|scrub)\./.test(entry.action) ? entry.target.replace(/^(?:d|n+)(?=\d+$)/, "") : entry.target;

export function actionIn(language: Language, entry: AuditEntry): string {
  const text = own(language === "zh" ? actionsZh : actionsEn, entry.action);
  if (!text) return entry.message || `${entry.action} ${entry.target}`.trim();
  const details: Record<string, string> = { ...entry.details };
  if (details["node"]) details["node"] = details["node"].replace(/^n(?=\d+$)/, "");
  return text(bare(entry), details);
}

/** The names of all actions that are known, for choosing one. */
export const knownActions = (): string[] => Object.keys(actionsEn);

export interface ServerTexts {
  issue: (issue: Issue) => IssueShown;
  phrase: (text: string) => string;
  reason: (reason: Reason) => string;
  failure: (failure: Failure) => string;
  action: (entry: AuditEntry) => string;
}

function textsIn(language: Language): ServerTexts {
  return {
    issue: (issue) => issueIn(language, issue),
    phrase: (text) => phraseIn(language, text),
    reason: (reason) => reasonIn(language, reason),
    failure: (failure) => failureIn(language, failure),
    action: (entry) => actionIn(language, entry),
  };
}
const made: Record<Language, ServerTexts> = { en: textsIn("en"), zh: textsIn("zh") };

export const useServerTexts = (): ServerTexts => made[useLanguage()];
export const serverTextsNow = (): ServerTexts => made[getLanguage()];
