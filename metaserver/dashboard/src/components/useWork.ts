// Something that a button does: busy while it lasts, and why it failed.

import { useCallback, useState } from "react";
import { Failure } from "../api/client";

export interface Work {
  busy: boolean;
  failure: Failure | null;
  /** True: it is done. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
  reset: () => void;
}

export function useWork(): Work {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const run = useCallback(async (work: () => Promise<unknown>) => {
    setBusy(true);
    setFailure(null);
    try {
      await work();
      return true;
    } catch (cause) {
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
      return false;
    } finally {
      setBusy(false);
    }
  }, []);
  const reset = useCallback(() => setFailure(null), []);
  return { busy, failure, run, reset };
}
