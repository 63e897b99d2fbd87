// What a page was asked for in its address, so that it can be sent to somebody, reloaded and gone back to.

import { useCallback } from "react";
// Not the router's own: that decodes what it finds, and "%41" is to stay what it is.
import { useBrowserLocation, useSearch } from "wouter/use-browser-location";

export type Filters<K extends string> = Record<K, string>;

/** The named parts of `?…`, "" where there is none, and a way to change some of them in place. */
export function useFilters<K extends string>(names: readonly K[]): [Filters<K>, (change: Partial<Filters<K>>) => void] {
  const search = useSearch();
  const [, go] = useBrowserLocation();
  const params = new URLSearchParams(search);
  const filters = Object.fromEntries(names.map((name) => [name, params.get(name) ?? ""])) as Filters<K>;
  const change = useCallback(
    (wanted: Partial<Filters<K>>) => {
      const next = new URLSearchParams(location.search);
      for (const [name, value] of Object.entries<string | undefined>(wanted)) {
        if (value) next.set(name, value);
        else next.delete(name);
      }
      const text = next.toString();
      go(location.pathname + (text ? `?${text}` : ""), { replace: true });
    },
    [go],
  );
  return [filters, change];
}
