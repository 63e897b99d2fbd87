// A figure with its name; a row of them is a <dl>.

import type { ReactNode } from "react";

export interface StatProps {
  label: ReactNode;
  value: ReactNode;
  unit?: ReactNode;
  note?: ReactNode;
  tone?: "ok" | "warn" | "danger" | "idle";
  large?: boolean;
}

export function Stat({ label, value, unit, note, tone, large = false }: StatProps) {
  return (
    <div className={`stat ${large ? "large" : ""}`}>
      <dt>{label}</dt>
      <dd className={`stat-value ${tone ? `tone-${tone}` : ""}`}>
        {value}
        {unit ? <span className="stat-unit">{unit}</span> : null}
      </dd>
      {note ? <dd className="stat-note">{note}</dd> : null}
    </div>
  );
}

export const Stats = ({ children, columns }: { children: ReactNode; columns?: number }) => (
  <dl className="stats" style={columns ? { gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` } : undefined}>
    {children}
  </dl>
);

/** Names and values under each other, for details of one thing. */
export function Facts({ rows }: { rows: [label: ReactNode, value: ReactNode][] }) {
  return (
    <dl className="facts">
      {rows.map(([label, value], index) => (
        <div key={index}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
