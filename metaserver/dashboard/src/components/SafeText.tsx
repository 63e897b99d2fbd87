// A name that anybody may have chosen: text only, invisible characters made visible, isolated from the writing
// direction around it, cut in the middle, whole in the title.

import { middle, pieces, visible } from "../format/visible";

export function SafeText({ value, most = 80, mono = false }: { value: string; most?: number; mono?: boolean }) {
  const shown = middle(value, most);
  return (
    <bdi className={`safe-text ${mono ? "mono" : ""}`} title={shown === value ? undefined : visible(value)}>
      {pieces(shown, true).map((piece, index) =>
        piece.name ? (
          <span key={index} className="mark" title={piece.name}>
            {piece.text}
          </span>
        ) : (
          piece.text
        ),
      )}
    </bdi>
  );
}
