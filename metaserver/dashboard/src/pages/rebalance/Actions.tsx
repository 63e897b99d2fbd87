// Start, pause, resume, cancel.

import { useState } from "react";
import { useRefusal } from "../../app/session";
import { api, Failure } from "../../api/client";
import { forget, queryClient } from "../../api/queries";
import type { Balance, BalancePlan } from "../../api/types";
import { Button } from "../../components/Button";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { Facts } from "../../components/Stat";
import { toast } from "../../components/Toasts";
import { PauseIcon, PlayIcon, StopIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { words } from "./text";

type Verb = "start" | "pause" | "resume" | "cancel";

export function Actions({ balance, plan }: { balance: Balance; plan: BalancePlan | undefined }) {
  const t = words();
  const f = useFormat();
  const role = useRefusal("operator");
  const [asking, setAsking] = useState<"start" | "cancel" | null>(null);
  const [busy, setBusy] = useState<Verb | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const { state } = balance;

  const act = async (verb: Verb) => {
    setBusy(verb);
    setFailure(null);
    try {
      const next = await api.post<Balance>(`/balance/${verb}`);
      queryClient.setQueryData(["/balance", {}], next);
      toast.ok(t.done[verb]);
      setAsking(null);
      await forget("/balance/plan", "/balance/history");
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      if (verb === "start" || verb === "cancel") setFailure(cause);
      else toast.failure(cause);
    } finally {
      setBusy(null);
    }
  };
  const open = (verb: "start" | "cancel") => {
    setFailure(null);
    setAsking(verb);
  };
  const idle = state === "idle";
  const nothing = plan && plan.moves_total === 0 ? t.refused.even : null;
  return (
    <div className="row wrap">
      {state === "running" ? (
        <Button icon={PauseIcon} busy={busy === "pause"} refused={role} onClick={() => void act("pause")}>
          {t.actions.pause}
        </Button>
      ) : null}
      {state === "paused" ? (
        <Button kind="primary" icon={PlayIcon} busy={busy === "resume"} refused={role} onClick={() => void act("resume")}>
          {t.actions.resume}
        </Button>
      ) : null}
      {idle ? (
        <Button kind="primary" icon={PlayIcon} refused={role ?? nothing} onClick={() => open("start")}>
          {t.actions.start}
        </Button>
      ) : (
        <Button
          icon={StopIcon}
          refused={role ?? (state === "cancelling" ? t.refused.cancelling : null)}
          onClick={() => open("cancel")}
        >
          {t.actions.cancel}
        </Button>
      )}
      {asking === "start" ? (
        <ConfirmDialog
          title={t.confirmStart.title}
          action={t.actions.start}
          busy={busy !== null}
          failure={failure}
          onConfirm={() => void act("start")}
          onClose={() => setAsking(null)}
        >
          <p>{t.confirmStart.body}</p>
          {plan ? (
            <Facts
              rows={[
                [t.plan.bytes, f.bytes(plan.bytes)],
                [t.plan.moves, f.count(plan.moves_total)],
                [t.plan.eta, plan.eta_seconds === null ? t.plan.etaUnknown : f.duration(plan.eta_seconds)],
                [t.spread.difference, `${f.percent(plan.spread_before)} → ${f.percent(plan.spread_after)}`],
              ]}
            />
          ) : null}
        </ConfirmDialog>
      ) : null}
      {asking === "cancel" ? (
        <ConfirmDialog
          title={t.confirmCancel.title}
          action={t.confirmCancel.action}
          dangerous
          busy={busy !== null}
          failure={failure}
          onConfirm={() => void act("cancel")}
          onClose={() => setAsking(null)}
        >
          <p>{t.confirmCancel.body}</p>
          <Facts
            rows={[
              [t.run.moved, f.bytes(balance.bytes_done)],
              [t.confirmCancel.keep, f.count(balance.moves_under_way)],
              [t.run.left, f.bytes(balance.bytes_left)],
            ]}
          />
        </ConfirmDialog>
      ) : null}
    </div>
  );
}
