// Copies a text; says that it did.

import { useEffect, useState } from "react";
import { common } from "../i18n/common";
import { Button } from "./Button";
import { CheckIcon, CopyIcon } from "./icons";

/** The clipboard is missing on pages without TLS: then the old way. */
async function copy(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const t = common();
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1_600);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <>
      <Button
        kind="quiet"
        small
        iconOnly
        icon={done ? CheckIcon : CopyIcon}
        onClick={() => void copy(text).then(() => setDone(true))}
      >
        {done ? t.actions.copied : (label ?? t.actions.copy)}
      </Button>
      <span role="status" className="hidden-text">
        {done ? t.actions.copied : ""}
      </span>
    </>
  );
}

/** A command to be typed elsewhere. */
export function Command({ text }: { text: string }) {
  return (
    <div className="command">
      <pre tabIndex={0}>{text}</pre>
      <CopyButton text={text} />
    </div>
  );
}
