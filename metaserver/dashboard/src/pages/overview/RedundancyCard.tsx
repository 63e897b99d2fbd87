// How many further failures data bears, and how far repair is.

import type { Overview, Redundancy } from "../../api/types";
import { Card } from "../../components/Card";
import { CapacityBar, type Segment } from "../../components/CapacityBar";
import { DangerIcon, OkIcon, ShieldIcon, WarningIcon } from "../../components/icons";
import { StatusBadge, toneOfLevel } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

const COLORS = ["danger-solid", "warn-solid", "ok-solid"];
const colorOf = (failures: number) => (failures < 0 ? "danger-solid" : (COLORS[failures] ?? "series-3"));

function verdict(redundancy: Redundancy, t: ReturnType<typeof words>["redundancy"], bytes: (n: number) => string) {
  const of = (test: (failures: number) => boolean) =>
    redundancy.survives.filter((row) => test(row.failures)).reduce((sum, row) => sum + row.bytes, 0);
  const all = of(() => true);
  if (all === 0) return { tone: "idle", icon: ShieldIcon, text: t.nothing };
  const lost = of((failures) => failures < 0);
  if (lost > 0) return { tone: "danger", icon: DangerIcon, text: t.someUnreadable(bytes(lost)) };
  const bare = of((failures) => failures === 0);
  if (bare > 0) return { tone: "danger", icon: WarningIcon, text: t.someBare(bytes(bare)) };
  const least = Math.min(...redundancy.survives.filter((row) => row.bytes > 0).map((row) => row.failures));
  return { tone: "ok", icon: OkIcon, text: t.allBear(least) };
}

export function RedundancyCard({ overview, className }: { overview: Overview; className: string }) {
  const t = words().redundancy;
  const f = useFormat();
  const { redundancy } = overview;
  const said = verdict(redundancy, t, f.bytes);
  const segments: Segment[] = redundancy.survives.map((row) => ({
    label: row.failures < 0 ? t.unreadable : t.bears(row.failures),
    value: row.bytes,
    color: colorOf(row.failures),
    hatched: row.failures < 0,
  }));
  const total = redundancy.survives.reduce((sum, row) => sum + row.bytes, 0);
  return (
    <Card title={t.title} className={className} note={t.note}>
      <div className="stack spaced">
        <p className={`verdict tone-${said.tone}`}>
          <said.icon />
          <span>{said.text}</span>
        </p>
        <CapacityBar label={t.title} total={total} segments={segments} />
        <Levels redundancy={redundancy} />
        <Restoring redundancy={redundancy} />
      </div>
    </Card>
  );
}

function Levels({ redundancy }: { redundancy: Redundancy }) {
  const t = common();
  const f = useFormat();
  const rows = [
    ["whole", redundancy.pgs_healthy],
    ["degraded", redundancy.pgs_degraded],
    ["at_risk", redundancy.pgs_at_risk],
    ["unavailable", redundancy.pgs_unavailable],
  ] as const;
  return (
    <dl className="levels">
      {rows.map(([level, groups]) => (
        <div key={level} className={groups === 0 ? "is-none" : ""}>
          <dt>
            <StatusBadge tone={groups > 0 ? toneOfLevel[level] : "idle"} bare>
              {t.levels[level]}
            </StatusBadge>
          </dt>
          <dd>{f.count(groups)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Restoring({ redundancy }: { redundancy: Redundancy }) {
  const t = words().redundancy;
  const shared = common();
  const f = useFormat();
  if (!redundancy.measured) return <p className="small muted">{t.counting}</p>;
  if (redundancy.bytes_left === 0 && redundancy.missing_chunks === 0) {
    return <p className="small muted">{redundancy.oldest_since ? "" : t.allWhole}</p>;
  }
  const parts = [
    shared.progress.left(f.bytes(redundancy.bytes_left)),
    redundancy.rate > 0 ? f.rate(redundancy.rate) : null,
    redundancy.eta_seconds !== null ? shared.progress.eta(f.duration(redundancy.eta_seconds)) : shared.progress.etaUnknown,
  ].filter(Boolean);
  return (
    <p className="small">
      <span className="strong">{t.repairing}</span> <span className="muted">{parts.join(" · ")}</span>
    </p>
  );
}
