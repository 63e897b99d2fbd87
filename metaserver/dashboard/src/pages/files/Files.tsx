// Files: which view an address asks for. /files: buckets; /files/bucket/dir: what is in it. ?view=trash, ?view=links;
// ?show=name: the details of one file.

import { usePathname, useSearch } from "wouter/use-browser-location";
import { Buckets } from "./Buckets";
import { Directory } from "./Directory";
import { Links } from "./Links";
import { pathOfAddress, ROOT } from "./paths";
import { Trash } from "./Trash";

export default function Files() {
  // As it stands in the address bar: the router would decode it, and names with "%" would be others.
  const path = pathOfAddress(usePathname());
  const view = new URLSearchParams(useSearch()).get("view");
  if (view === "trash" && path !== ROOT) return <Trash key={path} path={path} />;
  if (path !== ROOT) return <Directory key={path} path={path} />;
  return view === "links" ? <Links /> : <Buckets />;
}
