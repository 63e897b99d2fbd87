// The queue, by risk: worst first, as repair takes it.

import type { Level, Repair } from "../../api/types";
import { CapacityBar } from "../../components/CapacityBar";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { LevelBadge, StatusBadge } from "../../components/StatusBadge";
import { OkIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

const ORDER = ["unavailable", "at_risk", "degraded"];
const COLORS: Record<string, string> = { unavailable: "danger-solid", at_risk: "danger-solid", degraded: "warn-solid" };
const isLevel = (level: string): level is Level => level === "whole" || ORDER.includes(level);
const rank = (level: string) => (ORDER.includes(level) ? ORDER.indexOf(level) : ORDER.length);

export function QueueCard({ repair, className }: { repair: Repair; className: string }) {
  const t = words().queue;
  const shared = common();
  const f = useFormat();
  const rows = repair.queue
    .filter((row) => row.groups > 0 && row.level !== "whole")
    .sort((a, b) => rank(a.level) - rank(b.level));
  const groups = rows.reduce((sum, row) => sum + row.groups, 0);
  return (
    <Card title={t.title} note={groups > 0 ? t.groups(groups, f.count(groups)) : t.noteNone} className={className}>
      {rows.length === 0 ? (
        <EmptyState icon={OkIcon} title={t.empty} small>
          {t.emptyMeans}
        </EmptyState>
      ) : (
        <div className="stack">
          <CapacityBar
            label={t.share}
            total={groups}
            legend={false}
            show={(value) => t.groups(value, f.count(value))}
            segments={rows.map((row) => ({
              label: isLevel(row.level) ? shared.levels[row.level] : row.level,
              value: row.groups,
              color: COLORS[row.level] ?? "idle-solid",
              hatched: row.level === "unavailable",
            }))}
          />
          <ul className="queue">
            {rows.map((row) => (
              <li key={row.level}>
                <div>
                  {isLevel(row.level) ? <LevelBadge value={row.level} /> : <StatusBadge tone="idle">{row.level}</StatusBadge>}
                  <p className="small muted">{t.levels[row.level] ?? ""}</p>
                </div>
                <p className="number">
                  <span className="strong">{t.groups(row.groups, f.count(row.groups))}</span>
                  <span className="small muted block">
                    {row.bytes_left > 0 ? t.toCopy(f.bytes(row.bytes_left)) : t.content(f.bytes(row.bytes))}
                  </span>
                </p>
              </li>
            ))}
          </ul>
        </div>
      )}
    </Card>
  );
}
