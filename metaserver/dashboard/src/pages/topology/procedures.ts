// How far procedures are. Live deltas of the topology carry loads only, so these are asked for while somebody looks.

import { useEffect } from "react";
import { forget, useGet } from "../../api/queries";
import type { List, Procedure } from "../../api/types";

const EVERY_MS = 3_000;

export const useProcedures = (enabled = true) =>
  useGet<List<Procedure>>("/procedures", {}, { every: EVERY_MS, enabled });

/** The present state of a procedure that the topology has; once it is over the topology is fetched anew. */
export function useProcedure(known: Procedure | null): Procedure | null {
  const { data, isFetchedAfterMount } = useProcedures(known !== null);
  const now =
    known && data?.items.find((one) => one.kind === known.kind && one.disk === known.disk && one.node === known.node);
  const over = known !== null && isFetchedAfterMount && data !== undefined && !now;
  useEffect(() => {
    if (over) void forget("/topology");
  }, [over]);
  return now ?? known;
}
