// Nothing to show: why, and what to do.

import type { ReactNode } from "react";
import type { Icon } from "./icons";

export interface EmptyStateProps {
  icon?: Icon;
  title: ReactNode;
  children?: ReactNode;
  action?: ReactNode;
  small?: boolean;
}

export function EmptyState({ icon: Drawing, title, children, action, small = false }: EmptyStateProps) {
  return (
    <div className={`empty ${small ? "is-small" : ""}`}>
      {Drawing ? (
        <span className="empty-icon">
          <Drawing size={small ? 18 : 22} />
        </span>
      ) : null}
      <p className="strong">{title}</p>
      {children ? <div className="muted">{children}</div> : null}
      {action ? <div className="empty-action">{action}</div> : null}
    </div>
  );
}
