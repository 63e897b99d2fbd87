// What repair did.

import { useGet } from "../../api/queries";
import type { List, RepairEvent } from "../../api/types";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SkeletonLines } from "../../components/Skeleton";
import { ClockIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

const SHOWN = 20;

export function EventsCard({ className }: { className: string }) {
  const t = words();
  const f = useFormat();
  const { phrase } = useServerTexts();
  const { data, error, refetch } = useGet<List<RepairEvent>>("/repair/history", {}, { every: 15_000 });
  const said = (event: RepairEvent) => {
    const text = Object.hasOwn(t.kinds, event.kind) ? t.kinds[event.kind] : undefined;
    return text ? text(event.params) : phrase(event.message);
  };
  return (
    <Card title={t.history.title} className={className}>
      {error && !data ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonLines lines={5} /> : null}
      {data?.items.length === 0 ? <EmptyState icon={ClockIcon} title={t.history.none} small /> : null}
      <ul className="events">
        {data?.items.slice(0, SHOWN).map((event, index) => (
          <li key={`${event.at}-${index}`} className="event">
            <p className="grow">{said(event)}</p>
            <time className="small muted nowrap" dateTime={event.at} title={f.dateTime(event.at)}>
              {f.ago(event.at)}
            </time>
          </li>
        ))}
      </ul>
    </Card>
  );
}
