// What is to be restored, how far that is, and which groups are closest to loss.

import { useLiveGet } from "../../api/queries";
import type { Repair } from "../../api/types";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { Skeleton } from "../../components/Skeleton";
import { EventsCard } from "./EventsCard";
import { LimitsCard } from "./LimitsCard";
import { ProgressCard } from "./ProgressCard";
import { QueueCard } from "./QueueCard";
import { RiskCard } from "./RiskCard";
import { words } from "./text";

export function RepairTab() {
  const t = words();
  const { data, error, refetch } = useLiveGet<Repair>("/repair", "repair");
  if (error && !data) return <FailureNote failure={error} onRetry={() => void refetch()} />;
  if (!data) {
    return (
      <div className="stack" aria-busy="true">
        <Skeleton height={180} />
        <Skeleton height={260} />
      </div>
    );
  }
  return (
    <div className="stack spaced">
      {data.held ? (
        <Note tone="danger" role="status" title={t.queue.heldTitle}>
          {t.queue.held}
        </Note>
      ) : null}
      <div className="grid">
        <QueueCard repair={data} className="two-thirds" />
        <ProgressCard repair={data} className="third" />
        <RiskCard repair={data} />
        <EventsCard className="two-thirds" />
        <LimitsCard repair={data} className="third" />
      </div>
    </div>
  );
}
