// The uploads under way: how far, how fast, how long; pause, cancel, and what to do about names that are taken.

import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import { QueryClientProvider } from "@tanstack/react-query";
import { I18nProvider } from "react-aria-components";
import { queryClient } from "../../../api/queries";
import { useSession } from "../../../app/session";
import { Button } from "../../../components/Button";
import { ConfirmDialog } from "../../../components/ConfirmDialog";
import { ChevronDownIcon, CloseIcon, PauseIcon, PlayIcon } from "../../../components/icons";
import { Bar } from "../../../components/Progress";
import { useFormat } from "../../../format";
import { common } from "../../../i18n/common";
import { localeOf, useLanguage } from "../../../i18n/language";
import { words } from "../text";
import { isOver } from "./model";
import { cancelAll, clearOver, dropAll, pauseAll, resumeAll, useUploads } from "./store";
import { UploadRow } from "./UploadRow";

export function UploadTray() {
  const language = useLanguage();
  const session = useSession();
  const gone = session.state === "anonymous" && !session.ended;
  useEffect(() => {
    if (gone) dropAll();
  }, [gone]);
  if (session.state !== "signed-in") return null;
  return (
    <QueryClientProvider client={queryClient}>
      <I18nProvider locale={localeOf(language)}>
        <Tray />
      </I18nProvider>
    </QueryClientProvider>
  );
}

function Tray() {
  const t = words().upload;
  const w = common();
  const f = useFormat();
  const { uploads, totals, rate } = useUploads();
  const [open, setOpen] = useState(true);
  const [asking, setAsking] = useState(false);
  useEffect(() => {
    if (totals.conflicts > 0) setOpen(true);
  }, [totals.conflicts]);
  if (uploads.length === 0) return null;

  const over = uploads.every((one) => isOver(one.state));
  const share = totals.bytes > 0 ? totals.sent / totals.bytes : over ? 1 : 0;
  const left = rate && rate > 0 ? (totals.bytes - totals.sent) / rate : null;
  let speed = "";
  if (totals.open > 0) {
    if (totals.offline > 0 && totals.offline === totals.open) speed = t.states.offline;
    else if (rate) speed = t.rate(f.rate(rate), left === null ? w.progress.etaUnknown : w.progress.eta(f.duration(left)));
  } else if (totals.paused > 0) speed = t.paused;
  const said = over ? t.allDone(totals.done, f.count(totals.done)) : t.summary(f.count(totals.done), f.count(totals.files));

  return (
    <section className="tray" aria-label={t.region}>
      <div className="tray-head">
        <div className="grow">
          <p className="strong">
            {said}
            {totals.failed > 0 ? <span className="tone-danger"> · {t.withFailures(totals.failed, f.count(totals.failed))}</span> : null}
          </p>
          <p className="small muted tray-speed">
            {w.of(f.bytes(totals.sent), f.bytes(totals.bytes))}
            {speed ? ` · ${speed}` : ""}
          </p>
        </div>
        {totals.open > 0 ? (
          <Button kind="quiet" small iconOnly icon={PauseIcon} onClick={pauseAll}>
            {t.pauseAll}
          </Button>
        ) : totals.paused + totals.failed > 0 ? (
          <Button kind="quiet" small iconOnly icon={PlayIcon} onClick={resumeAll}>
            {t.resumeAll}
          </Button>
        ) : null}
        <Button kind="quiet" small iconOnly icon={ChevronDownIcon} className="tray-fold" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? t.collapse : t.expand}
        </Button>
        <Button kind="quiet" small iconOnly icon={CloseIcon} onClick={() => (over ? clearOver() : setAsking(true))}>
          {over ? t.close : t.cancelAll}
        </Button>
      </div>
      <Bar label={t.region} share={share} tone={totals.failed > 0 ? "warn" : over ? "ok" : totals.open === 0 || totals.offline > 0 ? "idle" : "accent"} />
      <span className="hidden-text" role="status">
        {over ? said : ""}
      </span>
      {open ? <Rows /> : null}
      {asking ? (
        <ConfirmDialog
          title={t.cancelAllTitle}
          action={t.cancelAll}
          dangerous
          onClose={() => setAsking(false)}
          onConfirm={() => {
            setAsking(false);
            cancelAll();
            clearOver();
          }}
        >
          <p>{t.cancelAllBody}</p>
        </ConfirmDialog>
      ) : null}
    </section>
  );
}

const ROW = 58;
/** What needs somebody first, then what moves, then what waits, then what is over. */
const RANK = { conflict: 0, failed: 1, offline: 2, sending: 2, finishing: 2, paused: 3, waiting: 4, done: 5, skipped: 6 };

function Rows() {
  const t = words().upload;
  const { uploads, totals } = useUploads();
  const scroller = useRef<HTMLDivElement>(null);
  const rows = [...uploads].sort((a, b) => RANK[a.state] - RANK[b.state] || a.id - b.id);
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (rows[index]?.state === "conflict" ? 94 : ROW),
    getItemKey: (index) => rows[index]?.id ?? index,
    overscan: 4,
  });
  const shape = rows.findIndex((one) => one.state !== "conflict");
  useEffect(() => virtual.measure(), [virtual, shape]);
  return (
    <div className="tray-rows" ref={scroller} tabIndex={0} role="group" aria-label={t.region}>
      <ul style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((item) => {
          const upload = rows[item.index];
          return upload ? (
            <li key={upload.id} style={{ height: item.size, transform: `translateY(${item.start}px)` }}>
              <UploadRow upload={upload} several={totals.conflicts > 1} />
            </li>
          ) : null;
        })}
      </ul>
    </div>
  );
}
