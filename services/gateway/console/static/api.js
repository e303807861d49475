/** Client of the gateway's HTTP API. */

const KEY = "tributary-key";
const PREVIEW_BYTES_MAX = 4 * 1024 * 1024;
const RECONNECT_MS = 2000;
/** The gateway sends a comment every 15 s; after this much silence the connection counts as lost. */
const SILENCE_MS_MAX = 40_000;
let apiKey = sessionStorage.getItem(KEY) ?? "";

export const hasKey = () => apiKey !== "";

/** Stores the key; an empty key removes it. Fires `key-changed` on the document. */
export function useKey(key) {
  apiKey = key;
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
  document.dispatchEvent(new Event("key-changed"));
}

const headers = (more = {}) => (apiKey ? { authorization: `Bearer ${apiKey}`, ...more } : more);

/**
 * An error response of the gateway: code, detail, remedy. Status 401 fires `key-needed` on the document,
 * unless the key has changed since the request was sent with `key`.
 */
export class Problem extends Error {
  constructor(status, body, key = apiKey) {
    super(body.detail ?? (status ? `the gateway responded with status ${status}` : "the gateway is unreachable"));
    this.status = status;
    this.code = body.code ?? "";
    this.remedy = body.remedy ?? "";
    if (status === 401 && key === apiKey)
      document.dispatchEvent(new CustomEvent("key-needed", { detail: this.message }));
  }
}

export async function call(path, init = {}) {
  const key = apiKey;
  const response = await fetch(path, { ...init, headers: headers(init.headers) }).catch(() => {
    throw new Problem(0, {});
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, body, key);
  return body;
}

/** A text that the gateway answers, with the key: a link to its address would be sent without. */
export async function callText(path) {
  const key = apiKey;
  const response = await fetch(path, { headers: headers() }).catch(() => {
    throw new Problem(0, {});
  });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})), key);
  return response.text();
}

export const post = (path, body = {}) =>
  call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const query = (sql) => post("/v1/query", { sql });

export const tablePath = (table) => `/v1/tables/${encodeURIComponent(table)}`;

/**
 * Previews a file from its first bytes; nothing is stored. `dialect` holds the settings that are not
 * detected.
 */
export async function preview(file, table, dialect) {
  const begin = file.slice(0, PREVIEW_BYTES_MAX);
  const about = new URLSearchParams({ name: file.name, ...(table ? { table } : {}), ...dialect });
  const result = await call(`/v1/preview?${about}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: begin,
  });
  return { ...result, complete: result.complete && begin.size === file.size };
}

/**
 * Uploads with progress (XMLHttpRequest, because fetch reports no upload progress). `onProgress` receives a
 * share from 0 to 1. When `signal` aborts the upload, nothing is stored.
 */
export function upload(file, table, dialect, onProgress, signal) {
  return new Promise((resolve, reject) => {
    const key = apiKey;
    const request = new XMLHttpRequest();
    const how = new URLSearchParams(dialect).toString();
    request.open("PUT", `${tablePath(table)}/files/${encodeURIComponent(file.name)}${how && `?${how}`}`);
    for (const [name, value] of Object.entries(headers({ "content-type": "application/octet-stream" })))
      request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / Math.max(1, total));
    request.onerror = () => reject(new Problem(0, {}));
    request.onabort = () => reject(new Problem(0, { code: "Cancelled", detail: "nothing was stored" }));
    signal.addEventListener("abort", () => request.abort());
    request.onload = () => {
      const body = request.response ?? {};
      if (request.status < 300) resolve(body);
      else reject(new Problem(request.status, body, key));
    };
    request.send(file);
  });
}

/** Calls `onFile` for each change of a file's status, forever. Reconnects; waits for a key after a 401. */
export async function follow(onFile, onConnected) {
  for (;;) {
    let needsKey = false;
    const key = apiKey;
    const lost = new AbortController();
    const alive = watchdog(SILENCE_MS_MAX, () => lost.abort());
    try {
      const response = await fetch("/v1/events", { headers: headers(), signal: lost.signal });
      if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})), key);
      onConnected(true);
      for await (const file of eventsOf(response.body, alive)) onFile(file);
    } catch (problem) {
      // The page header shows "not connected"; the loop reconnects.
      needsKey = problem.status === 401;
    }
    alive.stop();
    onConnected(false);
    if (key !== apiKey) continue; // `key-changed` for the current key has already fired
    await new Promise((resolve) => {
      if (!needsKey) setTimeout(resolve, RECONNECT_MS);
      document.addEventListener("key-changed", resolve, { once: true });
    });
  }
}

/** Calls `onTimeout` when `reset` has not been called for `ms` milliseconds. */
function watchdog(ms, onTimeout) {
  let timer = setTimeout(onTimeout, ms);
  const stop = () => clearTimeout(timer);
  return {
    reset() {
      stop();
      timer = setTimeout(onTimeout, ms);
    },
    stop,
  };
}

/** Parses server-sent events; each event's data is JSON. */
async function* eventsOf(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    alive.reset();
    const events = (text + next.value).split("\n\n");
    text = events.pop();
    for (const event of events) {
      const data = event.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length > 0) yield JSON.parse(data.map((line) => line.slice(5)).join("\n"));
    }
  }
}
