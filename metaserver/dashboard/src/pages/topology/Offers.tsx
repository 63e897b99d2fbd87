// The buttons of a disk or node, and the dialogs they open.

import { useState } from "react";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import {
  ArrowRightIcon,
  DrainIcon,
  EditIcon,
  PauseIcon,
  PlayIcon,
  StopIcon,
  SwapIcon,
  TrashIcon,
  type Icon,
} from "../../components/icons";
import { LabelsDialog, WeightDialog } from "./EditDialogs";
import { ProcedureDialog } from "./ProcedureDialog";
import { words } from "./text";
import type { Offer, Target, Verb } from "./verbs";

const ICONS: Record<Verb, Icon> = {
  drain: DrainIcon,
  maintenance: PauseIcon,
  resume: PlayIcon,
  replace: SwapIcon,
  decommission: StopIcon,
  remove: TrashIcon,
};

export function Offers({ target, offers, back }: { target: Target; offers: Offer[]; back?: () => void }) {
  const t = words();
  const role = useRefusal("operator");
  const [verb, setVerb] = useState<Verb | null>(null);
  const [editing, setEditing] = useState(false);
  return (
    <div className="offers" role="group" aria-label={t.panel.actions}>
      {offers.map((offer) => (
        <Button
          key={offer.verb}
          small
          kind={offer.primary ? "primary" : "plain"}
          icon={ICONS[offer.verb]}
          refused={offer.refused}
          onClick={() => setVerb(offer.verb)}
        >
          {offer.label}
        </Button>
      ))}
      <Button small icon={EditIcon} refused={role} onClick={() => setEditing(true)}>
        {target.kind === "disk" ? t.verbs.weight : t.verbs.labels}
      </Button>
      {back ? (
        <Button small kind="quiet" icon={ArrowRightIcon} onClick={back}>
          {t.procedures.open}
        </Button>
      ) : null}
      {verb ? <ProcedureDialog target={target} verb={verb} onClose={() => setVerb(null)} /> : null}
      {editing && target.kind === "disk" ? <WeightDialog id={target.id} onClose={() => setEditing(false)} /> : null}
      {editing && target.kind === "node" ? <LabelsDialog id={target.id} onClose={() => setEditing(false)} /> : null}
    </div>
  );
}
