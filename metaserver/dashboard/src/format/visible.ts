// Names come from anybody: what cannot be seen, or changes how its neighbours are shown, is made visible.

export interface Piece {
  text: string;
  /** A mark in place of something invisible; `name` says of what. */
  name?: string;
}

const NAMES: Record<number, string> = {
  0x09: "TAB",
  0x0a: "LF",
  0x0d: "CR",
  0x00: "NUL",
  0x07: "BEL",
  0x08: "BS",
  0x1b: "ESC",
  0x20: "SPACE",
  0xa0: "NBSP",
  0xad: "SHY",
  0x200b: "ZWSP",
  0x200c: "ZWNJ",
  0x200d: "ZWJ",
  0x200e: "LRM",
  0x200f: "RLM",
  0x202a: "LRE",
  0x202b: "RLE",
  0x202c: "PDF",
  0x202d: "LRO",
  0x202e: "RLO",
  0x2066: "LRI",
  0x2067: "RLI",
  0x2068: "FSI",
  0x2069: "PDI",
  0xfeff: "BOM",
};

function hidden(code: number): boolean {
  return (
    code < 0x20 ||
    (code >= 0x7f && code < 0xa1) ||
    code === 0xad ||
    code === 0x61c ||
    (code >= 0x200b && code <= 0x200f) ||
    (code >= 0x2028 && code <= 0x202e) ||
    (code >= 0x2060 && code <= 0x206f) ||
    code === 0xfeff ||
    (code >= 0xfff9 && code <= 0xfffb) ||
    (code >= 0xe0000 && code <= 0xe007f) ||
    (code >= 0xd800 && code <= 0xdfff)
  );
}

const nameOf = (code: number): string => NAMES[code] ?? `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;

/** In letters: control pictures are missing in many fonts. */
const markOf = (code: number): string => (code === 0x20 ? "␣" : `‹${nameOf(code)}›`);

/** `edges`: spaces in front and at the end are marked as well, as in names, where they are easily overlooked. */
export function pieces(text: string, edges = false): Piece[] {
  if (edges) {
    const [, before = "", inner = "", after = ""] = /^( *)(.*?)( *)$/s.exec(text) ?? [];
    const spaces = (some: string): Piece[] => [...some].map(() => ({ text: markOf(0x20), name: nameOf(0x20) }));
    if (before || after) return [...spaces(before), ...pieces(inner), ...spaces(after)];
  }
  const found: Piece[] = [];
  let plain = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (!hidden(code)) {
      plain += character;
      continue;
    }
    if (plain) found.push({ text: plain });
    plain = "";
    found.push({ text: markOf(code), name: nameOf(code) });
  }
  if (plain) found.push({ text: plain });
  return found;
}

/** The same as one text, for titles and labels. */
export const visible = (text: string): string => pieces(text, true).map((piece) => piece.text).join("");

/** Cuts out the middle: the end of a name tells as much as its beginning. */
export function middle(text: string, most: number): string {
  const characters = [...text];
  if (characters.length <= most) return text;
  const tail = Math.floor((most - 1) * 0.4);
  const head = most - 1 - tail;
  return `${characters.slice(0, head).join("")}…${characters.slice(-tail).join("")}`;
}
