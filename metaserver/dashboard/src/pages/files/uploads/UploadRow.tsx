// One upload.

import { useState } from "react";
import { Button } from "../../../components/Button";
import { CheckIcon, ClockIcon, CloseIcon, DangerIcon, PauseIcon, PlayIcon, RefreshIcon, UploadIcon, WarningIcon } from "../../../components/icons";
import { Bar } from "../../../components/Progress";
import { SafeText } from "../../../components/SafeText";
import { Checkbox } from "../../../components/TextField";
import { useFormat } from "../../../format";
import { middle, visible } from "../../../format/visible";
import { common } from "../../../i18n/common";
import { useServerTexts } from "../../../i18n/server";
import { words } from "../text";
import type { Upload } from "./model";
import { answer, cancel, pause, resume, type Answer } from "./store";

const ICONS = {
  waiting: ClockIcon,
  sending: UploadIcon,
  offline: WarningIcon,
  paused: PauseIcon,
  finishing: UploadIcon,
  conflict: WarningIcon,
  done: CheckIcon,
  failed: DangerIcon,
  skipped: CloseIcon,
};
const TONES = { offline: "tone-warn", conflict: "tone-warn", done: "tone-ok", failed: "tone-danger" } as Record<string, string>;

export function UploadRow({ upload, several }: { upload: Upload; several: boolean }) {
  const t = words().upload;
  const w = common();
  const f = useFormat();
  const server = useServerTexts();
  const { state } = upload;
  const Drawing = ICONS[state];
  const name = middle(visible(upload.name), 40);
  const moving = state === "sending" || state === "finishing" || state === "offline" || (state === "paused" && upload.sent > 0);
  let said = t.states[state];
  if (state === "failed" && upload.failure) said = server.failure(upload.failure);
  else if (state === "sending") said = w.of(f.bytes(upload.sent), f.bytes(upload.size));
  else if (state === "waiting" || state === "done") said = `${t.states[state]} · ${f.bytes(upload.size)}`;
  if (upload.resumed > 0 && state === "sending") said += ` · ${t.resumed(f.bytes(upload.resumed))}`;

  return (
    <div className="upload-row">
      <span className={TONES[state] ?? "muted"}>
        <Drawing size={15} />
      </span>
      <div className="grow">
        <p className="upload-name">
          <SafeText value={upload.name} most={40} />
        </p>
        <p className={`small upload-said ${TONES[state] && state !== "done" ? TONES[state] : "muted"}`} title={said}>
          {said}
        </p>
        {moving ? (
          <Bar label={name} share={upload.size > 0 ? upload.sent / upload.size : null} tone={state === "sending" || state === "finishing" ? "accent" : "idle"} />
        ) : null}
        {state === "conflict" ? <Taken upload={upload} several={several} /> : null}
      </div>
      {state === "sending" || state === "offline" || state === "waiting" ? (
        <Button kind="quiet" small iconOnly icon={PauseIcon} onClick={() => pause(upload.id)}>
          {t.pause(name)}
        </Button>
      ) : null}
      {state === "paused" ? (
        <Button kind="quiet" small iconOnly icon={PlayIcon} onClick={() => resume(upload.id)}>
          {t.resume(name)}
        </Button>
      ) : null}
      {state === "failed" ? (
        <Button kind="quiet" small iconOnly icon={RefreshIcon} onClick={() => resume(upload.id)}>
          {t.retry(name)}
        </Button>
      ) : null}
      {state !== "done" && state !== "finishing" && state !== "conflict" && state !== "skipped" ? (
        <Button kind="quiet" small iconOnly icon={CloseIcon} onClick={() => cancel(upload.id)}>
          {t.cancel(name)}
        </Button>
      ) : null}
    </div>
  );
}

function Taken({ upload, several }: { upload: Upload; several: boolean }) {
  const t = words().upload;
  const [forAll, setForAll] = useState(false);
  const button = (what: Answer, label: string) => (
    <Button small onClick={() => answer(upload.id, what, forAll)}>
      {label}
    </Button>
  );
  return (
    <div className="row wrap upload-taken">
      {button("replace", t.replace)}
      {button("both", t.both)}
      {button("skip", t.skip)}
      {several ? <Checkbox label={t.forAll} checked={forAll} onChange={setForAll} /> : null}
    </div>
  );
}
