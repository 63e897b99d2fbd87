// How fast it goes and when it is done.

import type { Repair } from "../../api/types";
import { Card } from "../../components/Card";
import { Stat, Stats } from "../../components/Stat";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

export function ProgressCard({ repair, className }: { repair: Repair; className: string }) {
  const t = words().progress;
  const shared = common();
  const f = useFormat();
  const idle = repair.bytes_left === 0 && repair.running === 0;
  const left = f.bytesParts(repair.bytes_left);
  const rate = f.bytesParts(repair.rate);
  const done = f.bytesParts(repair.bytes);
  return (
    <Card title={t.title} className={className}>
      <Stats columns={2}>
        <Stat large label={t.left} value={left.number} unit={left.unit} />
        <Stat
          large
          label={t.eta}
          value={idle ? "–" : repair.eta_seconds === null ? "?" : f.duration(repair.eta_seconds)}
          note={idle ? t.idle : repair.eta_seconds === null ? shared.progress.etaUnknown : null}
        />
        <Stat label={t.rate} value={rate.number} unit={`${rate.unit}/s`} />
        <Stat label={t.running} value={f.count(repair.running)} />
        <Stat label={t.restored} value={done.number} unit={done.unit} note={t.chunks(f.count(repair.chunks))} />
      </Stats>
      <p className="small muted">{t.sinceLeader}</p>
    </Card>
  );
}
