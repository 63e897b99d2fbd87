// The cluster in a handful of figures.

import type { Overview } from "../../api/types";
import { Stat, Stats } from "../../components/Stat";
import { useFormat } from "../../format";
import { words } from "./text";

export function FactsRow({ overview }: { overview: Overview }) {
  const t = words().facts;
  const f = useFormat();
  const { nodes, disks, capacity } = overview;
  const away = nodes.total - nodes.alive;
  const silent = disks.total - disks.alive - disks.full - disks.failed;
  const wrong = [
    disks.failed > 0 ? t.failed(f.count(disks.failed)) : null,
    silent > 0 ? t.away(f.count(silent)) : null,
    disks.full > 0 ? t.full(f.count(disks.full)) : null,
  ].filter((part) => part !== null);
  return (
    <div className="card facts-row">
      <Stats>
        <Stat
          label={t.nodes}
          value={f.count(nodes.alive)}
          unit={`/ ${f.count(nodes.total)}`}
          note={away > 0 ? t.away(f.count(away)) : t.allWell}
          {...(away > 0 ? { tone: "danger" as const } : {})}
        />
        <Stat
          label={t.disks}
          value={f.count(disks.alive)}
          unit={`/ ${f.count(disks.total)}`}
          note={wrong.length > 0 ? f.list(wrong) : t.allWell}
          {...(wrong.length > 0 ? { tone: "warn" as const } : {})}
        />
        <Stat label={t.files} value={f.compact(capacity.files)} note={t.chunks(f.compact(capacity.chunks))} />
        <Stat label={t.clients} value={f.count(overview.sessions)} />
        <Stat label={t.uptime} value={f.duration(overview.uptime_seconds)} note={t.epoch(f.count(overview.map_epoch))} />
      </Stats>
    </div>
  );
}
