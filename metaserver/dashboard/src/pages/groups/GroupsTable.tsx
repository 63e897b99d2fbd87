// The groups as rows, fetched page by page, filtered by the server.

import { useCallback } from "react";
import { useLocation } from "wouter";
import { usePages } from "../../api/pages";
import type { GroupsSummary, GroupView } from "../../api/types";
import { Card } from "../../components/Card";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SearchIcon } from "../../components/icons";
import { Button } from "../../components/Button";
import { Pager } from "../../components/Pager";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { LevelBadge } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { FilterBar } from "./FilterBar";
import { isNumber, queryOf, type ChangeFilters, type GroupFilters } from "./filters";
import { StateBadge } from "./state";
import { words } from "./text";

interface Props {
  classes: GroupsSummary["by_class"] | undefined;
  filters: GroupFilters;
  change: ChangeFilters;
}

export function GroupsTable({ classes, filters, change }: Props) {
  const t = words();
  const f = useFormat();
  const [, go] = useLocation();
  const columns = useColumns();
  const one = isNumber(filters.pg) ? Number(filters.pg) : null;
  const pages = usePages<GroupView>("/groups", queryOf(filters), { every: 10_000, ...(one === null ? {} : { limit: 1 }) });
  const found = one === null ? pages : { ...pages, more: false, items: pages.items?.filter((group) => group.id === one) };
  const open = useCallback((row: GroupView) => go(`/groups/${row.id}`), [go]);
  const { items, failure } = found;
  return (
    <Card title={t.tableTitle} flush>
      <FilterBar classes={classes} filters={filters} change={change} />
      {failure && !items ? (
        <div className="pad">
          <FailureNote failure={failure} onRetry={found.again} />
        </div>
      ) : null}
      {!items && !failure ? (
        <div className="pad">
          <SkeletonLines lines={8} height={22} />
        </div>
      ) : null}
      {items ? (
        <DataTable<GroupView>
          label={t.tableTitle}
          columns={columns}
          rows={items}
          rowKey={(row) => row.id}
          onOpen={open}
          onEnd={found.goOn}
          height={560}
          rowTone={(row) => (row.level === "at_risk" || row.level === "unavailable" ? "danger" : row.level === "degraded" ? "warn" : undefined)}
          empty={
            <EmptyState
              icon={SearchIcon}
              title={t.nothingFound}
              small
              action={
                <Button small onClick={() => change({ level: "", state: "", class: "", disk: "", node: "", pg: "" })}>
                  {t.clearAll}
                </Button>
              }
            />
          }
        />
      ) : null}
      {items && items.length > 0 ? (
        <Pager
          shown={t.found(f.count(items.length), found.more)}
          more={found.more}
          busy={found.fetching}
          onMore={found.goOn}
        />
      ) : null}
    </Card>
  );
}

function useColumns(): Column<GroupView>[] {
  const t = words();
  const f = useFormat();
  return [
    { id: "id", title: t.columns.id, width: "72px", cell: (row) => <span className="strong">{row.id}</span> },
    { id: "level", title: t.columns.level, width: "112px", cell: (row) => <LevelBadge value={row.level} /> },
    { id: "state", title: t.columns.state, width: "minmax(142px, 1.2fr)", cell: (row) => (row.state === "whole" ? <span className="muted">{t.states["whole"]}</span> : <StateBadge value={row.state} />) },
    { id: "class", title: t.columns.class, width: "minmax(110px, 1fr)", cell: (row) => <SafeText value={row.class_name} most={24} /> },
    { id: "spare", title: t.columns.spare, width: "58px", number: true, cell: (row) => (row.spare < 0 ? "–" : f.count(row.spare)) },
    {
      id: "members",
      title: t.columns.members,
      width: "minmax(150px, 1.4fr)",
      cell: (row) => <MemberDots group={row} />,
    },
    { id: "bytes", title: t.columns.bytes, width: "92px", number: true, cell: (row) => f.bytes(row.bytes) },
    { id: "left", title: t.columns.left, width: "92px", number: true, cell: (row) => (row.bytes_left > 0 ? f.bytes(row.bytes_left) : "–") },
    { id: "since", title: t.columns.since, width: "minmax(104px, 0.7fr)", cell: (row) => <span className="muted">{row.since ? f.ago(row.since) : "–"}</span> },
  ];
}

/** The disks; those that are not whole are set apart by a line and in words. */
function MemberDots({ group }: { group: GroupView }) {
  const t = words();
  return (
    <span className="pg-members-short">
      {group.members.map((member) => {
        const whole = member.condition === "whole";
        const said = t.condition[member.condition] ?? member.condition;
        return (
          <span key={`${member.disk}/${member.shard}`} className={whole ? "" : "is-ill"} title={whole ? undefined : said}>
            {member.disk}
            {whole ? null : <span className="hidden-text"> ({said})</span>}
          </span>
        );
      })}
    </span>
  );
}
