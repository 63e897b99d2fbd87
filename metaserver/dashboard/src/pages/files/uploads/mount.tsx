// The tray stands beside the pages, so that it stays when one goes to another page.

import { createRoot } from "react-dom/client";
import { UploadTray } from "./UploadTray";

let there = false;

export function showTray(): void {
  if (there) return;
  there = true;
  const place = document.createElement("div");
  document.body.append(place);
  createRoot(place).render(<UploadTray />);
}
