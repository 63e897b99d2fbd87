// Who leads, who votes, and how many may be lost.

import type { Overview, Voter } from "../../api/types";
import { Card } from "../../components/Card";
import { StatusBadge } from "../../components/StatusBadge";
import { StarIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

const BEHIND = 10_000;

export function QuorumCard({ overview, className }: { overview: Overview; className: string }) {
  const t = words().quorum;
  const shared = common();
  const f = useFormat();
  const { meta } = overview;
  const single = meta.voters.length === 1;
  const tone = meta.leader === null ? "danger" : meta.tolerates === 0 ? "warn" : "ok";
  return (
    <Card
      title={t.title}
      className={className}
      note={`${t.term} ${f.count(meta.term)} · ${t.age} ${t.ago(f.latency(meta.quorum_age_ms))}`}
    >
      <div className="stack spaced">
        <p className={`verdict tone-${tone}`}>
          <StatusBadge tone={tone} bare>
            {meta.leader === null ? t.noLeader : single ? t.single : t.tolerates(meta.tolerates)}
          </StatusBadge>
        </p>
        <table className="plain-table">
          <thead>
            <tr>
              <th scope="col">{t.voter}</th>
              <th scope="col">{t.state}</th>
              <th scope="col" className="number">
                {t.behind}
              </th>
            </tr>
          </thead>
          <tbody>
            {meta.voters.map((voter) => (
              <VoterRow key={voter.node} voter={voter} leads={voter.node === meta.leader} />
            ))}
          </tbody>
        </table>
        {meta.learners.length > 0 ? (
          <p className="small muted">{t.learners(meta.learners.map((node) => shared.node(node)).join(", "))}</p>
        ) : null}
      </div>
    </Card>
  );
}

function VoterRow({ voter, leads }: { voter: Voter; leads: boolean }) {
  const t = words().quorum;
  const shared = common();
  const f = useFormat();
  const behind = voter.matched_behind;
  return (
    <tr>
      <th scope="row">
        <span className="nowrap">{shared.node(voter.node)}</span>
        <span className="muted small block mono">{voter.address}</span>
      </th>
      <td>
        {leads ? (
          <StatusBadge tone="info" icon={StarIcon} bare>
            {t.leads}
          </StatusBadge>
        ) : (
          <StatusBadge tone={voter.ok ? "ok" : "danger"} bare>
            {voter.ok ? t.follows : voter.silent_ms === null ? shared.unknown : t.silent(f.duration(voter.silent_ms / 1000))}
          </StatusBadge>
        )}
      </td>
      <td className="number">
        {behind === null ? "–" : behind < BEHIND ? <span className="muted">{t.inStep}</span> : t.entries(f.count(behind))}
      </td>
    </tr>
  );
}
