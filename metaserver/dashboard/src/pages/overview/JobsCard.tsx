// What runs in the background, how far it is, and what holds it up.

import type { Job } from "../../api/types";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { CheckIcon, ClockIcon, OkIcon, PauseIcon, PlayIcon, WarningIcon } from "../../components/icons";
import { Progress } from "../../components/Progress";
import { StatusBadge, type Tone } from "../../components/StatusBadge";
import type { Icon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

const STATES: Record<Job["state"], [Tone, Icon]> = {
  running: ["info", PlayIcon],
  paused: ["warn", PauseIcon],
  waiting: ["idle", ClockIcon],
  done: ["ok", CheckIcon],
};

export function JobsCard({ jobs, className }: { jobs: Job[]; className: string }) {
  const t = words().jobs;
  return (
    <Card title={t.title} className={className}>
      {jobs.length === 0 ? (
        <EmptyState icon={OkIcon} title={t.none} small>
          {t.noneMeans}
        </EmptyState>
      ) : (
        <ul className="jobs">
          {jobs.map((job) => (
            <JobRow key={`${job.kind}-${job.title_params["disk"] ?? ""}-${job.title_params["node"] ?? ""}`} job={job} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function JobRow({ job }: { job: Job }) {
  const t = words().jobs;
  const shared = common();
  const f = useFormat();
  const { reason: say } = useServerTexts();
  const { disk, node } = job.title_params;
  const where = disk ? t.onDisk(disk, node ?? "?") : node ? t.onNode(node) : "";
  const [tone, icon] = STATES[job.state];
  const label = `${shared.jobs[job.kind]} ${where}`.trim();
  const lasts = job.kind === "maintenance";
  return (
    <li className="job">
      <div className="row spread">
        <p>
          <span className="strong">{shared.jobs[job.kind]}</span> <span className="muted">{where}</span>
        </p>
        <StatusBadge tone={tone} icon={icon} bare>
          {shared.jobStates[job.state]}
        </StatusBadge>
      </div>
      {lasts ? (
        <p className="small muted">{job.eta_seconds === null ? t.endless : t.endsIn(f.duration(job.eta_seconds))}</p>
      ) : (
        <Progress
          label={label}
          done={job.done_bytes}
          total={job.total_bytes}
          rate={job.rate}
          eta={job.eta_seconds}
          moving={job.state === "running"}
          tone={job.state === "done" ? "ok" : job.blocked.length > 0 ? "warn" : "accent"}
        />
      )}
      {job.detail.message && job.blocked.length === 0 ? <p className="small muted">{say(job.detail)}</p> : null}
      {job.blocked.map((reason) => (
        <p key={reason.message} className="small tone-warn blocked">
          <WarningIcon size={13} />
          <span>{t.heldUp(say(reason))}</span>
        </p>
      ))}
    </li>
  );
}
