// All groups: how close to loss, what is done about it, a map, and a table.

import { useGet } from "../../api/queries";
import type { GroupsMap, GroupsSummary } from "../../api/types";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { GroupsIcon } from "../../components/icons";
import { Breakdown } from "./Breakdown";
import { useGroupFilters } from "./filters";
import { GroupsTable } from "./GroupsTable";
import { LevelTiles } from "./LevelTiles";
import { MapCard } from "./MapCard";
import { words } from "./text";

export function GroupsAll() {
  const t = words();
  const [filters, change] = useGroupFilters();
  const summary = useGet<GroupsSummary>("/groups/summary", {}, { every: 5_000 });
  const map = useGet<GroupsMap>("/groups/map", {}, { every: 15_000 });
  const none = summary.data?.total === 0;
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t.title}</h1>
          <p>{t.lead}</p>
        </div>
      </header>
      {summary.error && !summary.data ? (
        <FailureNote failure={summary.error} onRetry={() => void summary.refetch()} />
      ) : null}
      {none ? (
        <section className="card">
          <EmptyState icon={GroupsIcon} title={t.none}>
            {t.noneBody}
          </EmptyState>
        </section>
      ) : (
        <div className="grid">
          <LevelTiles summary={summary.data} filters={filters} change={change} />
          <MapCard map={map} summary={summary.data} filters={filters} />
          <Breakdown summary={summary.data} filters={filters} change={change} />
          <GroupsTable classes={summary.data?.by_class} filters={filters} change={change} />
        </div>
      )}
    </div>
  );
}
