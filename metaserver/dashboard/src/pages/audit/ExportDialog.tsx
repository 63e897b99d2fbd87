// The journal as a file, for a range of time.

import { useState } from "react";
import { url } from "../../api/client";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { ArrowDownIcon } from "../../components/icons";
import { Segmented } from "../../components/Segmented";
import { common } from "../../i18n/common";
import { TimeInput } from "./FilterBar";
import { words } from "./text";

type Format = "ndjson" | "csv";

interface Props {
  from: string | undefined;
  to: string | undefined;
  onClose: () => void;
}

export function ExportDialog({ onClose, ...range }: Props) {
  const t = words();
  const c = common();
  const [format, setFormat] = useState<Format>("ndjson");
  const [from, setFrom] = useState(range.from ?? "");
  const [to, setTo] = useState(range.to ?? "");
  const wrong = from !== "" && to !== "" && new Date(from) >= new Date(to);
  const href = url("/audit/export", { format, from, to });
  return (
    <Dialog
      title={t.exportTitle}
      open
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{c.actions.cancel}</Button>
          {wrong ? (
            <Button kind="primary" icon={ArrowDownIcon} refused={t.wrongRange}>
              {t.download}
            </Button>
          ) : (
            <a className="button primary" href={href} download onClick={() => setTimeout(onClose, 300)}>
              <ArrowDownIcon />
              <span>{t.download}</span>
            </a>
          )}
        </>
      }
    >
      <div className="stack">
        <p>{t.exportLead}</p>
        <Segmented<Format>
          label={t.format}
          value={format}
          onChange={setFormat}
          options={(["ndjson", "csv"] as const).map((value) => ({ value, label: t.formats[value] }))}
        />
        <p className="small muted">{t.formatMeans[format]}</p>
        <div className="row wrap">
          <TimeInput label={t.from} value={from} onChange={setFrom} />
          <TimeInput label={t.to} value={to} onChange={setTo} />
        </div>
        <p className={`small ${wrong ? "tone-danger" : "muted"}`} role="status">
          {wrong ? t.wrongRange : t.exportAll}
        </p>
      </div>
    </Dialog>
  );
}
