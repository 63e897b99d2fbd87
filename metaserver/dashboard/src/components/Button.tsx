// A button. One that is not allowed stays reachable by keyboard and says why.

import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Tooltip } from "./Tooltip";
import type { Icon } from "./icons";

export type ButtonKind = "primary" | "plain" | "quiet" | "danger";

export interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "disabled" | "title"> {
  kind?: ButtonKind;
  small?: boolean;
  icon?: Icon;
  /** Only the icon is shown; `children` is its name. */
  iconOnly?: boolean;
  busy?: boolean;
  disabled?: boolean;
  /** Why it cannot be used now: shown as tooltip, makes it disabled. */
  refused?: string | null | undefined;
  children: ReactNode;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({
  kind = "plain",
  small = false,
  icon: Drawing,
  iconOnly = false,
  busy = false,
  disabled = false,
  refused,
  className = "",
  children,
  onClick,
  ...rest
}: ButtonProps) {
  const off = disabled || busy || Boolean(refused);
  const classes = `button ${kind}${small ? " is-small" : ""}${iconOnly ? " icon-only" : ""} ${className}`;
  const button = (
    <button
      type="button"
      {...rest}
      className={classes}
      aria-disabled={off || undefined}
      aria-busy={busy || undefined}
      onClick={(event) => {
        if (off) event.preventDefault();
        else onClick?.(event);
      }}
    >
      {Drawing ? <Drawing size={small ? 14 : 16} /> : null}
      {iconOnly ? <span className="hidden-text">{children}</span> : <span>{children}</span>}
      {busy ? <span className="button-busy" aria-hidden="true" /> : null}
    </button>
  );
  if (refused) return <Tooltip text={refused}>{button}</Tooltip>;
  if (iconOnly) return <Tooltip text={children}>{button}</Tooltip>;
  return button;
}
