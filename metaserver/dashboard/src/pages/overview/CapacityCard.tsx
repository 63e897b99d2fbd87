// How much is used, how much can still be stored, and until when.

import type { Overview } from "../../api/types";
import { CapacityBar } from "../../components/CapacityBar";
import { Card } from "../../components/Card";
import { Stat, Stats } from "../../components/Stat";
import { Explained } from "../../components/Tooltip";
import { useFormat } from "../../format";
import { words } from "./text";

const SOON_MS = 30 * 86_400_000;

export function CapacityCard({ overview, className }: { overview: Overview; className: string }) {
  const t = words().capacity;
  const f = useFormat();
  const { capacity } = overview;
  const available = f.bytesParts(capacity.available_bytes);
  const stored = f.bytesParts(capacity.stored_bytes);
  const used = capacity.raw_used_bytes;
  // What is in the trash is given before redundancy: on the disks it takes as much more as everything does.
  const overhead = capacity.stored_bytes > 0 ? used / capacity.stored_bytes : 1;
  const trash = Math.min(used, capacity.trash_bytes * overhead);
  return (
    <Card
      title={t.title}
      className={className}
      aside={
        <span className="small muted">
          {t.rawUsed(f.percent(capacity.raw_bytes > 0 ? used / capacity.raw_bytes : 0))}
        </span>
      }
    >
      <div className="stack spaced">
        <Stats columns={2}>
          <Stat
            large
            label={<Explained text={t.availableMeans}>{t.available}</Explained>}
            value={available.number}
            unit={available.unit}
          />
          <Stat large label={t.stored} value={stored.number} unit={stored.unit} />
        </Stats>
        <CapacityBar
          label={t.title}
          total={capacity.raw_bytes}
          segments={[
            { label: t.used, value: used - trash, color: "series-1" },
            { label: t.trash, value: trash, color: "idle-solid", hatched: true },
            { label: t.free, value: Math.max(0, capacity.raw_bytes - used), color: "line-strong" },
          ]}
        />
        <Forecast overview={overview} />
      </div>
    </Card>
  );
}

function Forecast({ overview }: { overview: Overview }) {
  const t = words().capacity;
  const f = useFormat();
  const { forecast } = overview.capacity;
  if (!forecast) {
    return (
      <div className="forecast">
        <p className="strong">{t.tooEarly}</p>
        <p className="small muted">{t.tooEarlyMeans}</p>
      </div>
    );
  }
  const growth = t.growth(f.bytes(forecast.growth_bytes_per_day), f.count(forecast.basis_days));
  if (!forecast.full_at) {
    return (
      <div className="forecast">
        <p className="strong">{t.never}</p>
        <p className="small muted">{forecast.growth_bytes_per_day > 0 ? growth : t.neverMeans}</p>
      </div>
    );
  }
  const soon = new Date(forecast.full_at).getTime() - Date.now() < SOON_MS;
  return (
    <div className="forecast">
      <p className={`strong ${soon ? "tone-warn" : ""}`}>
        {t.fullAt(f.day(forecast.full_at))}{" "}
        <span className="muted small normal">{t.fullIn(f.ago(forecast.full_at))}</span>
      </p>
      <p className="small muted">{growth}</p>
    </div>
  );
}
