// The members of the metadata group, one row each, with what can be done about it.

import { Link } from "wouter";
import type { NodeView } from "../../api/types";
import { SafeText } from "../../components/SafeText";
import { StatusBadge } from "../../components/StatusBadge";
import { StarIcon } from "../../components/icons";
import { Button } from "../../components/Button";
import { Menu } from "../../components/Menu";
import { ChevronDownIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import type { MetaChange } from "./MetaDialog";
import type { MetaStatus } from "./MetaTab";
import { words } from "./text";

interface Props {
  meta: MetaStatus;
  nodes: NodeView[];
  refused: string | null;
  onChange: (change: MetaChange) => void;
}

export function MetaMembers({ meta, nodes, refused, onChange }: Props) {
  const t = words().meta;
  const c = common();
  const f = useFormat();
  const learners = meta.learners.map((node) => ({ node, address: nodes.find((one) => one.id === node)?.address ?? "" }));
  return (
    <div className="meta-scroll" tabIndex={0} role="region" aria-label={t.members}>
      <table className="meta-table">
        <thead>
          <tr>
            <th scope="col">{t.columns.node}</th>
            <th scope="col">{t.columns.address}</th>
            <th scope="col">{t.columns.role}</th>
            <th scope="col">{t.columns.state}</th>
            <th scope="col">{t.columns.behind}</th>
            <th scope="col">{t.columns.heard}</th>
            <th scope="col">
              <span className="hidden-text">{t.columns.action}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {meta.voters.map((voter) => {
            const leads = voter.node === meta.leader;
            const witness = nodes.find((node) => node.id === voter.node)?.roles.includes("witness");
            return (
              <tr key={voter.node}>
                <th scope="row">
                  <Link href={`/topology/nodes/${voter.node}`}>{c.node(voter.node)}</Link>
                </th>
                <td>
                  <SafeText value={voter.address} mono />
                </td>
                <td>
                  {leads ? (
                    <StatusBadge tone="info" icon={StarIcon}>
                      {t.leader}
                    </StatusBadge>
                  ) : (
                    <span>
                      {t.voter}
                      {witness ? <span className="muted"> · {t.witness}</span> : null}
                    </span>
                  )}
                </td>
                <td>
                  <StatusBadge tone={voter.ok ? "ok" : "danger"} bare>
                    {voter.ok ? t.ok : t.silent}
                  </StatusBadge>
                </td>
                <td>{voter.matched_behind === null ? "–" : voter.matched_behind === 0 ? t.upToDate : t.behind(voter.matched_behind, f.count(voter.matched_behind))}</td>
                <td>{leads || voter.silent_ms === null ? "–" : t.ago(f.latency(voter.silent_ms))}</td>
                <td>
                  <Actions
                    node={voter.node}
                    refused={refused}
                    entries={[
                      ...(leads ? [] : [{ id: "transfer", label: t.makeLeader }]),
                      { id: "replace", label: t.replace },
                      { id: "remove", label: t.remove, danger: true, disabled: meta.voters.length === 1 },
                    ]}
                    onChange={onChange}
                  />
                </td>
              </tr>
            );
          })}
          {learners.map(({ node, address }) => (
            <tr key={`l${node}`}>
              <th scope="row">
                <Link href={`/topology/nodes/${node}`}>{c.node(node)}</Link>
              </th>
              <td>
                <SafeText value={address || "–"} mono />
              </td>
              <td title={t.learnersMean}>{t.learner}</td>
              <td>–</td>
              <td>–</td>
              <td>–</td>
              <td>
                <Actions node={node} refused={refused} entries={[{ id: "remove", label: t.remove, danger: true }]} onChange={onChange} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface ActionsProps {
  node: number;
  refused: string | null;
  entries: { id: string; label: string; danger?: boolean; disabled?: boolean }[];
  onChange: (change: MetaChange) => void;
}

function Actions({ node, refused, entries, onChange }: ActionsProps) {
  const t = words().meta;
  if (refused) {
    return (
      <Button small kind="quiet" refused={refused}>
        {t.columns.action}
      </Button>
    );
  }
  return (
    <Menu
      label={t.actionsOf(node)}
      className="button quiet is-small"
      button={
        <>
          <span>{t.columns.action}</span>
          <ChevronDownIcon size={13} />
        </>
      }
      entries={entries}
      onAction={(id) => onChange({ kind: id as "transfer" | "replace" | "remove", node })}
    />
  );
}
