// The list of entries. New ones come in front; what one looks at stays where it is.

import { useCallback, useEffect, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";
import type { AuditEntry } from "../../api/types";
import { Button } from "../../components/Button";
import { Card } from "../../components/Card";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { ArrowUpIcon, AuditIcon, SearchIcon } from "../../components/icons";
import { Pager } from "../../components/Pager";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { EntryPanel } from "./EntryPanel";
import { FilterBar } from "./FilterBar";
import { NO_FILTERS, type AuditFilters, type ChangeFilters } from "./filters";
import { look, nameOf } from "./look";
import { words } from "./text";
import { useEntries } from "./useEntries";

interface Props {
  filters: AuditFilters;
  change: ChangeFilters;
  query: Record<string, string>;
  open: string | null;
}

const DAY_MS = 86_400_000;
const keyOf = (entry: AuditEntry) => entry.seq;

export function Entries({ filters, change, query, open }: Props) {
  const t = words();
  const f = useFormat();
  const [, go] = useLocation();
  const search = useSearch();
  const scroller = useRef<HTMLDivElement>(null);
  const found = useEntries(query);
  const { items, failure } = found;
  const unseen = useUnseen(items, scroller);
  const columns = useColumns();
  const address = (seq: number | null) => `/audit${seq === null ? "" : `/${seq}`}${search ? `?${search}` : ""}`;
  const show = useCallback((entry: AuditEntry) => go(address(entry.seq)), [go, search]);
  const filtered = Object.values(filters).some(Boolean);
  return (
    <Card
      title={t.entries}
      flush
      aside={
        unseen > 0 ? (
          <Button small kind="primary" icon={ArrowUpIcon} onClick={() => scroller.current?.scrollTo({ top: 0, behavior: "smooth" })}>
            {t.fresh(unseen, f.count(unseen))}
          </Button>
        ) : null
      }
    >
      <FilterBar filters={filters} change={change} />
      {failure && !items ? (
        <div className="pad">
          <FailureNote failure={failure} onRetry={found.again} />
        </div>
      ) : null}
      {!items && !failure ? (
        <div className="pad">
          <SkeletonLines lines={10} height={22} />
        </div>
      ) : null}
      {items ? (
        <DataTable<AuditEntry>
          label={t.entries}
          columns={columns}
          rows={items}
          rowKey={keyOf}
          onOpen={show}
          selected={open === null ? undefined : Number(open)}
          onEnd={found.goOn}
          anchored
          scrollerRef={scroller}
          height={620}
          rowTone={(entry) => {
            const [, tone] = look(entry);
            return tone === "danger" || tone === "warn" ? tone : undefined;
          }}
          empty={
            <EmptyState
              icon={filtered ? SearchIcon : AuditIcon}
              title={found.more ? t.searching : filtered ? t.nothing : t.none}
              small
              action={
                filtered ? (
                  <Button small onClick={() => change(NO_FILTERS)}>
                    {t.clearAll}
                  </Button>
                ) : null
              }
            />
          }
        />
      ) : null}
      {items && (items.length > 0 || found.more) ? (
        <Pager shown={t.found(f.count(items.length), found.more)} more={found.more} busy={found.fetching} onMore={found.goOn} />
      ) : null}
      {open === null ? null : (
        <EntryPanel seq={open} entries={items ?? []} address={address} onClose={() => go(address(null))} />
      )}
    </Card>
  );
}

/** How many entries came in above what is seen. */
function useUnseen(items: AuditEntry[] | undefined, scroller: React.RefObject<HTMLDivElement | null>): number {
  const newest = items?.[0]?.seq ?? 0;
  const [seen, setSeen] = useState(0);
  useEffect(() => {
    const element = scroller.current;
    const note = () => {
      if (!element || element.scrollTop < 4) setSeen(newest);
    };
    note();
    element?.addEventListener("scroll", note, { passive: true });
    return () => element?.removeEventListener("scroll", note);
  }, [newest, scroller]);
  return seen === 0 ? 0 : (items ?? []).filter((entry) => entry.seq > seen).length;
}

function useColumns(): Column<AuditEntry>[] {
  const t = words();
  const f = useFormat();
  const server = useServerTexts();
  return [
    {
      id: "at",
      title: t.columns.at,
      width: "var(--audit-at)",
      cell: (entry) => (
        <time className="muted" dateTime={entry.at} title={`${f.dateTime(entry.at)} · ${f.ago(entry.at)}`}>
          <span className="audit-wide">{f.dateTime(entry.at)}</span>
          <span className="audit-narrow">{Date.now() - Date.parse(entry.at) < DAY_MS ? f.time(entry.at) : f.day(entry.at)}</span>
        </time>
      ),
    },
    {
      id: "what",
      title: t.columns.what,
      width: "minmax(230px, 1fr)",
      cell: (entry) => {
        const [Shape, tone] = look(entry);
        return (
          <span className="audit-what">
            <span className={`tone-${tone}`}>
              <Shape size={14} />
            </span>
            <span className="audit-text">
              <SafeText value={server.action(entry)} most={120} />
            </span>
            {entry.outcome === "refused" ? <span className="audit-refused">{t.refused}</span> : null}
          </span>
        );
      },
    },
    {
      id: "who",
      title: t.columns.who,
      width: "minmax(120px, 190px)",
      cell: (entry) => <SafeText value={nameOf(entry, t)} most={26} />,
    },
    { id: "kind", title: t.columns.kind, width: "82px", cell: (entry) => <span className="muted">{t.kinds[entry.kind] ?? entry.kind}</span> },
    { id: "seq", title: t.columns.seq, width: "78px", number: true, cell: (entry) => <span className="muted">{entry.seq}</span> },
  ];
}
