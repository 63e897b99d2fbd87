// The entries of a directory, or the buckets: the columns, and the order.

import { useMemo } from "react";
import { Link } from "wouter";
import type { Entry } from "../../api/types";
import { ArrowDownIcon, ArrowUpIcon, MoreIcon } from "../../components/icons";
import { Menu } from "../../components/Menu";
import { SafeText } from "../../components/SafeText";
import { Tooltip } from "../../components/Tooltip";
import { useFormat } from "../../format";
import { visible, middle } from "../../format/visible";
import { common } from "../../i18n/common";
import { pathOf, useVerbs, type Verb } from "./actions";
import { useClasses } from "./data";
import { KindIcon } from "./Kind";
import { addressOf } from "./paths";
import { SelectTable, type SelectColumn } from "./SelectTable";
import { words } from "./text";
import type { Selection } from "./useSelection";

export type SortBy = "name" | "size" | "modified";
export interface Sort {
  by: SortBy;
  descending: boolean;
}
/** More are left in the server's order. */
export const MOST_SORTED = 20_000;

export function sortEntries(entries: Entry[], { by, descending }: Sort): Entry[] {
  if (by === "name") return descending ? [...entries].reverse() : entries;
  const of = (entry: Entry) => (by === "size" ? (entry.kind === "directory" ? -1 : entry.size) : Date.parse(entry.modified));
  const sign = descending ? -1 : 1;
  return [...entries].sort((a, b) => sign * (of(a) - of(b)));
}

export const keyOf = (entry: Entry): string => `${entry.kind === "directory" ? "d" : "f"}${entry.path}`;
export const shownName = (entry: Entry): string => middle(visible(entry.name), 80);

export interface EntryTableProps {
  label: string;
  entries: Entry[];
  buckets?: boolean;
  selection: Selection<Entry>;
  sort: Sort;
  onSort: (sort: Sort) => void;
  /** Why nothing but the server's order can be had. */
  fixed: string | null;
  onVerb: (verb: Verb, entries: Entry[]) => void;
  onEnd: () => void;
  onUp?: () => void;
}

export function EntryTable(props: EntryTableProps) {
  const { entries, buckets = false, selection, sort, onSort, fixed, onVerb, onEnd } = props;
  const t = words();
  const f = useFormat();
  const w = common();
  const classes = useClasses();
  const verbs = useVerbs();

  const columns = useMemo(() => {
    const head = (by: SortBy, title: string, number = false) => (
      <SortHead title={title} mine={sort.by === by ? sort : null} fixed={fixed} number={number} onSort={(descending) => onSort({ by, descending })} />
    );
    const sorted = (by: SortBy) => (sort.by !== by ? ("none" as const) : sort.descending ? ("descending" as const) : ("ascending" as const));
    const list: SelectColumn<Entry>[] = [
      {
        id: "name",
        head: head("name", t.columns.name),
        sorted: sorted("name"),
        className: "cell-name",
        cell: (entry) => (
          <>
            <KindIcon entry={entry} />
            <span className="hidden-text">{entry.bucket ? t.kinds.bucket : t.kinds[entry.kind]}</span>
            {entry.kind === "directory" ? (
              <Link href={addressOf(pathOf(entry))} tabIndex={-1} className="entry-name" draggable={false}>
                <SafeText value={entry.name} most={72} />
              </Link>
            ) : (
              <button type="button" tabIndex={-1} className="entry-name" onClick={() => onVerb("show", [entry])}>
                <SafeText value={entry.name} most={72} />
              </button>
            )}
          </>
        ),
      },
      {
        id: "modified",
        head: head("modified", buckets ? t.columns.created : t.columns.modified),
        sorted: sorted("modified"),
        className: "cell-modified muted",
        cell: (entry) => <span title={f.dateTime(entry.modified)}>{f.dateTime(entry.modified)}</span>,
      },
      {
        id: "class",
        head: t.columns.class,
        className: "cell-class muted",
        cell: (entry) => <SafeText value={classes.get(entry.class)?.name ?? String(entry.class)} most={24} />,
      },
      {
        id: "actions",
        head: <span className="hidden-text">{t.columns.actions}</span>,
        className: "cell-actions",
        cell: (entry) => (
          <Menu
            label={t.actionsOf(shownName(entry))}
            button={<MoreIcon />}
            className="button quiet icon-only is-small"
            tabStop={false}
            entries={verbs(entry)}
            onAction={(id) => onVerb(id as Verb, [entry])}
          />
        ),
      },
    ];
    if (!buckets) {
      list.splice(1, 0, {
        id: "size",
        head: head("size", t.columns.size, true),
        sorted: sorted("size"),
        className: "number cell-size",
        cell: (entry) => (entry.kind === "directory" ? <span className="muted" aria-label={w.none}>–</span> : f.bytes(entry.size)),
      });
    }
    return list;
  }, [t, f, w, sort, fixed, onSort, onVerb, classes, verbs, buckets]);

  return (
    <SelectTable
      label={props.label}
      layout={buckets ? "buckets" : "files"}
      columns={columns}
      rows={entries}
      keyOf={keyOf}
      nameOf={shownName}
      selection={selection}
      keysId="files-keys"
      onOpen={(entry) => onVerb(entry.kind === "directory" ? "open" : "show", [entry])}
      onEnd={onEnd}
      onKey={(key, entry) => {
        const them = selection.items.length > 0 ? selection.items : [entry];
        if (key === "Delete") onVerb("delete", them);
        else if (key === "F2" && !entry.bucket) onVerb("move", [entry]);
        else if (key === "Backspace" && props.onUp) props.onUp();
        else return false;
        return true;
      }}
    />
  );
}

interface SortHeadProps {
  title: string;
  mine: Sort | null;
  fixed: string | null;
  number: boolean;
  onSort: (descending: boolean) => void;
}

function SortHead({ title, mine, fixed, number, onSort }: SortHeadProps) {
  const w = common();
  const Arrow = mine?.descending ? ArrowDownIcon : ArrowUpIcon;
  const button = (
    <button
      type="button"
      className={`sort ${mine ? "is-on" : ""}`}
      aria-label={w.sortBy(title)}
      aria-disabled={fixed ? true : undefined}
      onClick={() => {
        if (!fixed) onSort(mine ? !mine.descending : number);
      }}
    >
      <span>{title}</span>
      <Arrow size={12} />
    </button>
  );
  return fixed ? <Tooltip text={fixed}>{button}</Tooltip> : button;
}
