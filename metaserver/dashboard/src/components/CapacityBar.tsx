// How a whole is divided: a bar in segments, with a legend that gives each part in words and figures.

import { useFormat } from "../format";

export interface Segment {
  label: string;
  value: number;
  /** A colour token without the dashes: "series-1", "line-strong". */
  color: string;
  hatched?: boolean;
}

export interface CapacityBarProps {
  label: string;
  segments: Segment[];
  total: number;
  legend?: boolean;
  thin?: boolean;
  show?: (value: number) => string;
}

export function CapacityBar({ label, segments, total, legend = true, thin = false, show }: CapacityBarProps) {
  const f = useFormat();
  const say = show ?? f.bytes;
  const parts = segments.filter((segment) => segment.value > 0);
  const summary = parts.map((part) => `${part.label} ${say(part.value)}`).join(", ");
  return (
    <div className="capacity">
      <div className={`capacity-bar ${thin ? "thin" : ""}`} role="img" aria-label={`${label}: ${summary}`}>
        {parts.map((part) => (
          <span
            key={part.label}
            className={part.hatched ? "hatched" : ""}
            style={{ width: `${total > 0 ? (part.value / total) * 100 : 0}%`, backgroundColor: `var(--${part.color})` }}
          />
        ))}
      </div>
      {legend ? (
        <ul className="legend">
          {segments.map((part) => (
            <li key={part.label}>
              <i className={part.hatched ? "hatched" : ""} style={{ backgroundColor: `var(--${part.color})` }} />
              <span className="muted">{part.label}</span>
              <span className="strong nowrap">{say(part.value)}</span>
            </li>
          ))}
        </ul>
      ) : null}
    </div>
  );
}
