// What pages ask for, cached: one place for keys, polling and live updates.

import { QueryClient, useQuery, type UseQueryResult } from "@tanstack/react-query";
import { useCallback } from "react";
import { api, type Failure, type Query } from "./client";
import { pollInterval, useTopic } from "./live";
import type { Overview } from "./types";

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: { retry: false, staleTime: 2_000, refetchOnWindowFocus: true, networkMode: "always" },
    mutations: { retry: false, networkMode: "always" },
  },
});

export interface AskOptions {
  /** How often to ask again, whether or not there is a live connection; "poll": only without one. */
  every?: number | "poll" | false;
  enabled?: boolean;
  staleTime?: number;
  /** Show the former answer while another page of it is fetched. */
  keep?: boolean;
}

/** GET, cached under its path and query. */
export function useGet<T>(path: string, query: Query = {}, options: AskOptions = {}): UseQueryResult<T, Failure> {
  const every = options.every ?? false;
  return useQuery<T, Failure>({
    queryKey: [path, query],
    queryFn: ({ signal }) => api.get<T>(path, query, signal),
    refetchInterval: every === "poll" ? pollInterval : every,
    ...(options.enabled === undefined ? {} : { enabled: options.enabled }),
    ...(options.staleTime === undefined ? {} : { staleTime: options.staleTime }),
    ...(options.keep ? { placeholderData: (before: T | undefined) => before } : {}),
  } as Parameters<typeof useQuery<T, Failure>>[0]);
}

/** Throws away what is cached below a path, so that it is asked for again. */
export const forget = (...paths: string[]): Promise<unknown> =>
  Promise.all(
    paths.map((path) =>
      queryClient.invalidateQueries({
        predicate: ({ queryKey }) => typeof queryKey[0] === "string" && queryKey[0].startsWith(path),
      }),
    ),
  );

/** GET, then kept fresh by the live topic that sends the same thing whole. */
export function useLiveGet<T>(path: string, topic: string): UseQueryResult<T, Failure> {
  const listener = useCallback((data: T) => queryClient.setQueryData([path, {}], data), [path]);
  useTopic<T>(topic, listener);
  return useGet<T>(path, {}, { every: "poll" });
}

export const useOverview = (): UseQueryResult<Overview, Failure> => useLiveGet<Overview>("/overview", "overview");
