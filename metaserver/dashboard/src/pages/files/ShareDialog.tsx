// A link to one file, for anybody who has it; and the links that there are.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import type { Share } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { CopyButton } from "../../components/CopyButton";
import { Dialog } from "../../components/Dialog";
import { FailureNote } from "../../components/FailureNote";
import { LinkIcon } from "../../components/icons";
import { Note } from "../../components/Note";
import { SafeText } from "../../components/SafeText";
import { Select } from "../../components/Select";
import { SkeletonLines } from "../../components/Skeleton";
import { StatusBadge } from "../../components/StatusBadge";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { middle, visible } from "../../format/visible";
import { useShares } from "./data";
import { canonical, forBody, nameOf, type Path } from "./paths";
import { words } from "./text";

const SECONDS = { hour: 3_600, day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000 };
type Choice = keyof typeof SECONDS;

export function ShareDialog({ path, onClose }: { path: Path; onClose: () => void }) {
  const t = words();
  const s = t.share;
  const shares = useShares();
  const refused = useRefusal("operator");
  const [choice, setChoice] = useState<Choice>("week");
  const [made, setMade] = useState<Share | null>(null);
  const work = useWork();
  const mine = shares.data?.filter((one) => canonical(one.path) === path) ?? [];

  // The server knows the way, the browser how it is reached.
  const link = made?.url ? new URL(made.url, location.origin).href : null;
  const make = () =>
    void work.run(async () => {
      setMade(await api.post<Share>("/shares", { path: forBody(path), expires_in_seconds: SECONDS[choice] }));
      await forget("/shares");
    });
  return (
    <Dialog title={s.title(middle(visible(nameOf(path)), 40))} open onClose={onClose}>
      <div className="stack">
        <p>{s.lead}</p>
        <div className="row share-make">
          <Select<Choice>
            label={s.expires}
            options={(Object.keys(SECONDS) as Choice[]).map((value) => ({ value, label: s.choices[value] }))}
            value={choice}
            onChange={setChoice}
          />
          <Button kind="primary" icon={LinkIcon} busy={work.busy} refused={refused} onClick={make}>
            {s.make}
          </Button>
        </div>
        {work.failure ? <FailureNote failure={work.failure} /> : null}
        {link ? (
          <Note tone="ok" title={s.made} role="status">
            <div className="secret">
              <code tabIndex={0}>{link}</code>
              <CopyButton text={link} label={s.copy} />
            </div>
          </Note>
        ) : null}
        <h3 className="files-h3">{s.existing}</h3>
        {shares.error ? <FailureNote failure={shares.error} /> : null}
        {shares.isPending ? <SkeletonLines lines={2} /> : null}
        {shares.data && mine.length === 0 ? <p className="muted small">{s.none}</p> : null}
        <ul className="share-list">
          {mine.map((share) => (
            <ShareRow key={share.id} share={share} />
          ))}
        </ul>
      </div>
    </Dialog>
  );
}

function ShareRow({ share }: { share: Share }) {
  const t = words().share;
  const f = useFormat();
  const refused = useRefusal("operator");
  const work = useWork();
  return (
    <li className="row">
      <span className="grow">
        <span className="block">
          {share.expired ? t.expired(f.ago(share.expires)) : t.until(f.ago(share.expires))}{" "}
          {share.expired ? <StatusBadge tone="idle">{t.over}</StatusBadge> : null}
        </span>
        <span className="muted small block">
          {f.dateTime(share.created)} · <SafeText value={t.by(share.created_by)} most={40} />
        </span>
        {work.failure ? <FailureNote failure={work.failure} /> : null}
      </span>
      <Button small busy={work.busy} refused={refused} onClick={() => void revoke(share, work.run, t.revoked)}>
        {t.revoke}
      </Button>
    </li>
  );
}

export async function revoke(share: Share, run: (work: () => Promise<unknown>) => Promise<boolean>, said: string): Promise<boolean> {
  const done = await run(() => api.delete(`/shares/${encodeURIComponent(share.id)}`));
  if (!done) return false;
  toast.ok(said);
  await forget("/shares");
  return true;
}
