// Storage classes: what each survives and costs, how much is in it; a new one, other numbers of copies.

import { useState } from "react";
import { Link } from "wouter";
import { useGet } from "../../api/queries";
import type { ClassView, List, Topology } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { Card } from "../../components/Card";
import { FailureNote } from "../../components/FailureNote";
import { PlusIcon, StarIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { Stat, Stats } from "../../components/Stat";
import { StatusBadge } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { ClassMeaning, Drawing, factor, shapeOf } from "./ClassMeaning";
import { CopiesDialog } from "./CopiesDialog";
import { domainsOf, type Domain } from "./domains";
import { NewClassDialog } from "./NewClassDialog";
import { words } from "./text";

export function ClassesTab() {
  const t = words().classes;
  const refused = useRefusal("admin");
  const { data, error, refetch } = useGet<List<ClassView>>("/classes", {}, { every: 30_000 });
  const topology = useGet<Topology>("/topology", {}, { staleTime: 60_000 });
  const domains = domainsOf(topology.data);
  const [making, setMaking] = useState(false);
  const [changing, setChanging] = useState<ClassView | null>(null);
  return (
    <div className="stack settings-stack">
      <div className="settings-lead">
        <p>{t.lead}</p>
        <Button kind="primary" icon={PlusIcon} refused={refused} onClick={() => setMaking(true)}>
          {t.create}
        </Button>
      </div>
      {error && !data ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonLines lines={6} height={60} /> : null}
      <div className="class-grid">
        {data?.items.map((one) => (
          <ClassCard key={one.id} view={one} all={data.items} domains={domains} onChange={() => setChanging(one)} />
        ))}
      </div>
      {making && data ? <NewClassDialog classes={data.items} domains={domains} onClose={() => setMaking(false)} /> : null}
      {changing ? <CopiesDialog view={changing} domains={domains} onClose={() => setChanging(null)} /> : null}
    </div>
  );
}

interface ClassCardProps {
  view: ClassView;
  all: ClassView[];
  domains: Record<Domain, number> | null;
  onChange: () => void;
}

function ClassCard({ view, all, domains, onChange }: ClassCardProps) {
  const t = words().classes;
  const f = useFormat();
  const refused = useRefusal("admin");
  const erasure = view.kind === "erasure";
  const domain = t.domains[view.domain] ?? view.domain;
  const companion = all.find((one) => one.id === view.companion)?.name;
  return (
    <Card
      title={<SafeText value={view.name} most={48} />}
      note={`${erasure ? t.shards(view.data ?? 0, view.parity ?? 0) : t.copies(view.copies ?? 0)} · ${t.onDomains[view.domain] ?? view.domain}`}
      aside={
        view.is_default ? (
          <StatusBadge tone="info" icon={StarIcon}>
            {t.isDefault}
          </StatusBadge>
        ) : null
      }
    >
      <div className="stack class-card">
        <Drawing shape={shapeOf(view)} />
        <Stats columns={4}>
          <Stat label={t.stats.overhead} value={`${factor(view.overhead, f)}×`} />
          <Stat label={t.stats.tolerates} value={t.toleratesShort(view.tolerates, domain)} />
          <Stat label={t.stats.stored} value={f.bytes(view.bytes)} />
          <Stat label={t.stats.groups} value={<Link href={`/groups?class=${view.id}`}>{f.count(view.groups)}</Link>} />
        </Stats>
        <ClassMeaning spec={view} domains={domains} companion={companion} />
        <p className="small muted">
          {t.more(f.bytes(view.inline_limit ?? 0), f.bytes(view.chunk_bytes ?? 0))}
          {view.cell_bytes ? ` ${t.moreCell(f.bytes(view.cell_bytes))}` : ""}
        </p>
        <div className="class-foot">
          {erasure ? (
            <p className="small muted">{t.erasureFixed}</p>
          ) : (
            <Button small refused={refused} onClick={onChange}>
              {t.change}
            </Button>
          )}
        </div>
      </div>
    </Card>
  );
}
