// One setting: what it is, its value as a control that knows its unit, its default. A change is saved on its own.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { Setting } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { SafeText } from "../../components/SafeText";
import { StatusBadge } from "../../components/StatusBadge";
import { EditIcon } from "../../components/icons";
import { toast } from "../../components/Toasts";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { rangeOf, say } from "./quantities";
import { riskOf } from "./risks";
import { useSettingNames, words } from "./text";
import { ValueControl } from "./ValueControl";

export function SettingRow({ setting }: { setting: Setting }) {
  const t = words();
  const c = common();
  const f = useFormat();
  const text = useSettingNames()[setting.name];
  const refused = useRefusal("admin");
  const [draft, setDraft] = useState<string | null>(null);
  const [wrong, setWrong] = useState(false);
  const [asked, setAsked] = useState<string | null>(null);
  const [cancelled, setCancelled] = useState(0);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const title = text?.title ?? setting.name;
  const value = draft ?? setting.value;
  const dirty = draft !== null && (wrong || draft !== setting.value);
  const changed = setting.value !== setting.default;
  const spoken = (one: string) => say(setting, one, text, t, f);

  const put = async (next: string) => {
    setBusy(true);
    setFailure(null);
    try {
      if (next === setting.default) await api.delete(`/settings/${setting.name}`);
      else await api.put(`/settings/${setting.name}`, { value: next });
      await forget("/settings");
      toast.ok(next === setting.default ? t.wasReset(title) : t.saved(title));
      setDraft(null);
      setAsked(null);
    } catch (cause) {
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
    } finally {
      setBusy(false);
    }
  };
  const apply = (next: string) => {
    setFailure(null);
    if (riskOf(setting, next)) setAsked(next);
    else void put(next);
  };
  return (
    <li className={`setting ${dirty ? "is-dirty" : ""}`} id={setting.name}>
      <div className="setting-about">
        <h3 className="setting-title">
          {text ? title : <SafeText value={title} />}
          {changed ? (
            <StatusBadge tone="info" icon={EditIcon}>
              {t.changed}
            </StatusBadge>
          ) : null}
        </h3>
        <p className="setting-meaning">{text?.meaning ?? <SafeText value={setting.meaning} most={600} />}</p>
        <code className="setting-name">{setting.name}</code>
      </div>
      <div className="setting-control">
        <ValueControl
          key={cancelled}
          setting={setting}
          text={text}
          title={title}
          value={value}
          disabled={refused !== null || busy}
          onChange={(next, bad) => {
            setDraft(next);
            setWrong(bad);
          }}
        />
        <div className="setting-foot small">
          <span className="muted">{[t.default(spoken(setting.default)), rangeOf(setting, t, f)].filter(Boolean).join(" · ")}</span>
          {changed && !dirty && !refused ? (
            <Button kind="quiet" small busy={busy} onClick={() => apply(setting.default)}>
              {t.reset}
            </Button>
          ) : null}
        </div>
        {dirty ? (
          <div className="setting-save">
            {text && !wrong ? (
              <p className="small">
                <span className="strong">{t.effect}</span> · {text.effect}
              </p>
            ) : null}
            <div className="row">
              <Button kind="primary" small busy={busy} disabled={wrong} onClick={() => draft !== null && apply(draft)}>
                {t.save}
              </Button>
              <Button
                small
                onClick={() => {
                  setDraft(null);
                  setWrong(false);
                  setCancelled(cancelled + 1);
                }}
              >
                {c.actions.cancel}
              </Button>
            </div>
          </div>
        ) : null}
        {failure && asked === null ? <FailureNote failure={failure} /> : null}
      </div>
      {asked === null ? null : (
        <ConfirmDialog
          title={t.sure(title)}
          action={t.apply}
          dangerous
          {...(riskOf(setting, asked) === "typed" ? { typed: setting.name } : {})}
          busy={busy}
          failure={failure}
          onConfirm={() => void put(asked)}
          onClose={() => setAsked(null)}
        >
          <p className="strong">{t.from(spoken(setting.value), spoken(asked))}</p>
          {text?.risk ? <Note tone="warn">{text.risk}</Note> : null}
          {text ? <p>{text.effect}</p> : null}
        </ConfirmDialog>
      )}
    </li>
  );
}
