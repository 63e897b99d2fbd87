// An empty cluster: what to do next, with the commands for this very cluster.

import type { ReactNode } from "react";
import { Link } from "wouter";
import { pages, type PageId } from "../../app/pages";
import { useGet } from "../../api/queries";
import type { Overview, Topology } from "../../api/types";
import { Card } from "../../components/Card";
import { Command } from "../../components/CopyButton";
import { words } from "./text";

export function FirstSteps({ overview }: { overview: Overview }) {
  const t = words().first;
  const { data } = useGet<Topology>("/topology", {}, { every: 30_000 });
  const host = location.hostname;
  const meta = overview.meta.voters[0]?.address ?? `${host}:7400`;
  const gateway = data?.nodes.find((node) => node.s3_address)?.s3_address ?? `${host}:9000`;
  const s3 = `aws --endpoint-url http://${gateway} s3`;
  const disks = overview.disks.total;
  const go = (id: PageId, label: string) => {
    const page = pages.find((one) => one.id === id);
    return page ? <Link href={page.path}>{label}</Link> : null;
  };
  return (
    <Card title={t.title} note={t.lead} className="first">
      <ol className="first-steps">
        <Step title={t.key} means={t.keyMeans} link={go("access", t.openAccess)}>
          <Command text={"holdfast admin keys add --description first --allow 'backups:rwm'"} />
        </Step>
        <Step title={t.bucket} means={t.bucketMeans} link={go("files", t.openFiles)}>
          <Command text={`${s3} mb s3://backups`} />
        </Step>
        <Step title={t.upload} means={t.uploadMeans}>
          <Command text={`${s3} cp ./photos s3://backups/photos --recursive`} />
          <Command text="holdfast put -r ./photos /backups/photos" />
        </Step>
        <Step title={t.mount} means={t.mountMeans}>
          <Command text={`holdfast mount ${meta}:/backups /srv/backups`} />
        </Step>
        <Step title={t.nodes} means={t.nodesMeans(disks > 1 ? t.twoDisks : t.oneCopy)}>
          <Command text="holdfast admin token new" />
          <p className="small muted">{t.onNew}</p>
          <Command text={`holdfast server --data /srv/holdfast --join ${meta} --join-token-file token`} />
        </Step>
      </ol>
    </Card>
  );
}

interface StepProps {
  title: string;
  means: string;
  link?: ReactNode;
  children: ReactNode;
}

function Step({ title, means, link, children }: StepProps) {
  return (
    <li className="first-step">
      <div className="row spread">
        <h3>{title}</h3>
        <span className="small">{link}</span>
      </div>
      <p className="small muted">{means}</p>
      <div className="stack tight">{children}</div>
    </li>
  );
}
