// A list of one kind of access: waiting for it, not allowed to see it, without anything in it, or there.

import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Failure } from "../../api/client";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { ShieldIcon } from "../../components/icons";
import { SkeletonLines } from "../../components/Skeleton";
import { words } from "./text";

export interface SectionProps<T> {
  title: ReactNode;
  note?: ReactNode;
  aside?: ReactNode;
  asked: UseQueryResult<{ items: T[] }, Failure>;
  children: (items: T[]) => ReactNode;
}

export function Section<T>({ title, note, aside, asked, children }: SectionProps<T>) {
  const t = words();
  const { data, error, refetch } = asked;
  const forbidden = error?.status === 403;
  return (
    <Card title={title} {...(note ? { note } : {})} {...(forbidden ? {} : { aside })} flush>
      {forbidden ? (
        <EmptyState icon={ShieldIcon} title={t.forbiddenTitle} action={<Link href="/access/me">{t.toMine}</Link>}>
          {t.forbiddenBody}
        </EmptyState>
      ) : error && !data ? (
        <div className="access-wait">
          <FailureNote failure={error} onRetry={() => void refetch()} />
        </div>
      ) : data ? (
        children(data.items)
      ) : (
        <div className="access-wait">
          <SkeletonLines lines={5} height={22} />
        </div>
      )}
    </Card>
  );
}
