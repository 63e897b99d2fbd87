// Waiting for what must come true, with a deadline and a reason.

const PAUSE_MS = 50;
export const SOON_MS = 10_000;

/** @param {unknown} condition @param {string} what @returns {asserts condition} */
export function ok(condition, what) {
  if (!condition) throw new Error(what);
}

/** @template T @param {T} found @param {T} wanted @param {string} what */
export function same(found, wanted, what) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  ok(a === b, `${what}: found ${a}, wanted ${b}`);
}

/** @param {number} ms @returns {Promise<void>} */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Asks until there is an answer: not null, not false, not undefined, and no exception.
 * @template T
 * @param {string} what
 * @param {number} most
 * @param {() => Promise<T | null | undefined | false> | T | null | undefined | false} look
 * @returns {Promise<T>}
 */
export async function until(what, most, look) {
  const end = Date.now() + most;
  let why = "it did not come true";
  for (;;) {
    try {
      const found = await look();
      if (found !== null && found !== undefined && found !== false) return found;
    } catch (cause) {
      why = cause instanceof Error ? cause.message : String(cause);
    }
    if (Date.now() >= end) throw new Error(`waited ${most / 1000} s for ${what}: ${why}`);
    await pause(PAUSE_MS);
  }
}

/** @param {import("playwright-core").Locator} place @param {string} what @param {number} [most] */
export async function seen(place, what, most = SOON_MS) {
  await place.first().waitFor({ state: "visible", timeout: most }).catch((cause) => {
    throw new Error(`${what}: not to be seen within ${most / 1000} s (${String(cause.message).split("\n")[0]})`);
  });
}

/** @param {import("playwright-core").Locator} place @param {string} what @param {number} [most] */
export async function gone(place, what, most = SOON_MS) {
  await until(`${what} to go`, most, async () => (await place.count()) === 0 || !(await place.first().isVisible()));
}
