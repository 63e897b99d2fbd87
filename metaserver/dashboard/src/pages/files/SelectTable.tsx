// A list of any length that scrolls with the page, with rows to select, to open and to act on, by mouse and by keyboard.

import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent, type MouseEvent, type ReactNode } from "react";
import { words } from "./text";
import type { Selection } from "./useSelection";

export interface SelectColumn<T> {
  id: string;
  head: ReactNode;
  cell: (row: T) => ReactNode;
  className?: string;
  sorted?: "ascending" | "descending" | "none";
}

export interface SelectTableProps<T> {
  label: string;
  /** Names the set of widths in the style sheet. */
  layout: string;
  columns: SelectColumn<T>[];
  rows: readonly T[];
  keyOf: (row: T) => string;
  nameOf: (row: T) => string;
  selection: Selection<T>;
  onOpen?: (row: T) => void;
  onEnd: () => void;
  /** The id of a text that says which keys do what. */
  keysId?: string;
  /** F2, Delete and what else the page knows; true: done. */
  onKey?: (key: string, row: T) => boolean;
}

const ROW = 42;
const PAGE = 12;

export function SelectTable<T>(props: SelectTableProps<T>) {
  const { label, layout, columns, rows, keyOf, nameOf, selection, onOpen, onEnd } = props;
  const t = words();
  const body = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [active, setActive] = useState(0);
  const wanted = useRef<number | null>(null);
  const at = Math.min(active, Math.max(rows.length - 1, 0));

  useLayoutEffect(() => {
    const measure = () => {
      const box = body.current?.getBoundingClientRect();
      if (box) setTop(Math.round(box.top + scrollY));
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(document.body);
    return () => observer.disconnect();
  }, []);

  const virtual = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => ROW,
    overscan: 10,
    scrollMargin: top,
    scrollPaddingStart: 110,
    scrollPaddingEnd: 90,
  });
  const items = virtual.getVirtualItems();
  const lastShown = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (lastShown >= rows.length - 25) onEnd();
  }, [lastShown, rows.length, onEnd]);
  useEffect(() => {
    if (wanted.current === null) return;
    const row = body.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"]`);
    if (!row) return;
    wanted.current = null;
    row.focus({ preventScroll: true });
  });

  const move = (to: number) => {
    const next = Math.min(Math.max(to, 0), rows.length - 1);
    wanted.current = next;
    setActive(next);
    virtual.scrollToIndex(next);
    return next;
  };
  const onKey = (event: KeyboardEvent, index: number) => {
    const row = rows[index];
    if (row === undefined || event.altKey) return;
    const steps: Record<string, number> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + PAGE,
      PageUp: index - PAGE,
      Home: 0,
      End: rows.length - 1,
    };
    const to = steps[event.key];
    const command = event.ctrlKey || event.metaKey;
    let done = true;
    if (to !== undefined) {
      const next = move(to);
      if (event.shiftKey) selection.extend(next);
    } else if (event.key === "a" && command) selection.all();
    else if (event.key === "Escape") selection.clear();
    else if (command) done = false;
    else if (event.target !== event.currentTarget) done = false;
    else if (event.key === " ") selection.toggle(index);
    else if (event.key === "Enter") onOpen?.(row);
    else done = props.onKey?.(event.key, row) ?? false;
    if (done) event.preventDefault();
  };
  const onClick = (event: MouseEvent, index: number) => {
    if ((event.target as HTMLElement).closest("a, button, input, label, [role=menu]")) return;
    const row = rows[index];
    if (row === undefined) return;
    if (event.shiftKey) selection.extend(index);
    else if (event.ctrlKey || event.metaKey) selection.toggle(index);
    else onOpen?.(row);
  };

  const some = selection.items.length;
  return (
    <div className={`select-table layout-${layout}`} role="grid" aria-label={label} aria-rowcount={rows.length + 1} aria-multiselectable="true" aria-describedby={props.keysId}>
      <div role="rowgroup" className="select-top">
        <div className="select-head" role="row" aria-rowindex={1}>
          <div role="columnheader" className="cell select-box">
            <input
              type="checkbox"
              aria-label={t.selectAll}
              checked={some > 0 && some === rows.length}
              ref={(box) => {
                if (box) box.indeterminate = some > 0 && some < rows.length;
              }}
              onChange={(event) => (event.target.checked ? selection.all() : selection.clear())}
            />
          </div>
          {columns.map((column) => (
            <div key={column.id} role="columnheader" aria-sort={column.sorted} className={`cell ${column.className ?? ""}`}>
              {column.head}
            </div>
          ))}
        </div>
      </div>
      <div role="rowgroup" className="select-body" ref={body} style={{ height: virtual.getTotalSize() }}>
        {items.map((item) => {
          const row = rows[item.index];
          if (row === undefined) return null;
          const picked = selection.has(row);
          return (
            <div
              key={keyOf(row)}
              role="row"
              data-index={item.index}
              aria-rowindex={item.index + 2}
              aria-selected={picked}
              className={`select-row ${onOpen ? "can-open" : ""}`}
              tabIndex={item.index === at ? 0 : -1}
              style={{ height: item.size, transform: `translateY(${item.start - top}px)` }}
              onFocus={() => setActive(item.index)}
              onKeyDown={(event) => onKey(event, item.index)}
              onClick={(event) => onClick(event, item.index)}
            >
              <div role="gridcell" className="cell select-box">
                <input
                  type="checkbox"
                  tabIndex={-1}
                  aria-label={t.select(nameOf(row))}
                  checked={picked}
                  onChange={(event) => {
                    const { shiftKey } = event.nativeEvent as unknown as { shiftKey?: boolean };
                    if (shiftKey) selection.extend(item.index);
                    else selection.toggle(item.index);
                  }}
                />
              </div>
              {columns.map((column) => (
                <div key={column.id} role="gridcell" className={`cell ${column.className ?? ""}`}>
                  {column.cell(row)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
