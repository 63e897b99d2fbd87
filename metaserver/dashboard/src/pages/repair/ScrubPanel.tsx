// The rounds of one disk: the present one and those that were.

import { Link } from "wouter";
import { useRefusal } from "../../app/session";
import { useGet } from "../../api/queries";
import type { DiskDetail, ScrubDisk, ScrubRound } from "../../api/types";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { Note } from "../../components/Note";
import { Progress } from "../../components/Progress";
import { StatusBadge } from "../../components/StatusBadge";
import { PlayIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

export function ScrubPanel({ disk, onClose, onStart }: { disk: ScrubDisk; onClose: () => void; onStart: () => void }) {
  const t = words().scrub;
  const shared = common();
  const f = useFormat();
  const role = useRefusal("operator");
  // The list may hold the last round only; the disk itself knows its history.
  const { data } = useGet<DiskDetail>(`/disks/${disk.disk}`, {}, { staleTime: 10_000 });
  const known = data?.scrub?.history ?? [];
  const rounds = known.length > disk.history.length ? known : disk.history;
  const { round } = disk;
  const left = round ? Math.max(0, round.to_do_bytes - round.bytes) : 0;
  return (
    <Dialog
      title={t.round.title(String(disk.disk))}
      open
      wide
      onClose={onClose}
      footer={
        <Button kind="primary" icon={PlayIcon} refused={role} onClick={onStart}>
          {t.start}
        </Button>
      }
    >
      <div className="stack spaced">
        {disk.open > 0 ? (
          <Note tone="danger" title={t.openNow(f.count(disk.open))} />
        ) : null}
        {round && disk.state === "running" ? (
          <Progress
            label={t.columns.progress}
            done={round.bytes}
            total={round.to_do_bytes}
            rate={disk.rate}
            eta={disk.rate > 0 ? left / disk.rate : null}
            note={t.counts(f.count(round.damaged), f.count(round.mended))}
          />
        ) : null}
        {rounds.length === 0 ? <p className="muted">{t.round.none}</p> : <Rounds rounds={rounds} />}
        <Link href={`/topology/disks/${disk.disk}`}>
          {t.round.toDisk} · {shared.node(disk.node)}
        </Link>
      </div>
    </Dialog>
  );
}

function Rounds({ rounds }: { rounds: ScrubRound[] }) {
  const t = words().scrub;
  const f = useFormat();
  return (
    <div className="rounds" tabIndex={0} role="region" aria-label={t.round.number}>
      <table className="plain-table">
        <thead>
          <tr>
            <th scope="col">{t.round.number}</th>
            <th scope="col">{t.round.began}</th>
            <th scope="col">{t.round.took}</th>
            <th scope="col" className="number">{t.round.read}</th>
            <th scope="col" className="number">{t.round.damaged}</th>
            <th scope="col" className="number">{t.round.mended}</th>
            <th scope="col" className="number">{t.round.gone}</th>
            <th scope="col">{t.round.how}</th>
          </tr>
        </thead>
        <tbody>
          {rounds.map((round) => (
            <tr key={round.number}>
              <th scope="row">{f.count(round.number)}</th>
              <td className="nowrap">{f.dateTime(round.began)}</td>
              <td className="nowrap">{round.ended ? f.duration((Date.parse(round.ended) - Date.parse(round.began)) / 1000) : "–"}</td>
              <td className="number">{f.bytes(round.bytes)}</td>
              <td className="number">
                {round.damaged > 0 ? (
                  <StatusBadge tone="danger" bare>
                    {f.count(round.damaged)}
                  </StatusBadge>
                ) : (
                  "0"
                )}
              </td>
              <td className="number">{f.count(round.mended)}</td>
              <td className="number">{f.count(round.gone)}</td>
              <td className="nowrap">{[round.ordered ? t.ordered : t.round.regular, round.cut_short ? t.cutShort : ""].filter(Boolean).join(" · ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
