// Chooses files, or a folder with all that is in it.

import { useRef } from "react";
import { Button } from "../../../components/Button";
import { FileIcon, FilesIcon, UploadIcon } from "../../../components/icons";
import { Menu } from "../../../components/Menu";
import type { Path } from "../paths";
import { words } from "../text";
import { uploadChosen } from "./start";

export function UploadButton({ directory, refused }: { directory: Path; refused: string | null }) {
  const t = words().do;
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  if (refused) {
    return (
      <Button kind="primary" icon={UploadIcon} refused={refused}>
        {t.upload}
      </Button>
    );
  }
  return (
    <>
      <Menu
        label={t.upload}
        className="button primary"
        button={
          <>
            <UploadIcon />
            <span>{t.upload}</span>
          </>
        }
        entries={[
          { id: "files", label: t.uploadFiles, icon: FileIcon },
          { id: "folder", label: t.uploadFolder, icon: FilesIcon },
        ]}
        onAction={(id) => (id === "files" ? files : folder).current?.click()}
      />
      <input
        ref={files}
        type="file"
        multiple
        hidden
        data-upload="files"
        onChange={(event) => {
          uploadChosen(event.target.files, directory);
          event.target.value = "";
        }}
      />
      <input
        ref={folder}
        type="file"
        hidden
        data-upload="folder"
        {...{ webkitdirectory: "" }}
        onChange={(event) => {
          uploadChosen(event.target.files, directory);
          event.target.value = "";
        }}
      />
    </>
  );
}
