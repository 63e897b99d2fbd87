// How much a directory may hold, and how much it does.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import type { Quota } from "../../api/types";
import { Button } from "../../components/Button";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { Bar } from "../../components/Progress";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import type { Stat } from "./data";
import { forBody, type Path } from "./paths";
import { parseBytes, typedBytes } from "./sizes";
import { words } from "./text";

export function QuotaForm({ path, stat }: { path: Path; stat: Stat }) {
  const t = words().properties;
  const { quota } = stat;
  const mine = quota?.path_is_root ? quota : null;
  const [bytes, setBytes] = useState(mine?.bytes ? typedBytes(mine.bytes) : "");
  const [files, setFiles] = useState(mine?.files ? String(mine.files) : "");
  const work = useWork();
  const wanted = bytes.trim() === "" ? 0 : parseBytes(bytes);
  const count = files.trim() === "" ? 0 : /^\d{1,15}$/.test(files.trim()) ? Number(files) : null;

  const put = (limit: { bytes: number; files: number }) =>
    void work.run(async () => {
      await api.put("/files/quota", { path: forBody(path), ...limit });
      if (limit.bytes === 0 && limit.files === 0) {
        setBytes("");
        setFiles("");
      }
      toast.ok(limit.bytes || limit.files ? t.quotaDone : t.quotaGone);
      await forget("/files");
    });
  return (
    <section className="stack" aria-labelledby="quota-form">
      <h3 id="quota-form" className="files-h3">
        {t.quotaTitle}
      </h3>
      {quota ? <QuotaBars quota={quota} /> : <p className="muted small">{t.quotaNone}</p>}
      {quota && !mine ? (
        <p className="muted small">{t.quotaAbove}</p>
      ) : (
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            if (wanted !== null && count !== null && !work.busy && (wanted || count)) put({ bytes: wanted, files: count });
          }}
        >
          <div className="two-fields">
            <TextField label={t.quotaBytes} value={bytes} onChange={setBytes} hint={t.quotaHint} error={wanted === null ? t.quotaWrong : null} autoComplete="off" />
            <TextField label={t.quotaFiles} value={files} onChange={setFiles} hint={t.quotaFilesHint} error={count === null ? t.quotaNumber : null} inputMode="numeric" autoComplete="off" />
          </div>
          {work.failure ? <FailureNote failure={work.failure} /> : null}
          <div className="row wrap">
            <Button type="submit" busy={work.busy} disabled={wanted === null || count === null || (!wanted && !count)}>
              {t.quotaSet}
            </Button>
            {mine ? (
              <Button kind="quiet" busy={work.busy} onClick={() => put({ bytes: 0, files: 0 })}>
                {t.quotaRemove}
              </Button>
            ) : null}
          </div>
        </form>
      )}
    </section>
  );
}

export function QuotaBars({ quota }: { quota: Quota }) {
  const t = words().properties;
  const f = useFormat();
  const line = (label: string, used: number, all: number, say: (value: number) => string) => {
    const share = all > 0 ? used / all : 0;
    return (
      <div className="stack tight">
        <div className="row spread small">
          <span className="muted">{label}</span>
          <span>{all > 0 ? t.quotaUsed(say(used), say(all)) : t.quotaUsedOpen(say(used))}</span>
        </div>
        {all > 0 ? <Bar label={label} share={Math.min(share, 1)} tone={share >= 1 ? "danger" : share > 0.9 ? "warn" : "accent"} /> : null}
      </div>
    );
  };
  const over = (quota.bytes > 0 && quota.used_bytes >= quota.bytes) || (quota.files > 0 && quota.used_files >= quota.files);
  return (
    <div className="stack">
      {line(t.bytes, quota.used_bytes, quota.bytes, f.bytes)}
      {line(t.filesCount, quota.used_files, quota.files, f.count)}
      {quota.counting ? <Note role="status">{t.quotaCounting}</Note> : null}
      {over && !quota.counting ? <Note tone="warn">{t.over}</Note> : null}
    </div>
  );
}
