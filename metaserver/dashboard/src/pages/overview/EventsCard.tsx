// What happened lately, from the journal.

import { useCallback, useState } from "react";
import { Link } from "wouter";
import { pages } from "../../app/pages";
import { useTopic } from "../../api/live";
import { forget, useGet } from "../../api/queries";
import type { AuditEntry, Page } from "../../api/types";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { AuditIcon, DangerIcon, EditIcon, InfoIcon, OkIcon, WarningIcon, type Icon } from "../../components/icons";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

const SHOWN = 12;

function look(entry: AuditEntry): [Icon, string] {
  if (entry.outcome === "refused") return [WarningIcon, "warn"];
  if (entry.kind !== "event") return [EditIcon, "idle"];
  if (/failed|damage/.test(entry.action)) return [DangerIcon, "danger"];
  if (/down|out|suspect|lost/.test(entry.action)) return [WarningIcon, "warn"];
  if (/up|done|join/.test(entry.action)) return [OkIcon, "ok"];
  return [InfoIcon, "idle"];
}

export function EventsCard({ className }: { className: string }) {
  const t = words().events;
  const query = { kind: "event,change", limit: SHOWN };
  const { data, error, refetch } = useGet<Page<AuditEntry>>("/audit", query, { every: 30_000 });
  const [, seen] = useState(0);
  useTopic("audit", useCallback(() => void forget("/audit").then(() => seen((n) => n + 1)), []));
  const all = pages.some((page) => page.id === "audit");
  return (
    <Card
      title={t.title}
      className={className}
      aside={
        all ? (
          <Link href="/audit" className="small">
            {t.all}
          </Link>
        ) : null
      }
    >
      {error && !data ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonLines lines={8} height={20} /> : null}
      {data && data.items.length === 0 ? <EmptyState icon={AuditIcon} title={t.none} small /> : null}
      <ul className="events">{data?.items.slice(0, SHOWN).map((entry) => <EventRow key={entry.seq} entry={entry} />)}</ul>
    </Card>
  );
}

function EventRow({ entry }: { entry: AuditEntry }) {
  const t = words().events;
  const f = useFormat();
  const { action } = useServerTexts();
  const [Shape, tone] = look(entry);
  const who = entry.actor.kind === "system" ? "" : entry.actor.name;
  return (
    <li className="event">
      <span className={`tone-${tone}`}>
        <Shape size={14} />
      </span>
      <p className="grow">
        <SafeText value={action(entry)} most={110} />
        {entry.outcome === "refused" ? <span className="tone-warn"> ({t.refused})</span> : null}
        {who ? (
          <span className="muted">
            {" "}
            · <SafeText value={who} most={24} />
          </span>
        ) : null}
      </p>
      <time className="small muted nowrap" dateTime={entry.at} title={f.dateTime(entry.at)}>
        {f.ago(entry.at)}
      </time>
    </li>
  );
}
