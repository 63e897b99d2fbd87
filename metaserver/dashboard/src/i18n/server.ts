// Texts of the server in the language spoken: by code and parameters where it gives them, by the form of the English
// sentence where it gives nothing else (reasons against a procedure, what one waits for), else as they came.

import type { Failure } from "../api/client";
import type { AuditEntry, Issue } from "../api/types";
import { getLanguage, useLanguage, type Language } from "./language";
import { actions as actionsEn } from "./en/actions";
import { errors as errorsEn } from "./en/errors";
import { issues as issuesEn } from "./en/issues";
import { procedures as procedureEn } from "./en/procedures";
import { phrasesZh } from "./zh/phrases";
import { procedures as procedureZh } from "./zh/procedures";
import { actions as actionsZh } from "./zh/actions";
import { errors as errorsZh } from "./zh/errors";
import { issues as issuesZh } from "./zh/issues";

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
    if (text) return { what: text.what(params), means: text.means(params) };
  } catch (cause) {
    if (!(cause instanceof Missing)) throw cause;
  }
  const procedure = /^procedure/.test(issue.code) ? procedureIn(language, issue.message) : null;
  if (procedure) return procedure;
  const [what = "", ...means] = issue.message.split(/[:;] /);
  return { what: capital(what), means: capital(means.join("; ")) };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A procedure under way is told as one sentence: of what, what is done, how far it is, what it waits for. */
function procedureIn(language: Language, message: string): IssueShown | null {
  const found =
    /^(?:disk d(\d+) on )?node n(\d+) is (being emptied|being replaced|in maintenance)(?: for (\d+) more minutes| until somebody ends it)?: (.*)$/.exec(
      message,
    );
  if (!found) return null;
  const [, disk, node = "", doing = "", minutes, rest = ""] = found;
  const words = (language === "zh" ? procedureZh : procedureEn)[doing as keyof typeof procedureEn];
  const means = rest
    .split(/; (?=\d+ groups (?:find|cannot)|waits for)/)
    .map((part) => phraseIn(language, part))
    .join(language === "zh" ? "；" : ". ");
  return { what: words(disk ?? "", node, minutes ?? ""), means };
}

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
  const table = language === "zh" ? errorsZh : errorsEn;
  const text = own(table, failure.code)?.(failure.params);
  return text || phraseIn(language, failure.message);
}

/** "d7" and "n3" are disk 7 and node 3 where the action says which it is. */
const bare = (entry: AuditEntry): string =>
  /^(disk|node|meta|scrub)\./.test(entry.action) ? entry.target.replace(/^[dn](?=\d+$)/, "") : entry.target;

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
  failure: (failure: Failure) => string;
  action: (entry: AuditEntry) => string;
}

function textsIn(language: Language): ServerTexts {
  return {
    issue: (issue) => issueIn(language, issue),
    phrase: (text) => phraseIn(language, text),
    failure: (failure) => failureIn(language, failure),
    action: (entry) => actionIn(language, entry),
  };
}
const made: Record<Language, ServerTexts> = { en: textsIn("en"), zh: textsIn("zh") };

export const useServerTexts = (): ServerTexts => made[useLanguage()];
export const serverTextsNow = (): ServerTexts => made[getLanguage()];
