// How many groups, and how much in them, are how close to loss. Each tile filters the table.

import type { GroupsSummary, Level } from "../../api/types";
import { Skeleton } from "../../components/Skeleton";
import { LevelBadge, toneOfLevel } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { LEVELS, type ChangeFilters, type GroupFilters } from "./filters";
import { words } from "./text";

interface Props {
  summary: GroupsSummary | undefined;
  filters: GroupFilters;
  change: ChangeFilters;
}

export function LevelTiles({ summary, filters, change }: Props) {
  const t = words();
  return (
    <section className="card pg-levels" aria-label={t.levelsTitle}>
      {LEVELS.map((level) => (
        <Tile key={level} level={level} summary={summary} on={filters.level === level} change={change} />
      ))}
    </section>
  );
}

function Tile({ level, summary, on, change }: { level: Level; summary: Props["summary"]; on: boolean; change: ChangeFilters }) {
  const t = words();
  const f = useFormat();
  const amount = summary?.by_level[level] ?? { groups: 0, bytes: 0 };
  const share = summary && summary.total > 0 ? amount.groups / summary.total : 0;
  const quiet = amount.groups === 0 && level !== "whole";
  return (
    <button
      type="button"
      className={`pg-level level-${level} ${quiet ? "is-quiet" : ""}`}
      aria-pressed={on}
      onClick={() => change({ level: on ? "" : level })}
    >
      <LevelBadge value={level} />
      {summary ? (
        <span className={`pg-level-count ${quiet ? "" : `tone-${toneOfLevel[level]}`}`}>
          {f.count(amount.groups)}
          <span className="hidden-text"> {t.inGroups}</span>
        </span>
      ) : (
        <Skeleton height={36} width={80} />
      )}
      <span className="small muted">
        {f.bytes(amount.bytes)} · {t.ofAll(f.percent(share))}
      </span>
      <span className="small muted pg-level-means">{t.levelMeans[level]}</span>
      <span className="hidden-text">{t.onlyThese}</span>
    </button>
  );
}
