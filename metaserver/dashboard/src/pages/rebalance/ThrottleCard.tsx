// How fast data may move, and when it begins to by itself.

import { useEffect, useState } from "react";
import { Link } from "wouter";
import { pages } from "../../app/pages";
import { useRefusal } from "../../app/session";
import { api, Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { Balance } from "../../api/types";
import { Card } from "../../components/Card";
import { Slider } from "../../components/Slider";
import { Facts } from "../../components/Stat";
import { toast } from "../../components/Toasts";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { LIMITS, NO_LIMIT } from "./spread";
import { words } from "./text";

export function ThrottleCard({ balance, className }: { balance: Balance; className: string }) {
  const t = words().throttle;
  const shared = common();
  const f = useFormat();
  const role = useRefusal("operator");
  const current = balance.bytes_per_second || NO_LIMIT;
  const [value, setValue] = useState(current);
  useEffect(() => setValue(current), [current]);

  const commit = async (chosen: number) => {
    if (chosen === current) return;
    try {
      await api.put("/balance/throttle", { bytes_per_second: chosen === NO_LIMIT ? 0 : chosen });
      toast.ok(t.set);
    } catch (cause) {
      setValue(current);
      if (!(cause instanceof Failure)) throw cause;
      toast.failure(cause);
    }
    await forget("/balance");
  };
  const percent = f.percent(balance.threshold_percent / 100);
  const settings = pages.some((page) => page.id === "settings");
  return (
    <Card title={t.title} note={t.note} className={className}>
      <div className="stack spaced">
        <div>
          <Slider
            label={t.slider}
            steps={LIMITS}
            value={value}
            onChange={setValue}
            onCommit={(chosen) => void commit(chosen)}
            show={(limit) => (limit >= NO_LIMIT ? shared.unlimited : f.rate(limit))}
            disabled={role !== null}
          />
          {role ? <p className="small muted">{role}</p> : null}
        </div>
        <Facts
          rows={[
            [t.automatic, balance.automatic_on ? t.on(percent) : t.off],
            [words().plan.moves, t.parallel(f.count(balance.parallel))],
          ]}
        />
        {settings ? (
          <Link href="/settings" className="small">
            {t.settings}
          </Link>
        ) : null}
      </div>
    </Card>
  );
}
