// What verification found, in one sentence, then server by server.

import type { AuditVerdict } from "../../api/types";
import { Note } from "../../components/Note";
import { SafeText } from "../../components/SafeText";
import { StatusBadge } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

const SHOWN = 20;
type Member = AuditVerdict["members"][number];

export function Verdict({ verdict }: { verdict: AuditVerdict }) {
  const t = words();
  const c = common();
  const f = useFormat();
  const silent = verdict.members.filter((member) => !member.answered).length;
  const found = verdict.members.some((member) => member.answered && (!member.ok || member.problems.length > 0));
  // A server that is silent proves nothing.
  const broken = found || !verdict.ok;
  return (
    <div className="audit-verdict">
      {broken ? (
        <Note tone="danger" title={t.broken}>
          <p>{t.brokenBody}</p>
        </Note>
      ) : (
        <Note tone={silent > 0 ? "warn" : "ok"} title={silent > 0 ? t.partial : t.fine(f.count(verdict.entries), f.count(verdict.first), f.count(verdict.last))}>
          <p>{silent > 0 ? t.partialBody : t.fineBody}</p>
        </Note>
      )}
      <div className="audit-members-scroll" tabIndex={0} role="region" aria-label={t.member.verdict}>
        <table className="audit-members">
          <thead>
            <tr>
              <th scope="col">{t.member.node}</th>
              <th scope="col">{t.member.verdict}</th>
              <th scope="col">{t.member.head}</th>
              <th scope="col">{t.member.problems}</th>
            </tr>
          </thead>
          <tbody>
            {verdict.members.map((member) => (
              <tr key={member.node}>
                <th scope="row">{c.node(member.node)}</th>
                <td>
                  <MemberBadge member={member} />
                </td>
                <td>{member.answered ? <code title={member.head}>{member.head.slice(0, 16)}…</code> : "–"}</td>
                <td>
                  <Problems member={member} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </div>
  );
}

function MemberBadge({ member }: { member: Member }) {
  const t = words();
  if (!member.answered) return <StatusBadge tone="idle" bare>{t.memberSilent}</StatusBadge>;
  if (member.ok) return <StatusBadge tone="ok" bare>{t.memberOk}</StatusBadge>;
  return <StatusBadge tone="danger" bare>{t.memberBad(member.problems.length)}</StatusBadge>;
}

function Problems({ member }: { member: Member }) {
  const t = words();
  const f = useFormat();
  if (member.problems.length === 0 || !member.answered) return <span className="muted">–</span>;
  return (
    <ul className="stack tight">
      {member.problems.slice(0, SHOWN).map((problem, index) => (
        <li key={index}>
          <span className="strong">{t.atEntry(f.count(problem.seq))}</span>{" "}
          <SafeText value={t.problem[problem.code] ?? problem.message} most={300} />
        </li>
      ))}
      {member.problems.length > SHOWN ? <li className="muted">{t.moreProblems(f.count(member.problems.length - SHOWN))}</li> : null}
    </ul>
  );
}
