// The metadata group: who votes, who leads, how far each is; and changing that.

import { useState } from "react";
import { useGet, useOverview } from "../../api/queries";
import type { Meta, Topology } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { Card } from "../../components/Card";
import { FailureNote } from "../../components/FailureNote";
import { PlusIcon, ShieldIcon, WarningIcon } from "../../components/icons";
import { SkeletonLines } from "../../components/Skeleton";
import { Facts } from "../../components/Stat";
import { useFormat } from "../../format";
import { MetaDialog, type MetaChange } from "./MetaDialog";
import { MetaMembers } from "./MetaMembers";
import { words } from "./text";

export interface MetaStatus extends Meta {
  last_log: number;
  applied: number;
  snapshot: number;
  purged: number;
}

export function MetaTab() {
  const t = words().meta;
  const f = useFormat();
  const refused = useRefusal("admin");
  const { data, error, refetch } = useGet<MetaStatus>("/meta", {}, { every: 2_000 });
  const topology = useGet<Topology>("/topology", {}, { staleTime: 30_000 });
  useOverview();
  const [change, setChange] = useState<MetaChange | null>(null);
  const voters = data?.voters.length ?? 0;
  return (
    <div className="stack settings-stack">
      <div className="settings-lead">
        <p>{t.lead}</p>
        <Button icon={PlusIcon} refused={refused} disabled={!data} onClick={() => setChange({ kind: "add" })}>
          {t.add}
        </Button>
      </div>
      {error && !data ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonLines lines={8} height={36} /> : null}
      {data ? (
        <div className="grid">
          <Card title={t.voters} className="two-thirds" flush>
            <div className="meta-tolerates">
              <span className={data.tolerates > 0 ? "tone-ok" : "tone-warn"}>
                {data.tolerates > 0 ? <ShieldIcon size={18} /> : <WarningIcon size={18} />}
              </span>
              <div>
                <p className="strong">{data.leader === null ? t.noLeader : t.tolerates(data.tolerates)}</p>
                {voters === 1 ? <p className="small muted">{t.oneVoter}</p> : null}
                {voters > 1 && voters % 2 === 0 ? <p className="small muted">{t.even(voters)}</p> : null}
              </div>
            </div>
            <MetaMembers meta={data} nodes={topology.data?.nodes ?? []} refused={refused} onChange={setChange} />
          </Card>
          <Card title={t.factsTitle} className="third">
            <Facts
              rows={[
                [t.facts.term, f.count(data.term)],
                [t.facts.quorum, t.ago(f.latency(data.quorum_age_ms))],
                [t.facts.log, f.count(data.last_log)],
                [t.facts.applied, f.count(data.applied)],
                [t.facts.snapshot, f.count(data.snapshot)],
                [t.facts.purged, f.count(data.purged)],
              ]}
            />
          </Card>
        </div>
      ) : null}
      {change && data ? (
        <MetaDialog change={change} meta={data} nodes={topology.data?.nodes ?? []} onClose={() => setChange(null)} />
      ) : null}
    </div>
  );
}
