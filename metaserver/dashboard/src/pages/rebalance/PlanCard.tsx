// What would be moved now: figures, the moves, and each disk before and after.

import { useState } from "react";
import type { Failure } from "../../api/client";
import type { BalancePlan } from "../../api/types";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { Segmented } from "../../components/Segmented";
import { Skeleton } from "../../components/Skeleton";
import { Stat, Stats } from "../../components/Stat";
import { Explained } from "../../components/Tooltip";
import { OkIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { DiskTable } from "./DiskTable";
import { MoveTable } from "./MoveTable";
import { words } from "./text";

interface PlanCardProps {
  plan: BalancePlan | undefined;
  failure: Failure | null;
  onRetry: () => void;
}

export function PlanCard({ plan, failure, onRetry }: PlanCardProps) {
  const t = words().plan;
  const f = useFormat();
  const [view, setView] = useState<"moves" | "disks">("moves");
  const empty = plan && plan.moves_total === 0;
  return (
    <Card
      title={t.title}
      note={t.note}
      flush
      aside={
        plan ? (
          <Segmented
            label={t.views.label}
            value={view}
            onChange={setView}
            options={[
              { value: "moves", label: t.views.moves },
              { value: "disks", label: t.views.disks },
            ]}
          />
        ) : null
      }
    >
      <div className="plan-head stack">
        {failure && !plan ? <FailureNote failure={failure} onRetry={onRetry} /> : null}
        {!plan && !failure ? <Skeleton height={60} /> : null}
        {plan && !plan.measured ? <Note tone="warn">{t.counting}</Note> : null}
        {plan && !empty ? <Figures plan={plan} /> : null}
        {plan?.cut_short ? <Note>{t.cutShort}</Note> : null}
        {plan && !empty ? <Proof plan={plan} /> : null}
      </div>
      {plan && view === "disks" ? <DiskTable plan={plan} /> : null}
      {plan && view === "moves" && !empty ? (
        <>
          <MoveTable plan={plan} />
          <p className="plan-foot small muted">
            {plan.moves.length < plan.moves_total
              ? t.shown(f.count(plan.moves.length), f.count(plan.moves_total))
              : t.all(plan.moves_total, f.count(plan.moves_total))}
          </p>
        </>
      ) : null}
      {empty && view === "moves" ? (
        <EmptyState icon={OkIcon} title={t.even}>
          {t.evenMeans(f.percent(plan.spread_before))}
        </EmptyState>
      ) : null}
    </Card>
  );
}

/** Said only of what these figures show. */
function Proof({ plan }: { plan: BalancePlan }) {
  const t = words().plan;
  const over = plan.disks.filter((disk) => disk.peak_bytes > disk.cap_bytes).length;
  if (over > 0) return <Note tone="danger">{t.over(over)}</Note>;
  return (
    <p className="small tone-ok row">
      <OkIcon size={14} />
      <span>{t.proof}</span>
    </p>
  );
}

function Figures({ plan }: { plan: BalancePlan }) {
  const t = words().plan;
  const f = useFormat();
  const bytes = f.bytesParts(plan.bytes);
  const least = f.bytesParts(plan.least_bytes);
  return (
    <Stats>
      <Stat label={t.bytes} value={bytes.number} unit={bytes.unit} />
      <Stat label={<Explained text={t.leastMeans}>{t.least}</Explained>} value={least.number} unit={least.unit} />
      <Stat label={t.moves} value={f.count(plan.moves_total)} />
      <Stat label={t.eta} value={plan.eta_seconds === null ? t.etaUnknown : f.duration(plan.eta_seconds)} />
    </Stats>
  );
}
