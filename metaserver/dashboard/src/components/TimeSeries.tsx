// Values over time (uPlot): follows the theme and its own width, shows the values under the pointer, and says in words
// what the curve shows.

import { useEffect, useMemo, useRef } from "react";
import uPlot from "uplot";
import { token, useDrawnTheme } from "../app/theme";
import { useFormat, type Format } from "../format";
import { chartWords } from "../i18n/charts";

export interface Series {
  label: string;
  /** A colour token: "series-1". */
  color: string;
  values: (number | null)[];
  dashed?: boolean;
  fill?: boolean;
}

export interface TimeSeriesProps {
  label: string;
  /** Unix seconds, ascending. */
  times: number[];
  series: Series[];
  show: (value: number) => string;
  height?: number;
  /** The axis goes at least up to here. */
  least?: number;
  /** Ticks by 1024. */
  binary?: boolean;
}

/** Ticks at 1, 2, 5 (or powers of two) times the largest fitting unit, at most `count`. */
export function ticks(most: number, count: number, binary: boolean): number[] {
  const rough = most / count;
  if (!(rough > 0)) return [0];
  const base = binary ? 1024 ** Math.floor(Math.log(rough) / Math.log(1024)) : 10 ** Math.floor(Math.log10(rough));
  const steps = binary ? [1, 2, 4, 5, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1024] : [1, 2, 5, 10];
  const step = base * (steps.find((one) => one * base >= rough) ?? 1);
  const found: number[] = [];
  for (let at = 0; at <= most + step * 0.001; at += step) found.push(at);
  return found;
}

function stamp(seconds: number, span: number, f: Format): string {
  const at = seconds * 1_000;
  const options: Intl.DateTimeFormatOptions =
    span > 86_400 * 2 ? { month: "short", day: "numeric" } : { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Intl.DateTimeFormat(f.language === "zh" ? "zh-CN" : "en-US", options).format(at);
}

export function TimeSeries({ label, times, series, show, height = 180, least = 0, binary = false }: TimeSeriesProps) {
  const f = useFormat();
  const words = chartWords();
  const theme = useDrawnTheme();
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const tip = useRef<HTMLDivElement>(null);
  const latest = useRef({ show, f, series, times, least });
  latest.current = { show, f, series, times, least };

  const shape = series.map((one) => `${one.label}|${one.color}|${one.dashed ?? ""}|${one.fill ?? ""}`).join("\n");
  const data = useMemo(() => [times, ...series.map((one) => one.values)] as uPlot.AlignedData, [times, series]);

  useEffect(() => {
    const at = frame.current;
    if (!at) return undefined;
    const ink = token("--text-3");
    const font = `11.5px ${getComputedStyle(document.body).fontFamily}`;
    const line = token("--line");
    const options: uPlot.Options = {
      width: Math.max(at.clientWidth, 100),
      height,
      legend: { show: false },
      padding: [8, 20, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
      scales: {
        x: { time: true },
        y: { range: (_, __, max) => [0, Math.max((max ?? 0) * 1.12, latest.current.least, 1e-9)] },
      },
      axes: [
        {
          stroke: ink,
          font,
          grid: { show: false },
          ticks: { stroke: line, size: 4, width: 1 },
          size: 26,
          gap: 3,
          space: 74,
          values: (self, splits) => {
            const span = (self.scales["x"]?.max ?? 0) - (self.scales["x"]?.min ?? 0);
            return splits.map((split) => stamp(split, span, latest.current.f));
          },
        },
        {
          stroke: ink,
          font,
          grid: { stroke: line, width: 1 },
          ticks: { show: false },
          border: { show: false },
          size: 76,
          gap: 8,
          splits: (_, __, ___, max) => ticks(max, 4, binary),
          values: (_, splits) => splits.map((split) => latest.current.show(split)),
        },
      ],
      series: [
        {},
        ...latest.current.series.map((one): uPlot.Series => {
          const stroke = token(`--${one.color}`);
          return {
            label: one.label,
            stroke,
            width: 1.6,
            points: { show: false },
            spanGaps: false,
            ...(one.dashed ? { dash: [5, 4] } : {}),
            ...(one.fill ? { fill: `${stroke}1c` } : {}),
          };
        }),
      ],
      hooks: { setCursor: [(self) => drawTip(self)] },
    };
    function drawTip(self: uPlot): void {
      const bubble = tip.current;
      if (!bubble) return;
      const { idx, left = -1 } = self.cursor;
      const now = latest.current;
      const when = idx === null || idx === undefined ? undefined : now.times[idx];
      if (left < 0 || when === undefined || idx === null || idx === undefined) {
        bubble.hidden = true;
        return;
      }
      bubble.hidden = false;
      const rows: Node[] = [];
      const head = document.createElement("div");
      head.className = "muted";
      head.textContent = now.f.dateTime(when * 1_000);
      rows.push(head);
      for (const one of now.series) {
        const value = one.values[idx];
        const row = document.createElement("div");
        const dot = document.createElement("i");
        dot.style.backgroundColor = `var(--${one.color})`;
        const name = document.createElement("span");
        name.textContent = one.label;
        const figure = document.createElement("b");
        figure.textContent = value === null || value === undefined ? "–" : now.show(value);
        row.append(dot, name, figure);
        rows.push(row);
      }
      bubble.replaceChildren(...rows);
      const width = self.over.clientWidth;
      const offset = self.over.offsetLeft;
      const beside = left > width / 2 ? left - bubble.offsetWidth - 12 : left + 12;
      bubble.style.transform = `translate(${Math.max(0, beside + offset)}px, 8px)`;
    }
    const made = new uPlot(options, [latest.current.times, ...latest.current.series.map((one) => one.values)] as uPlot.AlignedData, at);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = at.clientWidth;
      if (width > 0 && width !== made.width) made.setSize({ width, height });
    });
    observer.observe(at);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, theme, height, binary, f.language]);

  useEffect(() => {
    plot.current?.setData(data);
  }, [data]);

  const summary = series.map((one) => {
    const known = one.values.filter((value): value is number => value !== null);
    const last = known.at(-1);
    if (last === undefined) return `${one.label}: ${words.nothing}`;
    const [low, high] = [known.reduce((a, b) => Math.min(a, b)), known.reduce((a, b) => Math.max(a, b))];
    return words.summary(one.label, show(last), show(low), show(high));
  });
  return (
    <figure className="time-series">
      <ul className="legend">
        {series.map((one) => {
          const last = one.values.at(-1);
          return (
            <li key={one.label}>
              <i className={one.dashed ? "dashed" : ""} style={{ backgroundColor: `var(--${one.color})` }} />
              <span className="muted">{one.label}</span>
              <span className="strong nowrap">{last === null || last === undefined ? "–" : show(last)}</span>
            </li>
          );
        })}
      </ul>
      <div className="time-series-frame" style={{ minHeight: height }} aria-hidden="true">
        <div ref={frame} />
        <div ref={tip} className="time-series-tip" hidden />
      </div>
      <figcaption className="hidden-text">
        {label}. {summary.join(". ")}
      </figcaption>
    </figure>
  );
}
