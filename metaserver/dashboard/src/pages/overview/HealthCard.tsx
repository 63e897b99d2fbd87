// How the cluster is, and every cause with its consequence, worst first.

import { useState } from "react";
import { Link } from "wouter";
import { pages } from "../../app/pages";
import type { Issue, Overview } from "../../api/types";
import { Button } from "../../components/Button";
import { ArrowRightIcon, DangerIcon, InfoIcon, OkIcon, UnknownIcon, WarningIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

const SHAPES = { healthy: OkIcon, warning: WarningIcon, danger: DangerIcon, unknown: UnknownIcon };
const ISSUE_SHAPES = { note: InfoIcon, warning: WarningIcon, danger: DangerIcon };
const SHOWN = 5;

/** Where more is to be seen about it, if that page exists. */
function placeOf(issue: Issue): string | null {
  const { disk, node } = issue.params;
  let place = "";
  if (disk) place = `/topology/disks/${disk}`;
  else if (node) place = `/topology/nodes/${node}`;
  else if (/^pgs_|^no_room|^mass_failure/.test(issue.code)) place = "/repair";
  else if (issue.code.startsWith("procedure")) place = "/topology/procedures";
  const exists = pages.some((page) => page.path !== "/" && place.startsWith(page.path));
  return exists ? place : null;
}

export function HealthCard({ overview }: { overview: Overview }) {
  const t = words().health;
  const [all, setAll] = useState(false);
  const { health, issues } = overview;
  const Shape = SHAPES[health];
  const means = health === "healthy" ? t.healthyMeans : health === "unknown" ? t.unknownMeans : null;
  const shown = all ? issues : issues.slice(0, SHOWN);
  const left = issues.length - shown.length;
  return (
    <section className={`card health is-${health}`} aria-labelledby="health-title">
      <div className="health-head">
        <span className="health-shape">
          <Shape size={26} />
        </span>
        <div>
          <h2 id="health-title">{t[health]}</h2>
          {means ? <p className="muted">{means}</p> : null}
        </div>
      </div>
      {issues.length > 0 ? (
        <ul className="issues">
          {shown.map((issue, index) => (
            <IssueRow key={`${issue.code}-${index}`} issue={issue} />
          ))}
        </ul>
      ) : null}
      {issues.length > SHOWN ? (
        <div className="health-foot">
          <Button kind="quiet" small onClick={() => setAll(!all)}>
            {left > 0 ? t.more(String(left)) : t.fewer}
          </Button>
        </div>
      ) : null}
    </section>
  );
}

function IssueRow({ issue }: { issue: Issue }) {
  const t = words().health;
  const f = useFormat();
  const text = useServerTexts().issue(issue);
  const Shape = ISSUE_SHAPES[issue.severity];
  const place = placeOf(issue);
  return (
    <li className={`issue is-${issue.severity}`}>
      <Shape size={15} />
      <span className="hidden-text">{t.severity[issue.severity]}</span>
      <p className="issue-text">
        <span className="strong">{text.what}</span> <span className="muted">{text.means}</span>
      </p>
      <span className="muted small nowrap issue-since">{issue.since ? f.ago(issue.since) : ""}</span>
      {place ? (
        <Link href={place} className="issue-link small">
          {t.look}
          <span className="hidden-text">{text.what}</span>
          <ArrowRightIcon size={13} />
        </Link>
      ) : (
        <span />
      )}
    </li>
  );
}
