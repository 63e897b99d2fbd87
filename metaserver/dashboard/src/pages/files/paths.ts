// Paths in three forms, and how one becomes another.
//
//   Path     "/bucket/dir%20a": what pages pass around and what stands in the address. Every byte of a name survives.
//   query    ?path=…: the same, once encoded, as the contract wants it
//   body     JSON: plain text; "%" and bytes that are no UTF-8 are written %XX
//
// What the server sends in JSON is read leniently: "%41" is a byte, a lone "%" is itself.

import type { Query } from "../../api/client";

export type Path = string;
export const ROOT: Path = "/";

// Without comma (topics are joined by it), plus and semicolon (queries read them otherwise).
const PLAIN = /[A-Za-z0-9\-._~!$'()*=:@]/;
const utf8 = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

function bytesOf(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const found of text.matchAll(/%([0-9A-Fa-f]{2})|[^%]+|%/g)) {
    if (found[1]) bytes.push(parseInt(found[1], 16));
    else bytes.push(...utf8.encode(found[0]));
  }
  return Uint8Array.from(bytes);
}

function encoded(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += PLAIN.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** A name that somebody typed. */
export const encodeName = (name: string): string => encoded(utf8.encode(name));

/** A path of the server, or of the address bar, in our form. */
export function canonical(text: string): Path {
  const path = text.split("/").map((name) => encoded(bytesOf(name))).join("/");
  return path.startsWith("/") ? path : `/${path}`;
}

export const namesOf = (path: Path): string[] => (path === ROOT ? [] : path.slice(1).split("/"));

/** For people. */
export const decodeName = (name: string): string => lenient.decode(bytesOf(name));
export const nameOf = (path: Path): string => decodeName(namesOf(path).at(-1) ?? "");
export const readable = (path: Path): string => `/${namesOf(path).map(decodeName).join("/")}`;

export function parentOf(path: Path): Path {
  const at = path.lastIndexOf("/");
  return at <= 0 ? ROOT : path.slice(0, at);
}
export const child = (path: Path, name: string): Path => `${path === ROOT ? "" : path}/${encodeName(name)}`;
/** Several names, from a path that somebody typed or a folder has. */
export const below = (path: Path, typed: string): Path => typed.split("/").filter(Boolean).reduce(child, path);
export const depth = (path: Path): number => namesOf(path).length;
export const isWithin = (path: Path, directory: Path): boolean => path === directory || path.startsWith(`${directory}/`);

export function forBody(path: Path): string {
  const name = (one: string) => {
    try {
      return strict.decode(bytesOf(one)).replaceAll("%", "%25");
    } catch {
      return one;
    }
  };
  return path.split("/").map(name).join("/");
}

/** "/files?path=…": for the client, which leaves it as it is. */
export function at(endpoint: string, path: Path, query: Query = {}): string {
  const search = [`path=${path}`];
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.push(`${name}=${encodeURIComponent(String(value))}`);
  }
  return `${endpoint}?${search.join("&")}`;
}

const PAGE = "/files";
export const addressOf = (path: Path): string => (path === ROOT ? PAGE : PAGE + path);
export const pathOfAddress = (pathname: string): Path => canonical(pathname.slice(PAGE.length).replace(/\/$/, "") || ROOT);
