// One disk.

import { Link } from "wouter";
import { pages } from "../../app/pages";
import { useGet } from "../../api/queries";
import type { DiskDetail, DiskView, ScrubDisk } from "../../api/types";
import { CapacityBar } from "../../components/CapacityBar";
import { EmptyState } from "../../components/EmptyState";
import { Note } from "../../components/Note";
import { SafeText } from "../../components/SafeText";
import { Facts } from "../../components/Stat";
import { LivenessBadge, StandingBadge } from "../../components/StatusBadge";
import { DiskIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { Offers } from "./Offers";
import { Panel } from "./Panel";
import { ProcedureView } from "./ProcedureView";
import { useProcedure } from "./procedures";
import { useTick } from "./store";
import { words } from "./text";
import { useDiskOffers } from "./verbs";

export function DiskPanel({ id, onClose }: { id: number; onClose: () => void }) {
  const t = words();
  const disk = useTick().disks.get(id);
  return (
    <Panel id={`disk-${id}`} title={t.what.Disk(id)} onClose={onClose}>
      {disk ? <DiskBody disk={disk} /> : <EmptyState icon={DiskIcon} title={t.panel.gone} small />}
    </Panel>
  );
}

function DiskBody({ disk }: { disk: DiskView }) {
  const t = words();
  const p = t.panel;
  const shared = common();
  const f = useFormat();
  const node = useTick().nodes.get(disk.node);
  const { data } = useGet<DiskDetail>(`/disks/${disk.id}`, {}, { every: 30_000 });
  const procedure = useProcedure(disk.procedure);
  const offers = useDiskOffers(disk, procedure);
  const share = disk.capacity_bytes > 0 ? disk.used_bytes / disk.capacity_bytes : 0;
  const groups = pages.some((page) => page.id === "groups");
  const wrong = disk.liveness !== "alive" || disk.condition === "recovering";
  return (
    <div className="stack spaced">
      <div className="row wrap">
        <LivenessBadge value={disk.liveness} bare={false} />
        {disk.effective_standing === "in" ? null : <StandingBadge value={disk.effective_standing} bare={false} />}
      </div>
      {wrong ? (
        <Note tone={disk.liveness === "failed" || disk.liveness === "down" ? "danger" : "warn"}>
          <p>{disk.condition === "recovering" ? shared.condition.recovering : shared.livenessMeans[disk.liveness]}</p>
          {disk.reason ? (
            <p className="small">
              {p.why} <SafeText value={disk.reason} most={300} mono />
            </p>
          ) : null}
        </Note>
      ) : null}
      <Offers target={{ kind: "disk", id: disk.id }} offers={offers} />
      {procedure ? (
        <section className="panel-part">
          <h3>{shared.jobs[procedure.kind]}</h3>
          <ProcedureView procedure={procedure} />
        </section>
      ) : null}
      <CapacityBar
        label={p.used}
        total={disk.capacity_bytes}
        segments={[
          {
            label: `${p.used} (${f.percent(share)})`,
            value: Math.max(0, disk.used_bytes - disk.garbage_bytes),
            color: share > 0.95 ? "danger-solid" : share > 0.85 ? "warn-solid" : "series-1",
          },
          { label: p.garbage, value: disk.garbage_bytes, color: "idle-solid", hatched: true },
          { label: p.free, value: disk.free_bytes, color: "line-strong" },
        ]}
      />
      <Facts
        rows={[
          [p.node, <Link key="n" href={`/topology/nodes/${disk.node}`}>{shared.node(disk.node)} {node ? <SafeText value={node.host} most={30} /> : null}</Link>],
          [p.path, <SafeText key="p" value={disk.path} most={200} mono />],
          [p.traffic, `${f.rate(disk.read_bytes)} ${p.read} · ${f.rate(disk.write_bytes)} ${p.write}`],
          [p.load, f.percent(disk.load)],
          [p.commit, f.latency(disk.commit_us / 1000)],
          [
            p.groups,
            groups ? (
              <Link key="g" href={`/groups?disk=${disk.id}`}>
                {f.count(disk.groups)}
              </Link>
            ) : (
              f.count(disk.groups)
            ),
          ],
          [p.records, f.count(disk.records)],
          [p.weight, f.decimal(disk.weight, 2)],
          [p.scrub, <Scrub key="s" scrub={data?.scrub ?? null} />],
          [p.incarnation, String(disk.incarnation)],
        ]}
      />
    </div>
  );
}

function Scrub({ scrub }: { scrub: ScrubDisk | null }) {
  const p = words().panel;
  const shared = common();
  const f = useFormat();
  if (!scrub || scrub.state === "unknown") return <>{shared.notKnownYet}</>;
  const lines: string[] = [];
  if (scrub.state === "running") lines.push(p.scrubRunning);
  else if (scrub.state === "off") lines.push(p.scrubOff);
  else if (scrub.due) lines.push(p.scrubDue(f.ago(scrub.due)));
  if (scrub.last?.ended) lines.push(p.scrubLast(f.ago(scrub.last.ended), f.count(scrub.last.damaged)));
  return (
    <>
      {lines.map((line) => (
        <span key={line} className="block">
          {line}
        </span>
      ))}
      {scrub.open > 0 ? <span className="block tone-warn">{p.scrubOpen(f.count(scrub.open))}</span> : null}
    </>
  );
}
