// How far something is, how fast it goes, and when it will be done.

import type { ReactNode } from "react";
import { useFormat } from "../format";
import { common } from "../i18n/common";

export interface ProgressProps {
  label: string;
  /** Bytes done and to do; total null or 0: not known. */
  done: number | null;
  total: number | null;
  rate?: number | null;
  eta?: number | null;
  tone?: "accent" | "ok" | "warn" | "danger" | "idle";
  /** False: nothing is under way, say no rate and no time. */
  moving?: boolean;
  note?: ReactNode;
}

export function Progress({ label, done, total, rate, eta, tone = "accent", moving = true, note }: ProgressProps) {
  const t = common();
  const f = useFormat();
  const known = done !== null && total !== null && total > 0;
  const share = known ? Math.min(Math.max(done / total, 0), 1) : null;
  const speech = [];
  if (rate) speech.push(f.rate(rate));
  if (moving) {
    if (eta !== null && eta !== undefined) speech.push(eta === 0 ? t.progress.done : t.progress.eta(f.duration(eta)));
    else speech.push(rate ? t.progress.etaUnknown : t.progress.stalled);
  }
  return (
    <div className="progress">
      <div className="progress-line small">
        <span className="strong">{share === null ? "–" : f.percent(share)}</span>
        <span className="muted">{known ? t.of(f.bytes(done), f.bytes(total)) : t.progress.counting}</span>
        <span className="grow" />
        <span className="muted nowrap">{speech.join(" · ")}</span>
      </div>
      <Bar label={label} share={share} tone={tone} />
      {note ? <div className="small muted">{note}</div> : null}
    </div>
  );
}

/** Only the bar. `share` null: how far is not known. */
export function Bar({
  label,
  share,
  tone = "accent",
}: {
  label: string;
  share: number | null;
  tone?: ProgressProps["tone"];
}) {
  const value = share === null ? {} : { "aria-valuenow": Math.round(share * 100) };
  return (
    <div className={`bar fill-${tone}`} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} {...value}>
      {share === null ? <span className="bar-unknown" /> : <span style={{ width: `${share * 100}%` }} />}
    </div>
  );
}
