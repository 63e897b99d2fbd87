// The map with its legend and order.

import type { UseQueryResult } from "@tanstack/react-query";
import { useCallback, useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Failure } from "../../api/client";
import type { GroupsMap as MapData, GroupsSummary } from "../../api/types";
import { Card } from "../../components/Card";
import { FailureNote } from "../../components/FailureNote";
import { Segmented } from "../../components/Segmented";
import { Skeleton } from "../../components/Skeleton";
import { common } from "../../i18n/common";
import { AILING, LEVELS, type GroupFilters } from "./filters";
import { GroupsMap } from "./GroupsMap";
import { LEVEL_OF, type Order } from "./mapLayout";
import { words } from "./text";

const HEIGHT = 320;

interface Props {
  map: UseQueryResult<MapData, Failure>;
  summary: GroupsSummary | undefined;
  filters: GroupFilters;
}

export function MapCard({ map, summary, filters }: Props) {
  const t = words();
  const c = common();
  const [, go] = useLocation();
  const [order, setOrder] = useState<Order>("id");
  const names = useMemo(() => new Map(summary?.by_class.map((one) => [one.class, one.name])), [summary]);
  const data = map.data;
  const { level, class: cls, pg } = filters;
  const dimmed = useCallback(
    (index: number) => {
      if (!data) return false;
      if (level === AILING && data.level[index] === "w") return true;
      if (level && level !== AILING && LEVEL_OF[data.level[index] ?? ""] !== level) return true;
      if (cls && String(data.class[index]) !== cls) return true;
      return Boolean(pg) && String(data.ids[index]) !== pg;
    },
    [data, level, cls, pg],
  );
  return (
    <Card
      title={t.mapTitle}
      note={t.mapNote}
      className="two-thirds"
      aside={
        <Segmented<Order>
          label={t.mapOrder}
          value={order}
          onChange={setOrder}
          options={(["id", "level", "class"] as const).map((value) => ({ value, label: t.orders[value] }))}
        />
      }
    >
      <div className="stack">
        {map.error && !data ? <FailureNote failure={map.error} onRetry={() => void map.refetch()} /> : null}
        {!data && !map.error ? <Skeleton height={HEIGHT} /> : null}
        {data ? (
          <GroupsMap
            map={data}
            order={order}
            height={HEIGHT}
            className={(id) => names.get(id) ?? String(id)}
            dimmed={dimmed}
            onOpen={(id) => go(`/groups/${id}`)}
          />
        ) : null}
        <ul className="legend" aria-label={t.legend}>
          {LEVELS.map((one) => (
            <li key={one}>
              <i className={`pg-swatch level-${one}`} />
              <span>{c.levels[one]}</span>
            </li>
          ))}
        </ul>
      </div>
    </Card>
  );
}
