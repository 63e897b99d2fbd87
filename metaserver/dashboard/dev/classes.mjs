// Storage classes of the mock.

const MIB = 2 ** 20;

export const classes = [
  { id: 1, name: "default", kind: "replicated", copies: 3, min_copies: 2, domain: "host", inline_limit: 4096, chunk_bytes: 8 * MIB, is_default: true },
  { id: 2, name: "archive", kind: "erasure", data: 4, parity: 2, domain: "host", inline_limit: 4096, chunk_bytes: 8 * MIB, cell_bytes: 256 * 1024, companion: 1, is_default: false },
  { id: 3, name: "scratch-<b>2</b>", kind: "replicated", copies: 2, min_copies: 1, domain: "disk", inline_limit: 4096, chunk_bytes: 8 * MIB, is_default: false },
];
