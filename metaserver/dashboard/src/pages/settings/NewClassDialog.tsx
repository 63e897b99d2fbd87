// A new storage class: what is chosen at the left, what it means at the right, as it is typed.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { ClassView } from "../../api/types";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { FailureNote } from "../../components/FailureNote";
import { Segmented } from "../../components/Segmented";
import { Select } from "../../components/Select";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { visible } from "../../format/visible";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { ClassMeaning, Drawing, shapeOf } from "./ClassMeaning";
import { DOMAINS, type Domain } from "./domains";
import { fresh, OWN, readDraft, SHAPES, type Draft } from "./specs";
import { words } from "./text";

interface Props {
  classes: ClassView[];
  domains: Record<Domain, number> | null;
  onClose: () => void;
}

export function NewClassDialog({ classes, domains, onClose }: Props) {
  const t = words().classes;
  const c = common();
  const f = useFormat();
  const replicated = classes.filter((one) => one.kind === "replicated");
  const [draft, setDraft] = useState<Draft>(() => fresh((replicated.find((one) => one.is_default) ?? replicated[0])?.id ?? 1));
  const [touched, setTouched] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const set = (change: Partial<Draft>) => setDraft((before) => ({ ...before, ...change }));
  const { spec, wrong, stripe } = readDraft(draft, classes);
  const right = Object.keys(wrong).length === 0;
  const whole = (least: number, most: number) => t.whole(f.count(least), f.count(most));
  const create = async () => {
    setTouched(true);
    if (!right || busy) return;
    setBusy(true);
    setFailure(null);
    try {
      await api.post("/classes", spec);
      await forget("/classes");
      toast.ok(t.created(spec.name));
      onClose();
    } catch (cause) {
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
      setBusy(false);
    }
  };
  const nameError = wrong.taken ? t.nameTaken : wrong.name && (touched || draft.name !== "") ? t.nameWrong : undefined;
  return (
    <Dialog
      title={t.newTitle}
      open
      wide
      alert
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{c.actions.cancel}</Button>
          <Button kind="primary" busy={busy} disabled={!right && touched} onClick={() => void create()}>
            {t.createNow}
          </Button>
        </>
      }
    >
      <form
        className="class-new"
        onSubmit={(event) => {
          event.preventDefault();
          void create();
        }}
      >
        <div className="stack">
          <TextField
            label={t.name}
            hint={t.nameHint}
            error={nameError}
            value={draft.name}
            maxLength={64}
            autoComplete="off"
            spellCheck={false}
            onChange={(name) => set({ name })}
          />
          <Segmented<Draft["kind"]>
            label={t.kind}
            value={draft.kind}
            onChange={(kind) => set({ kind, chunk: "" })}
            options={(["replicated", "erasure"] as const).map((value) => ({ value, label: t.kinds[value] }))}
          />
          <p className="small muted">{t.kindsMean[draft.kind]}</p>
          {draft.kind === "replicated" ? (
            <div className="pair">
              <TextField label={t.copiesField} inputMode="numeric" value={draft.copies} onChange={(copies) => set({ copies })} error={wrong.copies ? whole(1, 8) : undefined} />
              <TextField label={t.minField} hint={t.minHint} inputMode="numeric" value={draft.min} onChange={(min) => set({ min })} error={wrong.min ? whole(1, spec.copies ?? 8) : undefined} />
            </div>
          ) : (
            <>
              <Select
                label={t.shape}
                value={draft.shape}
                onChange={(shape) => set({ shape })}
                options={[...SHAPES.map((value) => ({ value, label: shapeLabel(value, t) })), { value: OWN, label: t.ownShape }]}
              />
              {draft.shape === OWN ? (
                <div className="pair">
                  <TextField label={t.data} inputMode="numeric" value={draft.data} onChange={(data) => set({ data })} error={wrong.data ? whole(1, 32) : undefined} />
                  <TextField label={t.parity} inputMode="numeric" value={draft.parity} onChange={(parity) => set({ parity })} error={wrong.parity ? whole(1, 8) : undefined} />
                </div>
              ) : null}
            </>
          )}
          <Select<Domain>
            label={t.domain}
            value={draft.domain}
            onChange={(domain) => set({ domain })}
            options={DOMAINS.map((value) => ({ value, label: t.domains[value] ?? value }))}
          />
          <p className="small muted">{t.domainHint}</p>
          <details className="class-more">
            <summary>{t.advanced}</summary>
            <div className="stack">
              <TextField label={t.inline} hint={t.inlineHint} inputMode="numeric" value={draft.inline} onChange={(inline) => set({ inline })} error={wrong.inline ? whole(0, 65_536) : undefined} />
              {draft.kind === "erasure" ? (
                <>
                  <TextField label={t.cell} hint={t.cellHint} inputMode="numeric" value={draft.cell} onChange={(cell) => set({ cell })} error={wrong.cell ? t.cellHint : undefined} />
                  <Select
                    label={t.companion}
                    value={draft.companion}
                    onChange={(companion) => set({ companion })}
                    options={replicated.map((one) => ({ value: String(one.id), label: visible(one.name) }))}
                  />
                  <p className="small muted">{t.companionHint}</p>
                </>
              ) : null}
              <TextField
                label={t.chunk}
                hint={t.chunkHint}
                inputMode="numeric"
                placeholder={String(Math.max(1, Math.floor(2 ** 23 / stripe)) * stripe)}
                value={draft.chunk}
                onChange={(chunk) => set({ chunk })}
                error={wrong.chunk ? t.chunkHint : wrong.multiple ? t.chunkMultiple(f.bytes(stripe)) : undefined}
              />
            </div>
          </details>
        </div>
        <section className="class-preview" aria-live="polite" aria-label={t.preview}>
          <h3 className="card-title">{t.preview}</h3>
          <Drawing shape={shapeOf(spec)} />
          <p className="legend">
            <span className="class-key is-data">{t.data1}</span>
            <span className="class-key is-parity">{t.redundant1}</span>
          </p>
          <ClassMeaning spec={spec} domains={domains} companion={replicated.find((one) => one.id === spec.companion)?.name} />
          <p className="small muted">{t.irreversible}</p>
        </section>
        <button type="submit" hidden />
      </form>
      {failure ? <FailureNote failure={failure} /> : null}
    </Dialog>
  );
}

function shapeLabel(shape: string, t: ReturnType<typeof words>["classes"]): string {
  const [data, parity] = shape.split("+").map(Number);
  return t.shards(data ?? 0, parity ?? 0);
}
