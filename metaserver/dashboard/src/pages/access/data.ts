// What the pages about access ask the server, and what can be said about it.

import { useGet } from "../../api/queries";
import type { Account, Entry, Key, Page, Role, Token } from "../../api/types";

export interface LoginSession {
  id: string;
  account: string;
  created: string;
  last_seen: string | null;
  expires: string | null;
  from: string;
  agent: string;
  current: boolean;
}
export type Rule = Key["rules"][number];

interface Items<T> {
  items: T[];
}
const EVERY = 15_000;
export const useAccounts = () => useGet<Items<Account>>("/accounts", {}, { every: EVERY });
export const useKeys = () => useGet<Items<Key>>("/keys");
export const useTokens = () => useGet<Items<Token>>("/tokens", {}, { every: EVERY });
export const useSessions = () => useGet<Items<LoginSession>>("/sessions", {}, { every: EVERY });
export const useBucketNames = (): string[] => {
  const { data } = useGet<Page<Entry>>("/files?path=/", { limit: 1000 }, { staleTime: 30_000 });
  return data?.items.map((one) => one.name) ?? [];
};

export const ROLES: Role[] = ["viewer", "operator", "admin"];
export const rankOf = (role: Role): number => ROLES.indexOf(role);

/** Whether the cluster would be left without somebody who may do everything. */
export function isLastAdmin(accounts: readonly Account[], name: string): boolean {
  const admins = accounts.filter((one) => one.role === "admin" && !one.disabled);
  return admins.length === 1 && admins[0]?.name === name;
}

const NAME = /^[a-z0-9][a-z0-9\-_.@]{0,63}$/;
export const isAccountName = (name: string): boolean => NAME.test(name);

export const LEAST_PASSWORD = 12;
export function passwordProblem(password: string, account: string): "short" | "name" | null {
  if ([...password].length < LEAST_PASSWORD) return "short";
  return account.length > 3 && password.toLowerCase().includes(account) ? "name" : null;
}

/** Without letters that look alike; 115 bits. */
export function generatedPassword(): string {
  const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
  let password = "";
  while (password.length < 20) {
    for (const byte of crypto.getRandomValues(new Uint8Array(32))) {
      // What lies beyond the last whole round would make some letters more likely.
      if (byte < 256 - (256 % letters.length) && password.length < 20) password += letters[byte % letters.length];
    }
  }
  return password;
}

/** "Firefox 140", "Linux": what one recognizes; null where it says nothing known. */
export function browserOf(agent: string): { browser: string; system: string } | null {
  const forms: [string, RegExp][] = [
    ["Edge", /Edg\/(\d+)/],
    ["Opera", /OPR\/(\d+)/],
    ["Firefox", /Firefox\/(\d+)/],
    ["Chrome", /Chrome\/(\d+)/],
    ["Safari", /Version\/(\d+).*Safari/],
  ];
  const systems: [string, RegExp][] = [
    ["Windows", /Windows/],
    ["iOS", /iPhone|iPad/],
    ["Android", /Android/],
    ["macOS", /Mac OS X/],
    ["Linux", /Linux|X11/],
  ];
  for (const [name, form] of forms) {
    const found = form.exec(agent);
    const system = systems.find(([, at]) => at.test(agent))?.[0];
    if (found && system) return { browser: `${name} ${found[1]}`, system };
  }
  return null;
}

export type RuleProblem = "empty" | "star" | "nothing";
export function ruleProblem(rule: Rule): RuleProblem | null {
  if (rule.bucket.trim() === "") return "empty";
  if (rule.bucket.slice(0, -1).includes("*")) return "star";
  return rule.read || rule.write || rule.manage ? null : "nothing";
}
export const covers = (pattern: string, bucket: string): boolean =>
  pattern.endsWith("*") ? bucket.startsWith(pattern.slice(0, -1)) : pattern === bucket;

export const EXPIRES = { day: 86_400, week: 604_800, month: 2_592_000, quarter: 7_776_000, year: 31_536_000, never: null } as const;
export type Expiry = keyof typeof EXPIRES;

/** A file for AWS tools. */
export const credentialsFile = (access: string, secret: string): string =>
  `[holdfast]\naws_access_key_id = ${access}\naws_secret_access_key = ${secret}\n`;

export function save(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
