// Sizes that people type, and permissions as `ls` writes them.

const UNITS: Record<string, number> = { "": 1, b: 1, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** "1.5 TiB", "500G", "1024"; null: none of those. */
export function parseBytes(text: string): number | null {
  const found = /^\s*(\d+(?:[.,]\d+)?)\s*(?:([kmgtp])(?:i?b)?|b)?\s*$/i.exec(text);
  if (!found?.[1]) return null;
  const unit = (found[2] ?? "").toLowerCase();
  const factor = unit ? 1024 ** (UNITS[unit] ?? 0) : 1;
  const bytes = Math.round(Number(found[1].replace(",", ".")) * factor);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** A size in a form that is read back as the same number. */
export function typedBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let power = 0;
  let value = bytes;
  while (power < units.length - 1 && value >= 1024 && value % 1024 === 0) {
    value /= 1024;
    power += 1;
  }
  return `${value} ${units[power]}`;
}

export function permissions(mode: number): string {
  const bits = mode & 0o7777;
  const three = (at: number) => {
    const set = bits >> at;
    return `${set & 4 ? "r" : "-"}${set & 2 ? "w" : "-"}${set & 1 ? "x" : "-"}`;
  };
  return `${three(6)}${three(3)}${three(0)} (${bits.toString(8).padStart(4, "0")})`;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
export function bucketNameProblem(name: string): "wrong" | "ip" | null {
  if (!BUCKET.test(name) || name.includes("..")) return "wrong";
  return /^\d+\.\d+\.\d+\.\d+$/.test(name) ? "ip" : null;
}

/** Of a file or directory; slashes are looked at by the caller. */
export function nameProblem(name: string): "empty" | "wrong" | null {
  if (name === "") return "empty";
  const wrong = name === "." || name === ".." || name.includes("\0") || new TextEncoder().encode(name).length > 255;
  return wrong ? "wrong" : null;
}
