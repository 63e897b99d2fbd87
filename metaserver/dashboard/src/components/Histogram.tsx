// How many there are of each size: bars, and if wanted a second set over them (before and after).

import { useId } from "react";

export interface Bin {
  /** Under the bar. */
  label: string;
  value: number;
  /** Outlined over the bar: what it will be. */
  after?: number;
  /** For those who listen, and on hover. */
  title: string;
}

export interface HistogramProps {
  label: string;
  bins: Bin[];
  height?: number;
  /** Every how many bins a label stands under. */
  every?: number;
  caption?: string;
}

export function Histogram({ label, bins, height = 160, every = 1, caption }: HistogramProps) {
  const id = useId();
  const most = Math.max(1, ...bins.map((bin) => Math.max(bin.value, bin.after ?? 0)));
  const share = (value: number) => `${(value / most) * 100}%`;
  return (
    <figure className="histogram" aria-labelledby={id}>
      <figcaption id={id} className="hidden-text">
        {label}
      </figcaption>
      <p className="histogram-most small muted" aria-hidden="true">
        {most}
      </p>
      <ol className="histogram-bars" style={{ height }}>
        {bins.map((bin) => (
          <li key={bin.label} title={bin.title}>
            <span className="hidden-text">{bin.title}</span>
            <span className="histogram-bar" style={{ height: share(bin.value) }} />
            {!bin.after ? null : <span className="histogram-after" style={{ height: share(bin.after) }} />}
          </li>
        ))}
      </ol>
      <div className="histogram-axis small muted" aria-hidden="true">
        {bins.map((bin, index) => (
          <span key={bin.label}>{index % every === 0 ? bin.label : ""}</span>
        ))}
      </div>
      {caption ? <p className="small muted">{caption}</p> : null}
    </figure>
  );
}
