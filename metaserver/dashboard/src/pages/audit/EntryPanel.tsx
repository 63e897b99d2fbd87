// One entry with everything that was written down, at its own address.

import { Link, useLocation } from "wouter";
import { useGet } from "../../api/queries";
import type { AuditEntry } from "../../api/types";
import { Button } from "../../components/Button";
import { CopyButton } from "../../components/CopyButton";
import { Dialog } from "../../components/Dialog";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { ArrowDownIcon, ArrowUpIcon, AuditIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { Facts } from "../../components/Stat";
import { StatusBadge } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { nameOf } from "./look";
import { words } from "./text";
import type { AuditHead } from "./types";

interface Props {
  seq: string;
  entries: AuditEntry[];
  address: (seq: number | null) => string;
  onClose: () => void;
}

/** The entry of that number, or undefined while it is fetched, or null: there is none. */
export function useEntry(seq: number, known?: AuditEntry) {
  const wanted = !known && Number.isSafeInteger(seq) && seq > 0;
  const found = useGet<AuditEntry>(`/audit/${seq}`, {}, { enabled: wanted, staleTime: 600_000 });
  const gone = !wanted || found.error?.status === 404;
  const entry = known ?? found.data ?? (gone ? null : undefined);
  return { entry, failure: gone ? null : found.error, again: () => void found.refetch() };
}

export function EntryPanel({ seq, entries, address, onClose }: Props) {
  const t = words();
  const [, go] = useLocation();
  const number = Number(seq);
  const at = entries.findIndex((one) => one.seq === number);
  const { entry, failure, again } = useEntry(number, entries[at]);
  const newer = at > 0 ? entries[at - 1] : undefined;
  const older = at >= 0 ? entries[at + 1] : undefined;
  return (
    <Dialog
      title={t.entry(seq.slice(0, 20))}
      open
      side
      onClose={onClose}
      footer={
        <>
          <Button icon={ArrowUpIcon} disabled={!newer} onClick={() => newer && go(address(newer.seq))}>
            {t.newer}
          </Button>
          <Button icon={ArrowDownIcon} disabled={!older} onClick={() => older && go(address(older.seq))}>
            {t.older}
          </Button>
        </>
      }
    >
      {failure && !entry ? <FailureNote failure={failure} onRetry={again} /> : null}
      {entry === undefined && !failure ? <SkeletonLines lines={10} height={22} /> : null}
      {entry === null ? <EmptyState icon={AuditIcon} title={t.entryGone} small /> : null}
      {entry ? <EntryFacts entry={entry} /> : null}
    </Dialog>
  );
}

function EntryFacts({ entry }: { entry: AuditEntry }) {
  const t = words();
  const f = useFormat();
  const server = useServerTexts();
  const { actor } = entry;
  const details = Object.entries(entry.details ?? {});
  const at = new Date(entry.at);
  const rows: [string, React.ReactNode][] = [
    [t.fact.action, <code>{entry.action}</code>],
    [
      t.fact.outcome,
      <StatusBadge tone={entry.outcome === "refused" ? "warn" : "ok"}>{entry.outcome === "refused" ? t.refused : t.done}</StatusBadge>,
    ],
  ];
  if (entry.message) rows.push([t.fact.message, <SafeText value={server.phrase(entry.message)} most={600} />]);
  rows.push([
    t.fact.at,
    <time dateTime={entry.at}>
      {f.dateTime(at)}
      <span className="muted block small">{t.utc(entry.at.replace("T", " ").replace("Z", ""))}</span>
    </time>,
  ]);
  rows.push([
    t.fact.kind,
    <>
      {t.kinds[entry.kind] ?? entry.kind}
      <span className="muted block small">{t.kindsMean[entry.kind]}</span>
    </>,
  ]);
  rows.push([
    t.fact.who,
    <>
      <SafeText value={nameOf(entry, t)} most={80} />
      {actor.name && actor.kind !== "system" ? (
        <Link className="block small" href={`/audit?account=${encodeURIComponent(actor.name)}`}>
          {t.sameWho}
        </Link>
      ) : null}
    </>,
  ]);
  if (actor.from) rows.push([t.fact.from, <SafeText value={actor.from} mono />]);
  if (entry.target) {
    rows.push([
      t.fact.target,
      <>
        <SafeText value={entry.target} most={400} mono />
        <Link className="block small" href={`/audit?target=${encodeURIComponent(entry.target)}`}>
          {t.sameTarget}
        </Link>
      </>,
    ]);
  }
  return (
    <div className="stack audit-entry">
      <p className="audit-sentence">
        <SafeText value={server.action(entry)} most={300} />
      </p>
      <Facts rows={rows} />
      {details.length > 0 ? (
        <section>
          <h3 className="audit-part">{t.fact.details}</h3>
          <Facts
            rows={details.map(([name, value]) => [
              <code key={name}>
                <SafeText value={name} most={40} />
              </code>,
              <SafeText key={name} value={value} most={600} mono />,
            ])}
          />
        </section>
      ) : null}
      <Hashes entry={entry} />
    </div>
  );
}

function Hashes({ entry }: { entry: AuditEntry }) {
  const t = words();
  const head = useGet<AuditHead>("/audit/head", {}, { staleTime: 60_000 });
  const oldest = head.data?.first_seq === entry.seq;
  const { entry: before } = useEntry(oldest ? 0 : entry.seq - 1);
  return (
    <section>
      <h3 className="audit-part">{t.integrity}</h3>
      <dl className="audit-hashes">
        <dt>{t.fact.hash}</dt>
        <dd>
          <code>{entry.hash}</code>
          <CopyButton text={`${entry.seq} ${entry.hash}`} label={t.headCopy} />
        </dd>
        <dt>{t.fact.before}</dt>
        <dd>
          {before ? <code>{before.hash}</code> : <span className="muted">{oldest ? t.noBefore : before === null ? t.beforeUnknown : "…"}</span>}
        </dd>
      </dl>
      <p className="small muted">{t.hashCovers}</p>
    </section>
  );
}
