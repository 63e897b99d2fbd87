// Throughput, latency, operations and space over time.

import { useState } from "react";
import type { HistoryRange, Overview, Rates } from "../../api/types";
import { Card } from "../../components/Card";
import { Segmented } from "../../components/Segmented";
import { Skeleton } from "../../components/Skeleton";
import { TimeSeries, type Series } from "../../components/TimeSeries";
import { useFormat } from "../../format";
import { useHistory } from "./series";
import { words } from "./text";

const RANGES: HistoryRange[] = ["1h", "24h", "30d", "1y"];
const HEIGHT = 176;

export function PerformanceCard({ overview }: { overview: Overview }) {
  const t = words().performance;
  const f = useFormat();
  const [range, setRange] = useState<HistoryRange>("1h");
  const { times, points, completeSince, loading } = useHistory(range, overview);
  const io = (of: (rates: Rates) => number) => points.map((point) => (point.io ? of(point.io) : null));
  const one = (label: string, color: string, values: (number | null)[], more: Partial<Series> = {}): Series => ({
    label,
    color,
    values,
    ...more,
  });
  const perSecond = (value: number) => t.perSecond(f.compact(value));
  const charts = [
    {
      title: t.throughput,
      show: f.rate,
      least: 1024 * 1024,
      binary: true,
      series: [
        one(t.read, "series-1", io((rates) => rates.read_bytes), { fill: true }),
        one(t.write, "series-2", io((rates) => rates.write_bytes)),
      ],
    },
    {
      title: t.latency,
      show: f.latency,
      least: 2,
      binary: false,
      series: [
        one(t.read, "series-1", io((rates) => rates.read_ms)),
        one(t.write, "series-2", io((rates) => rates.write_ms)),
        one(t.meta, "series-3", io((rates) => rates.meta_ms)),
      ],
    },
    {
      title: t.operations,
      show: perSecond,
      least: 10,
      binary: false,
      series: [
        one(t.read, "series-1", io((rates) => rates.read_ops)),
        one(t.write, "series-2", io((rates) => rates.write_ops)),
        one(t.meta, "series-3", io((rates) => rates.meta_ops)),
      ],
    },
    {
      title: t.space,
      show: f.bytes,
      least: 1024 ** 3,
      binary: true,
      series: [
        one(t.rawUsed, "series-1", points.map((point) => point.raw_used_bytes), { fill: true }),
        one(t.rawTotal, "idle-solid", points.map((point) => point.raw_bytes), { dashed: true }),
      ],
    },
  ];
  const begins = completeSince !== null && times[0] !== undefined && Date.parse(completeSince) / 1000 > times[0] + 60;
  return (
    <Card
      title={t.title}
      note={begins ? `${t.note} · ${t.complete(f.dateTime(completeSince))}` : t.note}
      aside={
        <Segmented
          label={t.range}
          value={range}
          onChange={setRange}
          options={RANGES.map((value) => ({ value, label: t.ranges[value] }))}
        />
      }
    >
      <div className="charts">
        {charts.map((chart) => (
          <div key={chart.title} className="chart">
            <h3 className="chart-title">{chart.title}</h3>
            {loading ? (
              <Skeleton height={HEIGHT + 26} />
            ) : (
              <TimeSeries
                label={chart.title}
                times={times}
                series={chart.series}
                show={chart.show}
                least={chart.least}
                binary={chart.binary}
                height={HEIGHT}
              />
            )}
          </div>
        ))}
      </div>
    </Card>
  );
}
