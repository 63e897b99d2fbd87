// A remark set off from the text: information, a warning, a danger.

import type { ReactNode } from "react";
import { DangerIcon, InfoIcon, OkIcon, WarningIcon, type Icon } from "./icons";

type Tone = "info" | "ok" | "warn" | "danger";
const SHAPES: Record<Tone, Icon> = { info: InfoIcon, ok: OkIcon, warn: WarningIcon, danger: DangerIcon };

export interface NoteProps {
  tone?: Tone;
  title?: ReactNode;
  children?: ReactNode;
  action?: ReactNode;
  role?: "status" | "alert";
}

export function Note({ tone = "info", title, children, action, role }: NoteProps) {
  const Shape = SHAPES[tone];
  return (
    <div className={`note ${tone}`} role={role}>
      <Shape />
      <div className="grow">
        {title ? <p className="strong">{title}</p> : null}
        {children}
      </div>
      {action}
    </div>
  );
}
