// A scrub round at once, of all disks or of one.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { ScrubDisk } from "../../api/types";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { Facts } from "../../components/Stat";
import { toast } from "../../components/Toasts";
import { useFormat } from "../../format";
import { words } from "./text";

export function ScrubDialog({ disks, all, onClose }: { disks: ScrubDisk[]; all: boolean; onClose: () => void }) {
  const t = words().scrub;
  const f = useFormat();
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const size = (disk: ScrubDisk) => (disk.round ?? disk.last)?.to_do_bytes ?? 0;
  const bytes = disks.reduce((sum, disk) => sum + size(disk), 0);
  const times = disks.filter((disk) => disk.cap > 0 && size(disk) > 0).map((disk) => size(disk) / disk.cap);
  const rows: [string, string][] = [];
  if (bytes > 0) rows.push([t.size, f.bytes(bytes)]);
  if (times.length > 0) rows.push([t.time, f.duration(Math.max(...times))]);
  const start = async () => {
    setBusy(true);
    try {
      await api.post("/scrub", all ? {} : { disks: disks.map((disk) => disk.disk) });
      toast.ok(t.confirmAll.done);
      onClose();
      await forget("/scrub", "/overview");
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      setFailure(cause);
      setBusy(false);
    }
  };
  return (
    <ConfirmDialog
      title={all ? t.confirmAll.title : t.confirmOne(String(disks[0]?.disk ?? ""))}
      action={t.start}
      busy={busy}
      failure={failure}
      onConfirm={() => void start()}
      onClose={onClose}
    >
      <p>{t.confirmAll.body}</p>
      {rows.length > 0 ? <Facts rows={rows} /> : null}
    </ConfirmDialog>
  );
}
