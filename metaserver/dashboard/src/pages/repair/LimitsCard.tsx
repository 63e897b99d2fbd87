// What repair may use.

import { Link } from "wouter";
import { pages } from "../../app/pages";
import type { Repair } from "../../api/types";
import { Card } from "../../components/Card";
import { Facts } from "../../components/Stat";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

export function LimitsCard({ repair, className }: { repair: Repair; className: string }) {
  const t = words().limits;
  const shared = common();
  const f = useFormat();
  const settings = pages.some((page) => page.id === "settings");
  return (
    <Card
      title={t.title}
      className={className}
      aside={
        settings ? (
          <Link href="/settings" className="small">
            {t.change}
          </Link>
        ) : null
      }
    >
      <Facts
        rows={[
          [t.rate, repair.bytes_per_second > 0 ? f.rate(repair.bytes_per_second) : shared.unlimited],
          [t.perDisk, f.count(repair.parallel_per_disk)],
          [t.total, f.count(repair.parallel_total)],
        ]}
      />
    </Card>
  );
}
