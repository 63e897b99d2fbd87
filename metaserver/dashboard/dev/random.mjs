// Repeatable randomness, so that screenshots of one day look like those of another.

export function randomOf(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole: (low, high) => Math.floor(low + next() * (high - low + 1)),
    one: (list) => list[Math.floor(next() * list.length)],
  };
}

/** A value that wanders between bounds. */
export function wanderer(random, low, high, step = 0.08) {
  let at = random.between(low, high);
  return () => {
    at += (random.next() - 0.5) * 2 * step * (high - low);
    at = Math.min(high, Math.max(low, at));
    return at;
  };
}
