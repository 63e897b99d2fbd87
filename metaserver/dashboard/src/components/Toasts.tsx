// Short notices at the corner: what was done, or why it was not. `toast.ok(text)` from anywhere.

import { useSyncExternalStore } from "react";
import type { Failure } from "../api/client";
import { common } from "../i18n/common";
import { serverTextsNow } from "../i18n/server";
import { Button } from "./Button";
import { CloseIcon, DangerIcon, OkIcon } from "./icons";

interface Toast {
  id: number;
  tone: "ok" | "danger";
  text: string;
  detail?: string;
}

let toasts: Toast[] = [];
let last = 0;
const watchers = new Set<() => void>();
const watch = (watcher: () => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};
function set(next: Toast[]): void {
  toasts = next;
  for (const watcher of [...watchers]) watcher();
}
const close = (id: number) => set(toasts.filter((one) => one.id !== id));

function add(toast: Omit<Toast, "id">, ms: number): void {
  const id = ++last;
  set([...toasts.slice(-3), { ...toast, id }]);
  setTimeout(() => close(id), ms);
}

export const toast = {
  ok: (text: string) => add({ tone: "ok", text }, 5_000),
  failure: (failure: Failure) => {
    const detail = [failure.code, failure.requestId].filter(Boolean).join(" · ");
    add({ tone: "danger", text: serverTextsNow().failure(failure), detail }, 12_000);
  },
};

export function Toasts() {
  const t = common();
  const shown = useSyncExternalStore(watch, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((one) => (
        <div key={one.id} className={`toast tone-${one.tone}`}>
          {one.tone === "ok" ? <OkIcon /> : <DangerIcon />}
          <div className="grow">
            <p className="toast-text">{one.text}</p>
            {one.detail ? <p className="small muted">{one.detail}</p> : null}
          </div>
          <Button kind="quiet" small iconOnly icon={CloseIcon} onClick={() => close(one.id)}>
            {t.actions.dismiss}
          </Button>
        </div>
      ))}
    </div>
  );
}
