// How many disks are how full, now and afterwards. Pure.

import type { BalanceDisk } from "../../api/types";

export interface SpreadBin {
  from: number;
  to: number;
  before: number;
  after: number;
}

const share = (bytes: number, disk: BalanceDisk) => (disk.share_bytes > 0 ? bytes / disk.share_bytes : 0);
export const fullness = (disk: BalanceDisk): { before: number; after: number } => ({
  before: share(disk.before_bytes, disk),
  after: share(disk.after_bytes, disk),
});

const WIDTHS = [0.005, 0.01, 0.02, 0.05, 0.1];
const MOST_BINS = 26;

/** Bins of an even width that cover all disks, with one empty one at each side. */
export function spreadOf(disks: BalanceDisk[]): SpreadBin[] {
  if (disks.length === 0) return [];
  const all = disks.flatMap((disk) => Object.values(fullness(disk)));
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const width = WIDTHS.find((one) => (most - least) / one <= MOST_BINS - 3) ?? 0.1;
  const first = Math.max(0, Math.floor(least / width) - 1);
  const last = Math.floor(most / width) + 1;
  const bins: SpreadBin[] = [];
  for (let at = first; at <= last; at++) bins.push({ from: at * width, to: (at + 1) * width, before: 0, after: 0 });
  for (const disk of disks) {
    const { before, after } = fullness(disk);
    const at = (value: number) => bins[Math.floor(value / width + 1e-9) - first];
    const [now, then] = [at(before), at(after)];
    if (now) now.before += 1;
    if (then) then.after += 1;
  }
  return bins;
}

/** Limits that can be chosen: powers of two, and none. */
const MIB = 1024 * 1024;
export const NO_LIMIT = 2 ** 50;
export const LIMITS = [...Array.from({ length: 13 }, (_, power) => MIB * 2 ** power), NO_LIMIT];
