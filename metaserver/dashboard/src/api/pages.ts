// Lists that the server gives page by page: what was fetched so far, and a way to go on.

import { useInfiniteQuery, type InfiniteData } from "@tanstack/react-query";
import { useEffect, useMemo } from "react";
import { api, type Failure, type Query } from "./client";
import type { Page } from "./types";

export interface Paged<T> {
  /** Undefined until the first page is there. */
  items: T[] | undefined;
  more: boolean;
  fetching: boolean;
  failure: Failure | null;
  goOn: () => void;
  again: () => void;
}

/** A page may be short, or empty, although there are more: so many rows are fetched before anybody has to ask, */
const ENOUGH = 15;
/** as long as that takes no more pages than this. */
const MOST_BY_ITSELF = 25;

export interface PagedOptions {
  limit?: number;
  enabled?: boolean;
  /** Ask again so often, for all that is shown, as long as that is not more than three pages. */
  every?: number;
}

export function usePages<T>(path: string, query: Query = {}, options: PagedOptions = {}): Paged<T> {
  const { limit = 100, enabled = true, every } = options;
  const found = useInfiniteQuery<Page<T>, Failure, InfiniteData<Page<T>, string | null>, readonly unknown[], string | null>({
    queryKey: [path, query, "pages", limit],
    queryFn: ({ pageParam, signal }) => api.get<Page<T>>(path, { ...query, after: pageParam ?? query["after"], limit }, signal),
    initialPageParam: null,
    getNextPageParam: (last) => last.next,
    enabled,
    placeholderData: (before) => before,
    ...(every ? { refetchInterval: (q) => ((q.state.data?.pages.length ?? 0) <= 3 ? every : false) } : {}),
  });
  const { data, hasNextPage, isFetching, isFetchingNextPage, error, fetchNextPage, refetch } = found;
  const items = useMemo(() => data?.pages.flatMap((page) => page.items), [data]);
  const pages = data?.pages.length ?? 0;
  const short = hasNextPage && !isFetching && !error && (items?.length ?? 0) < Math.min(ENOUGH, limit) && pages < MOST_BY_ITSELF;
  useEffect(() => {
    if (short) void fetchNextPage();
  }, [short, pages, fetchNextPage]);
  return {
    items,
    more: hasNextPage,
    fetching: isFetching,
    failure: error,
    goOn: () => {
      if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
    },
    again: () => void refetch(),
  };
}
