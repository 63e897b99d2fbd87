// Evening out disks: how they are, what would be moved, and the run that moves it.

import { useEffect, useRef } from "react";
import { forget, useGet, useLiveGet } from "../../api/queries";
import type { Balance, BalancePlan } from "../../api/types";
import { FailureNote } from "../../components/FailureNote";
import { Skeleton } from "../../components/Skeleton";
import { StatusBadge, type Tone } from "../../components/StatusBadge";
import { CheckIcon, ClockIcon, PauseIcon, PlayIcon, type Icon } from "../../components/icons";
import { Actions } from "./Actions";
import { HistoryCard } from "./HistoryCard";
import { PlanCard } from "./PlanCard";
import { RunCard } from "./RunCard";
import { SpreadCard } from "./SpreadCard";
import { ThrottleCard } from "./ThrottleCard";
import { words } from "./text";

const STATES: Record<Balance["state"], [Tone, Icon]> = {
  idle: ["idle", CheckIcon],
  running: ["info", PlayIcon],
  paused: ["warn", PauseIcon],
  cancelling: ["warn", ClockIcon],
};

export default function Rebalance() {
  const t = words();
  const { data: balance, error, refetch } = useLiveGet<Balance>("/balance", "balance");
  const moving = balance?.state === "running" || balance?.state === "cancelling";
  const plan = useGet<BalancePlan>("/balance/plan", {}, { every: moving ? 10_000 : 30_000, keep: true });

  // A run that begins or ends has another plan and a longer history.
  const state = useRef(balance?.state);
  useEffect(() => {
    if (state.current && balance && state.current !== balance.state) void forget("/balance/plan", "/balance/history");
    state.current = balance?.state;
  }, [balance]);

  return (
    <div className="page">
      <div className="page-head">
        <div>
          <div className="row">
            <h1>{t.title}</h1>
            {balance ? (
              <StatusBadge tone={STATES[balance.state][0]} icon={STATES[balance.state][1]}>
                {t.states[balance.state]}
              </StatusBadge>
            ) : null}
          </div>
          <p>{t.lead}</p>
        </div>
        {balance ? <Actions balance={balance} plan={plan.data} /> : null}
      </div>
      {error && !balance ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      <div className="grid">
        {balance ? <RunCard balance={balance} className="two-thirds" /> : <Skeleton height={190} />}
        {balance ? <ThrottleCard balance={balance} className="third" /> : null}
        <SpreadCard plan={plan.data} balance={balance} />
        <PlanCard plan={plan.data} failure={plan.error} onRetry={() => void plan.refetch()} />
        <HistoryCard />
      </div>
    </div>
  );
}
