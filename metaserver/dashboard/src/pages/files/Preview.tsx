// What a file holds, as far as a browser can show it: pictures, sound, film and the beginning of a text.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Failure, failureOf } from "../../api/client";
import type { Entry } from "../../api/types";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { Skeleton } from "../../components/Skeleton";
import { Checkbox } from "../../components/TextField";
import { useFormat } from "../../format";
import { middle, pieces, visible } from "../../format/visible";
import { contentUrl } from "./actions";
import { nameOf, type Path } from "./paths";
import { words } from "./text";

const MOST_TEXT = 256 * 1024;

export function Preview({ path, entry }: { path: Path; entry: Entry }) {
  const t = words().details;
  const [failed, setFailed] = useState(false);
  const name = middle(visible(nameOf(path)), 60);
  const source = contentUrl(path, "inline");
  if (entry.kind === "symlink") return <p className="preview-none">{t.target}</p>;
  if (entry.kind !== "file") return null;
  if (entry.size === 0) return <p className="preview-none">{t.emptyFile}</p>;
  if (failed) return <Note tone="warn">{t.previewFailed}</Note>;
  if (entry.preview === "image") {
    return (
      <div className="preview-image">
        <img src={source} alt={t.preview(name)} onError={() => setFailed(true)} />
      </div>
    );
  }
  if (entry.preview === "video") {
    return (
      <video className="preview-video" controls preload="metadata" aria-label={t.preview(name)} onError={() => setFailed(true)} src={source} />
    );
  }
  if (entry.preview === "audio") {
    return <audio className="preview-audio" controls preload="metadata" aria-label={t.preview(name)} onError={() => setFailed(true)} src={source} />;
  }
  if (entry.preview === "text") return <TextPreview source={source} entry={entry} name={name} />;
  if (entry.preview === "pdf") {
    return (
      <p className="preview-none">
        {t.noPreviewPdf}{" "}
        <a href={source} target="_blank" rel="noreferrer">
          {words.now().do.openTab}
        </a>
      </p>
    );
  }
  return <p className="preview-none">{t.noPreview}</p>;
}

interface Beginning {
  text: string;
  bytes: number;
  binary: boolean;
}

async function beginning(source: string, signal: AbortSignal): Promise<Beginning> {
  const response = await fetch(source, { headers: { range: `bytes=0-${MOST_TEXT - 1}` }, signal }).catch((cause: unknown) => {
    if (signal.aborted) throw cause;
    throw new Failure("offline", 0, "the server cannot be reached", {}, "later");
  });
  if (!response.ok) throw await failureOf(response);
  // A proxy may ignore the range and send everything.
  const reader = response.body?.getReader();
  const parts: Uint8Array[] = [];
  let bytes = 0;
  while (reader && bytes < MOST_TEXT) {
    const { value, done } = await reader.read();
    if (done) break;
    parts.push(value);
    bytes += value.length;
  }
  void reader?.cancel().catch(() => {});
  const decoder = new TextDecoder();
  const text = parts.map((part) => decoder.decode(part, { stream: true })).join("");
  return { text, bytes: Math.min(bytes, MOST_TEXT), binary: text.includes("\ufffd") };
}

function TextPreview({ source, entry, name }: { source: string; entry: Entry; name: string }) {
  const t = words().details;
  const f = useFormat();
  const [wrap, setWrap] = useState(false);
  const { data, error, isPending, refetch } = useQuery<Beginning, Failure>({
    queryKey: ["/files/content", source, entry.version],
    queryFn: ({ signal }) => beginning(source, signal),
    staleTime: 60_000,
    gcTime: 60_000,
  });
  if (error) return <FailureNote failure={error} onRetry={() => void refetch()} />;
  if (isPending) return <Skeleton height={260} />;
  return (
    <div className="stack tight">
      <div className="row spread">
        <span className="small muted">{data.bytes < entry.size ? t.truncated(f.bytes(data.bytes), f.bytes(entry.size)) : t.text}</span>
        <Checkbox label={t.wrap} checked={wrap} onChange={setWrap} />
      </div>
      {data.binary ? <p className="small muted">{t.binary}</p> : null}
      <pre className={`preview-text ${wrap ? "wrap" : ""}`} tabIndex={0} role="region" aria-label={t.preview(name)} dir="ltr">
        <Shown text={data.text} />
      </pre>
    </div>
  );
}

/** Line by line: what cannot be seen is marked, but for tabs. */
function Shown({ text }: { text: string }) {
  if (!/[^\t\n\r\u0020-\u007e\u00a1-\u00ac\u00ae-\u061b\u0620-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ufefe\uff00-\ufff8\ufffd]/.test(text)) return <>{text.replaceAll("\r\n", "\n")}</>;
  const parts = text.replaceAll("\r\n", "\n").split(/([\n\t]+)/);
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 1 ? (
          part
        ) : (
          <bdi key={index}>
            {pieces(part).map((piece, at) =>
              piece.name ? (
                <span key={at} className="mark" title={piece.name}>
                  {piece.text}
                </span>
              ) : (
                piece.text
              ),
            )}
          </bdi>
        ),
      )}
    </>
  );
}
