// A storage class as it is being made: what is typed, and whether the server would take it.

import type { ClassSpec, ClassView } from "../../api/types";
import type { Domain } from "./domains";

export const SHAPES = ["2+1", "4+2", "6+3", "8+3", "10+4"];
export const OWN = "own";

export interface Draft {
  name: string;
  kind: "replicated" | "erasure";
  copies: string;
  min: string;
  shape: string;
  data: string;
  parity: string;
  domain: Domain;
  inline: string;
  /** Empty: as the server chooses. */
  chunk: string;
  cell: string;
  companion: string;
}

export const fresh = (companion: number): Draft => ({
  name: "",
  kind: "replicated",
  copies: "3",
  min: "2",
  shape: "4+2",
  data: "4",
  parity: "2",
  domain: "host",
  inline: "4096",
  chunk: "",
  cell: "262144",
  companion: String(companion),
});

export function wholeNumber(text: string, least: number, most: number): number | null {
  if (!/^\d{1,12}$/.test(text.trim())) return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

export type Wrong = Partial<Record<"name" | "taken" | "copies" | "min" | "data" | "parity" | "inline" | "chunk" | "multiple" | "cell", true>>;

const KIB = 1024;
const MOST_CHUNK = 256 * KIB * KIB;

/** The class that is meant, as far as it can be read, and what is wrong with it. */
export function readDraft(draft: Draft, classes: ClassView[]): { spec: ClassSpec; wrong: Wrong; stripe: number } {
  const wrong: Wrong = {};
  const number = (field: keyof Wrong, text: string, least: number, most: number, otherwise: number): number => {
    const value = wholeNumber(text, least, most);
    if (value === null) wrong[field] = true;
    return value ?? otherwise;
  };
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(draft.name)) wrong.name = true;
  if (classes.some((one) => one.name === draft.name)) wrong.taken = true;
  const spec: ClassSpec = { name: draft.name, kind: draft.kind, domain: draft.domain, inline_limit: number("inline", draft.inline, 0, 65_536, 4_096) };
  let stripe = 4 * KIB;
  if (draft.kind === "replicated") {
    spec.copies = number("copies", draft.copies, 1, 8, 3);
    spec.min_copies = number("min", draft.min, 1, spec.copies, 1);
  } else {
    const [data, parity] = draft.shape === OWN ? [draft.data, draft.parity] : draft.shape.split("+");
    spec.data = number("data", data ?? "", 1, 32, 4);
    spec.parity = number("parity", parity ?? "", 1, 8, 2);
    spec.cell_bytes = number("cell", draft.cell, 4 * KIB, MOST_CHUNK, 256 * KIB);
    if (spec.cell_bytes % (4 * KIB) !== 0) wrong.cell = true;
    spec.companion = Number(draft.companion);
    stripe = spec.data * spec.cell_bytes;
  }
  if (draft.chunk.trim() !== "") {
    spec.chunk_bytes = number("chunk", draft.chunk, 64 * KIB, MOST_CHUNK, 8 * KIB * KIB);
    if (!wrong.chunk && spec.chunk_bytes % stripe !== 0) wrong.multiple = true;
  }
  return { spec, wrong, stripe };
}
