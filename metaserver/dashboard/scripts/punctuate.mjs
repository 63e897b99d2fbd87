// Chinese texts take full-width punctuation: `node scripts/punctuate.mjs` sets it in src/i18n/zh.

import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";

const dir = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../src/i18n/zh");
const wide = { ",": "，", ":": "：", ";": "；", "?": "？", "!": "！" };
for (const name of await readdir(dir)) {
  const at = path.join(dir, name);
  const text = await readFile(at, "utf8");
  const set = text
    .replace(/([\u4e00-\u9fff”）])([,:;?!])(?=[^\s"'`]|["'`])/gu, (_, before, mark) => before + wide[mark])
    .replace(/\((?=[\u4e00-\u9fff])/gu, "（")
    .replace(/(?<=[\u4e00-\u9fff])\)/gu, "）");
  if (set !== text) await writeFile(at, set);
}
