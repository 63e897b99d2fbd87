// What is being done to a disk or node, when the server gives it as a sentence.

const of = (disk: string, node: string) => (disk ? `Disk ${disk} on node ${node}` : `Node ${node}`);

export const procedures = {
  "being emptied": (disk: string, node: string, _minutes: string) => `${of(disk, node)} is being drained`,
  "being replaced": (disk: string, node: string, _minutes: string) => `${of(disk, node)} is being replaced`,
  "in maintenance": (disk: string, node: string, minutes: string) =>
    `${of(disk, node)} is in maintenance${minutes ? ` for ${minutes} more minutes` : ""}`,
};
