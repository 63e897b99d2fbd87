// Who is signed in. 401 from anywhere ends it: the login page takes the place of the page, at the same address, so that
// signing in comes back to where one was.

import { useSyncExternalStore } from "react";
import { api, credentials, Failure } from "../api/client";
import { live } from "../api/live";
import { queryClient } from "../api/queries";
import type { Me, Role } from "../api/types";
import { common } from "../i18n/common";

export type Session =
  | { state: "asking" }
  | { state: "unreachable"; failure: Failure }
  | { state: "anonymous"; ended: boolean }
  | { state: "signed-in"; me: Me };

let session: Session = { state: "asking" };
const watchers = new Set<() => void>();
const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

function set(next: Session): void {
  session = next;
  credentials.csrf = next.state === "signed-in" ? next.me.csrf : "";
  for (const watcher of [...watchers]) watcher();
}

function leave(ended: boolean): void {
  live.stop();
  set({ state: "anonymous", ended });
  queryClient.clear();
}

credentials.onUnauthenticated = () => {
  if (session.state === "signed-in") leave(true);
};

export async function ask(): Promise<void> {
  try {
    set({ state: "signed-in", me: await api.get<Me>("/auth/me") });
  } catch (cause) {
    const failure = cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause));
    if (failure.status === 401) set({ state: "anonymous", ended: false });
    else set({ state: "unreachable", failure });
  }
}

export async function signIn(account: string, password: string): Promise<void> {
  set({ state: "signed-in", me: await api.post<Me>("/auth/login", { account, password }) });
}

export async function signOut(): Promise<void> {
  await api.post("/auth/logout").catch(() => {});
  leave(false);
}

export async function changePassword(old_password: string, new_password: string): Promise<void> {
  await api.post("/auth/password", { old_password, new_password });
  await ask();
}

export const useSession = (): Session => useSyncExternalStore(watch, () => session);

export function useMe(): Me {
  const now = useSession();
  if (now.state !== "signed-in") throw new Error("nobody is signed in");
  return now.me;
}

const RANKS: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };

/** Null: allowed. Else why not, to be given to a button as `refused`. */
export function useRefusal(needs: "operator" | "admin"): string | null {
  const t = common();
  const now = useSession();
  const role = now.state === "signed-in" ? now.me.role : "viewer";
  return RANKS[role] >= RANKS[needs] ? null : t.needs[needs];
}
