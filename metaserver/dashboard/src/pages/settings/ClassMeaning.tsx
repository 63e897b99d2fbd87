// What a storage class means: what it survives, costs and needs. The same words for one that is there and for one that
// is being made.

import type { ClassSpec } from "../../api/types";
import { CheckIcon, InfoIcon, WarningIcon, type Icon } from "../../components/icons";
import { useFormat, type Format } from "../../format";
import type { Domain } from "./domains";
import { words } from "./text";

export interface Shape {
  /** Members that together can be read, and those beyond. */
  data: number;
  parity: number;
  overhead: number;
}

export function shapeOf(spec: Pick<ClassSpec, "kind" | "copies" | "data" | "parity">): Shape {
  if (spec.kind === "erasure") {
    const [data, parity] = [spec.data ?? 0, spec.parity ?? 0];
    return { data, parity, overhead: data > 0 ? (data + parity) / data : 0 };
  }
  const copies = spec.copies ?? 1;
  return { data: 1, parity: copies - 1, overhead: copies };
}

/** 3, 1.5, 1.33. */
export const factor = (value: number, f: Format): string => f.decimal(value, [0, 1].find((digits) => (value * 10 ** digits) % 1 === 0) ?? 2);

/** How many domains may be lost when there are fewer of them than members, which then share them evenly. */
export function bornBy(shape: Shape, there: number): number {
  const members = shape.data + shape.parity;
  let [lost, born] = [0, 0];
  for (let at = 0; at < there; at++) {
    lost += Math.floor(members / there) + (at < members % there ? 1 : 0);
    if (lost > shape.parity) break;
    born += 1;
  }
  return born;
}

/** A block for each member: filled where it is data, open where it is redundancy. */
export function Drawing({ shape }: { shape: Shape }) {
  const t = words().classes;
  return (
    <div className="class-drawing" role="img" aria-label={t.drawing(shape.data, shape.parity)}>
      {Array.from({ length: Math.min(shape.data + shape.parity, 40) }, (_, at) => (
        <span key={at} className={at < shape.data ? "is-data" : "is-parity"} />
      ))}
    </div>
  );
}

interface Props {
  spec: ClassSpec;
  domains: Record<Domain, number> | null;
  companion?: string | undefined;
  /** Leave out what stands beside it anyway. */
  brief?: boolean;
}

export function ClassMeaning({ spec, domains, companion, brief = false }: Props) {
  const t = words().classes;
  const f = useFormat();
  const shape = shapeOf(spec);
  const members = shape.data + shape.parity;
  const domain = t.domains[spec.domain] ?? spec.domain;
  const erasure = spec.kind === "erasure";
  const lines: [Icon, string, string][] = [
    shape.parity === 0
      ? [WarningIcon, "danger", t.survives(0, domain)]
      : domains && domains[spec.domain] < members
        ? [InfoIcon, "idle", t.meant(shape.parity, domain)]
        : [CheckIcon, "ok", t.survives(shape.parity, domain)],
    [InfoIcon, "idle", t.costs(factor(shape.overhead, f), f.percent(1 / shape.overhead))],
  ];
  if (domains) {
    const there = domains[spec.domain];
    const least = erasure ? members : (spec.min_copies ?? 1);
    if (domains.disk < least) {
      const text = erasure ? t.tooFewForShards : t.tooFewDisks;
      lines.push([WarningIcon, erasure ? "warn" : "danger", text(least, domains.disk)]);
    } else if (domains.disk < members) lines.push([WarningIcon, "warn", t.fewDisks(members, domains.disk)]);
    if (there >= members) lines.push([CheckIcon, "ok", t.enough(members, domain, there)]);
    else if (domains.disk >= members) lines.push([WarningIcon, "warn", t.shared(members, domain, there, bornBy(shape, there))]);
    if (there > members && shape.parity > 0) lines.push([CheckIcon, "ok", t.healsYes]);
    else if (there === members && shape.parity > 0) lines.push([InfoIcon, "idle", t.heals(members, domain)]);
  }
  if (!brief) {
    if (erasure) {
      lines.push([InfoIcon, "idle", t.reading(shape.data)]);
      lines.push([InfoIcon, "idle", t.writesShards(members)]);
      if (companion) lines.push([InfoIcon, "idle", t.small(companion)]);
    } else {
      lines.push([InfoIcon, "idle", t.writes(spec.min_copies ?? 1, spec.copies ?? 1)]);
    }
  }
  return (
    <ul className="class-lines">
      {lines.map(([Shape, tone, text]) => (
        <li key={text}>
          <span className={`tone-${tone}`}>
            <Shape size={14} />
          </span>
          <span>{text}</span>
        </li>
      ))}
    </ul>
  );
}
