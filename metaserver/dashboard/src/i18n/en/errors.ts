// Why a request was refused: what it means and what to do. By the server's `code`.

export type Params = Record<string, string>;
export interface Said {
  what: string;
  todo: string;
}

export const errors: Record<string, (p: Params) => string> & { fallbackTitle: (p: Params) => string } = {
  fallbackTitle: () => "That did not work",
  unauthenticated: () => "Your session has ended. Sign in again.",
  wrong_password: () => "The account or the password is wrong.",
  throttled: () => "Too many attempts. Wait a moment, then try again.",
  forbidden: () => "Your role does not allow this. Ask an administrator.",
  csrf: () => "This page is out of date. Reload it and try again.",
  not_found: () => "It does not exist (any more).",
  invalid_argument: (p) => (p["reason"] ? `Not accepted: ${p["reason"]}` : ""),
  conflict: () => "",
  precondition_failed: () => "",
  too_large: () => "It is too large to be sent in one piece.",
  busy: () => "The cluster is busy. Nothing was changed; try again in a moment.",
  unavailable: () => "The service is not available right now. Nothing was changed.",
  no_leader: () => "No metadata leader answers. One is being elected; nothing can be changed until then.",
  no_space: () => "There is no space left. Delete data, empty the trash, or add disks.",
  exists: () => "There is one of that name already.",
  not_a_directory: () => "A part of the path is a file, not a directory.",
  is_a_directory: () => "It is a directory, not a file.",
  not_empty: () => "It is not empty. Delete what is in it first.",
  name_too_long: () => "The name or the path is too long.",
  quota_exceeded: () => "The quota of the directory is used up. Raise it, or delete something there.",
  gone: () => "It was replaced or deleted meanwhile.",
  unsupported: () => "",
  data_unavailable: () => "The data cannot be read now: too many of the disks that hold it do not answer. The overview says which.",
  outcome_unknown: () => "The cluster did not answer in time. It may have been done or not: look before you try again.",
  incomplete: () => "Parts of the upload are missing. Try again: only those are sent.",
  internal: () => "The server made a mistake. If it stays like this, look into its log under the request id.",
  offline: () => "This browser cannot reach the server. Is the node up, and the network?",
  timeout: () => "The server did not answer in time.",
  unreadable: () => "The answer could not be understood. A proxy in between, or another version of the server?",
};

export const errorWords = {
  title: "That did not work",
  loadTitle: "This could not be loaded",
  pageTitle: "This page ran into a mistake",
  pageBody:
    "The rest of the dashboard goes on working. Reloading the page usually helps; the cluster is not affected.",
  chunkTitle: "A part of the dashboard could not be loaded",
  chunkBody: "The server may have been upgraded. Reload the page to get the new version.",
  requestId: (id: string) => `Request ${id}`,
  code: (code: string) => `Code ${code}`,
};
