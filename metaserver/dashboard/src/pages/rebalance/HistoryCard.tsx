// Runs that were.

import { useMemo } from "react";
import { useGet } from "../../api/queries";
import type { BalanceRun, List } from "../../api/types";
import { Card } from "../../components/Card";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { ClockIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

export function HistoryCard() {
  const t = words().history;
  const f = useFormat();
  const { reason: say } = useServerTexts();
  const { data, error, refetch } = useGet<List<BalanceRun>>("/balance/history", {}, { every: 60_000 });
  const columns = useMemo((): Column<BalanceRun>[] => {
    const took = (run: BalanceRun) => (run.ended ? (Date.parse(run.ended) - Date.parse(run.began)) / 1000 : null);
    return [
      { id: "began", title: t.began, width: "minmax(170px, 1fr)", sort: (run) => run.began, cell: (run) => f.dateTime(run.began) },
      { id: "took", title: t.took, width: "110px", number: true, sort: took, cell: (run) => (run.ended ? f.duration(took(run) ?? 0) : t.running) },
      { id: "moves", title: t.moves, width: "80px", number: true, sort: (run) => run.moves, cell: (run) => f.count(run.moves) },
      { id: "moved", title: t.moved, width: "90px", number: true, sort: (run) => run.bytes, cell: (run) => f.bytes(run.bytes) },
      {
        id: "by",
        title: t.by,
        width: "minmax(110px, 0.7fr)",
        sort: (run) => run.by,
        cell: (run) => (run.automatic ? <span className="muted">{t.itself}</span> : <SafeText value={run.by} most={24} />),
      },
      { id: "outcome", title: t.outcome, width: "minmax(200px, 1.6fr)", cell: (run) => <span title={say(run.outcome)}>{say(run.outcome)}</span> },
    ];
  }, [t, f, say]);
  return (
    <Card title={t.title} flush>
      {error && !data ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? (
        <div className="plan-head">
          <SkeletonLines lines={4} height={20} />
        </div>
      ) : null}
      {data ? (
        <DataTable
          label={t.title}
          columns={columns}
          rows={data.items}
          rowKey={(run) => run.number}
          initialSort={{ column: "began", descending: true }}
          height={320}
          empty={<EmptyState icon={ClockIcon} title={t.none} small />}
        />
      ) : null}
    </Card>
  );
}
