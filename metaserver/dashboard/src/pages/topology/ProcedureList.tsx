// Everything that is being done to disks and nodes.

import { Link } from "wouter";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SkeletonLines } from "../../components/Skeleton";
import { ArrowRightIcon, OkIcon } from "../../components/icons";
import { common } from "../../i18n/common";
import { ProcedureView } from "./ProcedureView";
import { useProcedures } from "./procedures";
import { words } from "./text";

export function ProcedureList() {
  const t = words();
  const shared = common();
  const { data, error, refetch } = useProcedures();
  if (error && !data) return <FailureNote failure={error} onRetry={() => void refetch()} />;
  if (!data) return <SkeletonLines lines={5} height={20} />;
  if (data.items.length === 0) {
    return (
      <EmptyState icon={OkIcon} title={t.procedures.none}>
        {t.procedures.noneMeans}
      </EmptyState>
    );
  }
  return (
    <ul className="procedures">
      {data.items.map((one) => {
        const disk = one.disk !== null;
        const place = disk ? `/topology/disks/${one.disk}` : `/topology/nodes/${one.node}`;
        const name = disk ? `${shared.disk(one.disk!)} · ${shared.node(one.node)}` : shared.node(one.node);
        return (
          <li key={`${one.kind}-${one.disk ?? ""}-${one.node}`} className="procedure">
            <div className="row spread">
              <h2>
                {shared.jobs[one.kind]} <span className="muted normal">{name}</span>
              </h2>
              <Link href={place} className="issue-link small">
                {t.procedures.open}
                <span className="hidden-text">{name}</span>
                <ArrowRightIcon size={13} />
              </Link>
            </div>
            <ProcedureView procedure={one} />
          </li>
        );
      })}
    </ul>
  );
}
