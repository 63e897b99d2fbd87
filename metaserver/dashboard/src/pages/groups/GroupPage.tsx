// One group: what is the matter with it, who keeps it, what lies in it.

import { useEffect, useState } from "react";
import { Link } from "wouter";
import { useGet } from "../../api/queries";
import type { ClassView, GroupView, List } from "../../api/types";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { GroupsIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { Skeleton } from "../../components/Skeleton";
import { Facts } from "../../components/Stat";
import { LevelBadge } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { GroupFiles } from "./GroupFiles";
import { Members } from "./Members";
import { StateBadge } from "./state";
import { words } from "./text";
import { WhyCard } from "./WhyCard";

export function GroupPage({ id }: { id: string }) {
  const t = words();
  const { data, error, refetch } = useGet<GroupView>(`/groups/${encodeURIComponent(id)}`, {}, { every: 3_000 });
  const classes = useGet<List<ClassView>>("/classes", {}, { staleTime: 60_000 });
  const storage = classes.data?.items.find((one) => one.id === data?.class);
  const missing = error?.status === 404;
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <Link href="/groups" className="small back-link">
            {t.back}
          </Link>
          <h1 className="row wrap">
            <span>{t.group(id)}</span>
            {data ? <LevelBadge value={data.level} bare={false} /> : null}
            {data && data.state !== "whole" ? <StateBadge value={data.state} bare={false} /> : null}
          </h1>
        </div>
      </header>
      {missing ? (
        <section className="card">
          <EmptyState icon={GroupsIcon} title={t.notFound(id)}>
            {t.notFoundBody}
          </EmptyState>
        </section>
      ) : null}
      {error && !missing ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? <GroupSkeleton /> : null}
      {data && !missing ? (
        <div className="grid">
          <WhyCard group={data} />
          <ContentCard group={data} storage={storage} />
          <Members group={data} storage={storage} />
          <GroupFiles id={data.id} />
        </div>
      ) : null}
    </div>
  );
}

function ContentCard({ group, storage }: { group: GroupView; storage: ClassView | undefined }) {
  const t = words();
  const f = useFormat();
  return (
    <Card title={t.contentTitle} className="third">
      <Facts
        rows={[
          [t.facts.class, <Link href={`/groups?class=${group.class}`}><SafeText value={group.class_name || (storage?.name ?? String(group.class))} /></Link>],
          [t.facts.content, f.bytes(group.bytes)],
          [t.facts.chunks, f.count(group.chunks)],
          [t.facts.spare, group.spare < 0 ? "–" : f.count(group.spare)],
          [t.facts.writable, t.writable[group.writable] ?? group.writable],
          [t.facts.epoch, f.count(group.epoch)],
        ]}
      />
    </Card>
  );
}

function GroupSkeleton() {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div className="grid" aria-busy="true" style={{ visibility: late ? "visible" : "hidden" }}>
      <div className="two-thirds">
        <Skeleton height={230} />
      </div>
      <div className="third">
        <Skeleton height={230} />
      </div>
      <Skeleton height={260} />
    </div>
  );
}
