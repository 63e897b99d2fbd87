// Another number of copies: what is made or let go of, what it takes, what it survives then.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { forget, useGet } from "../../api/queries";
import type { ClassView, List, Setting } from "../../api/types";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { Note } from "../../components/Note";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { visible } from "../../format/visible";
import { useFormat } from "../../format";
import { ClassMeaning, Drawing, shapeOf } from "./ClassMeaning";
import type { Domain } from "./domains";
import { words } from "./text";
import { wholeNumber } from "./specs";

interface Props {
  view: ClassView;
  domains: Record<Domain, number> | null;
  onClose: () => void;
}

export function CopiesDialog({ view, domains, onClose }: Props) {
  const all = words();
  const t = all.classes;
  const f = useFormat();
  const before = view.copies ?? 1;
  const [copiesText, setCopies] = useState(String(before));
  const [minText, setMin] = useState(String(view.min_copies ?? 1));
  const settings = useGet<List<Setting>>("/settings", {}, { staleTime: 60_000, enabled: view.is_default });
  const growth = settings.data?.items.some((one) => one.name === "auto_class_growth" && one.value === "true") ?? false;
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const copies = wholeNumber(copiesText, 1, 8);
  const min = wholeNumber(minText, 1, copies ?? 8);
  const same = copies === before && min === view.min_copies;
  const ready = copies !== null && min !== null && !same;
  const spec = { ...view, copies: copies ?? before, min_copies: min ?? 1 };
  const more = (copies ?? before) - before;
  const save = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await api.patch(`/classes/${view.id}`, { copies, min_copies: min });
      await forget("/classes", "/groups");
      toast.ok(t.saved(visible(view.name)));
      onClose();
    } catch (cause) {
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
      setBusy(false);
    }
  };
  return (
    <ConfirmDialog
      title={t.changeTitle(visible(view.name))}
      action={all.apply}
      dangerous={more < 0}
      {...(more < 0 ? { typed: view.name } : {})}
      busy={busy}
      refused={ready ? null : copies === null ? t.whole("1", "8") : min === null ? t.whole("1", String(copies)) : t.changeTitle(visible(view.name))}
      failure={failure}
      onConfirm={() => void save()}
      onClose={onClose}
    >
      <div className="pair">
        <TextField
          label={t.copiesField}
          inputMode="numeric"
          value={copiesText}
          onChange={setCopies}
          error={copies === null ? t.whole("1", "8") : undefined}
        />
        <TextField
          label={t.minField}
          hint={t.minHint}
          inputMode="numeric"
          value={minText}
          onChange={setMin}
          error={min === null ? t.whole("1", String(copies ?? 8)) : undefined}
        />
      </div>
      <Drawing shape={shapeOf(spec)} />
      <ClassMeaning spec={spec} domains={domains} />
      {more > 0 ? (
        <Note>
          <p>{t.changeMore}</p>
          <p className="strong">{t.changeCapacity(f.bytes(view.bytes * more))}</p>
        </Note>
      ) : null}
      {view.is_default && growth && (copies ?? before) < 3 ? <Note>{t.growsBack}</Note> : null}
      {more < 0 ? (
        <Note tone="warn" title={t.changeFewerRisk}>
          <p>{t.changeFewer}</p>
          <p>{t.changeFree(f.bytes(view.bytes * -more))}</p>
        </Note>
      ) : null}
    </ConfirmDialog>
  );
}
