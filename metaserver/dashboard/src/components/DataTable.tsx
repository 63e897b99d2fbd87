// Rows in columns: sortable, reachable by keyboard (arrows, Home, End, Enter), and drawn only where they are seen, so
// that 50,000 rows cost as much as 20.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type ReactNode, type RefObject } from "react";
import { common } from "../i18n/common";
import { ArrowDownIcon, ArrowUpIcon } from "./icons";

export interface Column<T> {
  id: string;
  title: string;
  /** As in grid-template-columns: "90px", "minmax(120px, 1fr)". */
  width: string;
  cell: (row: T) => ReactNode;
  /** Makes the column sortable. */
  sort?: (row: T) => number | string | null;
  number?: boolean;
}

export interface SortState {
  column: string;
  descending: boolean;
}

export interface DataTableProps<T> {
  label: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string | number;
  onOpen?: (row: T) => void;
  selected?: string | number | null;
  initialSort?: SortState;
  /** Pixels of the body; fewer when there are few rows. */
  height?: number;
  rowHeight?: number;
  empty?: ReactNode;
  rowTone?: (row: T) => "danger" | "warn" | undefined;
  /** Called when the end comes into sight, to fetch more. */
  onEnd?: () => void;
  /** Rows may come in front: what one looks at stays where it is, unless one is at the very top. */
  anchored?: boolean;
  /** The element that scrolls. */
  scrollerRef?: RefObject<HTMLDivElement | null>;
}

function compare(a: number | string | null, b: number | string | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, columns, rows, rowKey, onOpen, selected, initialSort, height = 420, rowHeight = 38 } = props;
  const t = common();
  const [sort, setSort] = useState<SortState | null>(initialSort ?? null);
  const [active, setActive] = useState(0);
  const own = useRef<HTMLDivElement>(null);
  const scroller = props.scrollerRef ?? own;

  const sorted = useMemo(() => {
    const by = sort && columns.find((column) => column.id === sort.column)?.sort;
    if (!by) return rows;
    const sign = sort.descending ? -1 : 1;
    return [...rows].sort((a, b) => sign * compare(by(a), by(b)));
  }, [rows, sort, columns]);

  const virtual = useVirtualizer({
    count: sorted.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    onChange: (instance) => {
      const last = instance.getVirtualItems().at(-1);
      if (last && last.index >= sorted.length - 5) props.onEnd?.();
    },
  });

  const first = useRef<string | number | null>(null);
  const anchored = props.anchored ?? false;
  useLayoutEffect(() => {
    if (!anchored) return;
    const before = first.current;
    first.current = sorted[0] === undefined ? null : rowKey(sorted[0]);
    if (before === null || before === first.current) return;
    const moved = sorted.findIndex((row) => rowKey(row) === before);
    if (moved <= 0) return;
    setActive((now) => now + moved);
    if (scroller.current && scroller.current.scrollTop > 0) scroller.current.scrollTop += moved * rowHeight;
  }, [sorted, anchored, rowKey, rowHeight, scroller]);

  const template = columns.map((column) => column.width).join(" ");
  const minWidth = leastWidth(columns);
  const at = Math.min(active, Math.max(sorted.length - 1, 0));

  const move = (to: number) => {
    const next = Math.min(Math.max(to, 0), sorted.length - 1);
    setActive(next);
    virtual.scrollToIndex(next);
    requestAnimationFrame(() => {
      scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"]`)?.focus();
    });
  };
  const onKey = (event: KeyboardEvent, index: number) => {
    const page = Math.max(1, Math.floor(height / rowHeight) - 1);
    const steps: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: sorted.length - 1,
    };
    const to = steps[event.key];
    const row = sorted[index];
    if (to !== undefined) {
      event.preventDefault();
      move(to);
    } else if ((event.key === "Enter" || event.key === " ") && onOpen && row && event.target === event.currentTarget) {
      event.preventDefault();
      onOpen(row);
    }
  };

  if (rows.length === 0 && props.empty) return <>{props.empty}</>;
  return (
    <div className="table" role="grid" aria-label={label} aria-rowcount={sorted.length + 1}>
      <div className="table-scroll" ref={scroller} style={{ maxHeight: height }}>
        <div className="table-head" role="row" aria-rowindex={1} style={{ gridTemplateColumns: template, minWidth }}>
          {columns.map((column) => (
            <Header key={column.id} column={column} sort={sort} onSort={setSort} label={t.sortBy(column.title)} />
          ))}
        </div>
        <div role="rowgroup" className="table-body" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map((item) => {
            const row = sorted[item.index];
            if (row === undefined) return null;
            const key = rowKey(row);
            const tone = props.rowTone?.(row);
            return (
              <div
                key={key}
                role="row"
                data-index={item.index}
                aria-rowindex={item.index + 2}
                aria-selected={selected === undefined ? undefined : selected === key}
                className={`table-row ${onOpen ? "can-open" : ""} ${tone ? `row-${tone}` : ""}`}
                tabIndex={item.index === at ? 0 : -1}
                style={{ gridTemplateColumns: template, minWidth, height: item.size, transform: `translateY(${item.start}px)` }}
                onFocus={() => setActive(item.index)}
                onKeyDown={(event) => onKey(event, item.index)}
                onClick={() => onOpen?.(row)}
              >
                {columns.map((column) => (
                  <div key={column.id} role="gridcell" className={`cell ${column.number ? "number" : ""}`}>
                    {column.cell(row)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
    </div>
  );
}

/** Every row is a grid of its own: only with the same width do their columns stand under each other. */
function leastWidth<T>(columns: Column<T>[]): number {
  const [gap, padding] = [12, 32];
  const widths = columns.map((column) => Number(/(\d+)px/.exec(column.width)?.[1] ?? 80));
  return widths.reduce((sum, width) => sum + width + gap, padding - gap);
}

interface HeaderProps<T> {
  column: Column<T>;
  sort: SortState | null;
  onSort: (sort: SortState) => void;
  label: string;
}

function Header<T>({ column, sort, onSort, label }: HeaderProps<T>) {
  const mine = sort?.column === column.id ? sort : null;
  const order = mine ? (mine.descending ? "descending" : "ascending") : "none";
  const Arrow = mine?.descending ? ArrowDownIcon : ArrowUpIcon;
  const classes = `cell ${column.number ? "number" : ""}`;
  if (!column.sort) {
    return (
      <div role="columnheader" className={classes}>
        {column.title}
      </div>
    );
  }
  return (
    <div role="columnheader" aria-sort={order} className={classes}>
      <button
        type="button"
        className={`sort ${mine ? "is-on" : ""}`}
        title={label}
        onClick={() => onSort({ column: column.id, descending: mine ? !mine.descending : Boolean(column.number) })}
      >
        <span>{column.title}</span>
        <Arrow size={12} />
      </button>
    </div>
  );
}
