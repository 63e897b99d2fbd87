// How machines and disks join, with the commands for this very cluster.

import { useState } from "react";
import { useOverview } from "../../api/queries";
import { Button } from "../../components/Button";
import { Command } from "../../components/CopyButton";
import { Dialog } from "../../components/Dialog";
import { PlusIcon } from "../../components/icons";
import { words } from "./text";

export function AddNode() {
  const t = words().add;
  const { data } = useOverview();
  const [open, setOpen] = useState(false);
  const meta = data?.meta.voters[0]?.address ?? `${location.hostname}:7400`;
  return (
    <>
      <Button icon={PlusIcon} onClick={() => setOpen(true)}>
        {t.button}
      </Button>
      <Dialog title={t.title} open={open} wide onClose={() => setOpen(false)}>
        <div className="stack">
          <p>{t.body}</p>
          <p className="strong">{t.token}</p>
          <Command text="holdfast admin token new" />
          <p className="strong">{t.start}</p>
          <Command text={`holdfast server --data /srv/holdfast --join ${meta} --join-token-file token`} />
          {data?.nodes.total === 2 ? <p className="muted">{t.witness}</p> : null}
          <p className="strong">{t.disk}</p>
          <p className="muted">{t.diskMeans}</p>
        </div>
      </Dialog>
    </>
  );
}
