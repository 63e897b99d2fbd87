// Scrub: how far each disk is, what was found, and a round at once.

import { useState } from "react";
import { useRefusal } from "../../app/session";
import { useGet } from "../../api/queries";
import type { Scrub, ScrubDisk } from "../../api/types";
import { Button } from "../../components/Button";
import { Card } from "../../components/Card";
import { FailureNote } from "../../components/FailureNote";
import { SearchField } from "../../components/SearchField";
import { Skeleton } from "../../components/Skeleton";
import { Stat, Stats } from "../../components/Stat";
import { PlayIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { ScrubDialog } from "./ScrubDialog";
import { ScrubPanel } from "./ScrubPanel";
import { ScrubTable } from "./ScrubTable";
import { words } from "./text";

export function ScrubTab() {
  const t = words().scrub;
  const shared = common();
  const f = useFormat();
  const role = useRefusal("operator");
  const { data, error, refetch } = useGet<Scrub>("/scrub", {}, { every: 5_000 });
  const [asking, setAsking] = useState<ScrubDisk[] | null>(null);
  const [open, setOpen] = useState<number | null>(null);
  const [find, setFind] = useState("");
  if (error && !data) return <FailureNote failure={error} onRetry={() => void refetch()} />;
  if (!data) return <Skeleton height={520} />;

  const rate = data.bytes_per_second === "node" ? t.asNode : f.rate(Number(data.bytes_per_second));
  const period = data.period_seconds === "node" ? t.everyNode : t.every(f.duration(Number(data.period_seconds)));
  const off = data.bytes_per_second === "0" || data.period_seconds === "0";
  const wanted = find.trim().toLowerCase();
  const rows = data.disks.filter(
    (disk) => !wanted || [shared.disk(disk.disk), shared.node(disk.node)].some((text) => text.toLowerCase().includes(wanted)),
  );
  const shown = data.disks.find((disk) => disk.disk === open);
  return (
    <>
      <Card
        title={t.title}
        note={off ? t.off : t.note(rate, period)}
        flush
        aside={
          <Button kind="primary" small icon={PlayIcon} refused={role} onClick={() => setAsking(data.disks)}>
            {t.startAll}
          </Button>
        }
      >
        <div className="scrub-head stack">
          <Figures disks={data.disks} />
          <SearchField label={t.search} value={find} onChange={setFind} />
        </div>
        <ScrubTable disks={rows} selected={open} onOpen={(disk) => setOpen(disk.disk)} />
      </Card>
      {shown ? <ScrubPanel disk={shown} onClose={() => setOpen(null)} onStart={() => setAsking([shown])} /> : null}
      {asking ? <ScrubDialog disks={asking} all={asking.length === data.disks.length && asking.length !== 1} onClose={() => setAsking(null)} /> : null}
    </>
  );
}

function Figures({ disks }: { disks: ScrubDisk[] }) {
  const t = words().scrub;
  const shared = common();
  const f = useFormat();
  const running = disks.filter((disk) => disk.state === "running");
  const open = disks.reduce((sum, disk) => sum + disk.open, 0);
  const damaged = disks.reduce((sum, disk) => sum + (disk.last?.damaged ?? 0), 0);
  const mended = disks.reduce((sum, disk) => sum + (disk.last?.mended ?? 0), 0);
  const due = disks.map((disk) => disk.due).filter((at) => at !== null).sort()[0];
  return (
    <Stats>
      <Stat label={t.running} value={f.count(running.length)} unit={`/ ${f.count(disks.length)}`} />
      <Stat label={t.open} value={open > 0 ? f.count(open) : t.openNone} tone={open > 0 ? "danger" : "ok"} />
      <Stat label={t.damaged} value={f.count(damaged)} note={damaged > 0 ? t.mended(f.count(mended)) : null} />
      <Stat label={t.due} value={due ? f.ago(due) : shared.unknown} />
    </Stats>
  );
}
