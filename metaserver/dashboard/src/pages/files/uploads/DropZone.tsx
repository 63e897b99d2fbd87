// Takes what is dropped on it.

import { useEffect, useRef, useState, type ReactNode } from "react";
import { UploadIcon } from "../../../components/icons";
import { middle, visible } from "../../../format/visible";
import { nameOf, type Path } from "../paths";
import { words } from "../text";
import { uploadDropped } from "./start";

const withFiles = (event: DragEvent): boolean => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** The whole window takes drops, so that a near miss does not leave the dashboard to show the file. */
export function DropZone({ directory, refused, children }: { directory: Path; refused: string | null; children: ReactNode }) {
  const t = words().upload;
  const [over, setOver] = useState(false);
  const depth = useRef(0);
  useEffect(() => {
    const enter = (event: DragEvent) => {
      if (!withFiles(event)) return;
      event.preventDefault();
      depth.current += 1;
      setOver(true);
    };
    const leave = () => {
      depth.current = Math.max(0, depth.current - 1);
      if (depth.current === 0) setOver(false);
    };
    const move = (event: DragEvent) => {
      if (!withFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = refused ? "none" : "copy";
    };
    const drop = (event: DragEvent) => {
      depth.current = 0;
      setOver(false);
      if (!withFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer && !refused) void uploadDropped(event.dataTransfer, directory);
    };
    addEventListener("dragenter", enter);
    addEventListener("dragleave", leave);
    addEventListener("dragover", move);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragenter", enter);
      removeEventListener("dragleave", leave);
      removeEventListener("dragover", move);
      removeEventListener("drop", drop);
    };
  }, [directory, refused]);
  return (
    <div className="drop-zone">
      {children}
      {over ? (
        <div className={`drop-over ${refused ? "is-refused" : ""}`} role="status">
          <div className="drop-say">
            <UploadIcon size={22} />
            <span className="strong">{refused ? t.dropRefused : t.drop}</span>
            <span className="small">{refused ?? t.dropInto(middle(visible(nameOf(directory)), 50))}</span>
          </div>
        </div>
      ) : null}
    </div>
  );
}
