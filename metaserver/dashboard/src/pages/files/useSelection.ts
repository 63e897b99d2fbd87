// Which rows of a list are selected, and from where a range extends.

import { useCallback, useMemo, useRef, useState } from "react";

export interface Selection<T> {
  items: T[];
  has: (item: T) => boolean;
  toggle: (index: number) => void;
  /** From where one began to here. */
  extend: (index: number) => void;
  all: () => void;
  clear: () => void;
}

/** `rows` as they are shown; what is no longer among them is no longer selected. */
export function useSelection<T>(rows: readonly T[], keyOf: (row: T) => string): Selection<T> {
  const [keys, setKeys] = useState<ReadonlySet<string>>(new Set());
  const anchor = useRef(0);
  const items = useMemo(() => (keys.size === 0 ? [] : rows.filter((row) => keys.has(keyOf(row)))), [rows, keys, keyOf]);
  const toggle = useCallback(
    (index: number) => {
      const row = rows[index];
      if (row === undefined) return;
      anchor.current = index;
      setKeys((before) => {
        const after = new Set(before);
        if (!after.delete(keyOf(row))) after.add(keyOf(row));
        return after;
      });
    },
    [rows, keyOf],
  );
  const extend = useCallback(
    (index: number) => {
      const [from, to] = [Math.min(anchor.current, index), Math.max(anchor.current, index)];
      setKeys(new Set(rows.slice(from, to + 1).map(keyOf)));
    },
    [rows, keyOf],
  );
  const all = useCallback(() => setKeys(new Set(rows.map(keyOf))), [rows, keyOf]);
  const clear = useCallback(() => setKeys((before) => (before.size === 0 ? before : new Set())), []);
  return { items, has: (item) => keys.has(keyOf(item)), toggle, extend, all, clear };
}
