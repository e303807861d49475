/** The gateway's HTTP interface, as the console uses it. */

let apiKey = sessionStorage.getItem("tributary-key") ?? "";

export function useKey(key) {
  apiKey = key;
  sessionStorage.setItem("tributary-key", key);
}

const headers = (more = {}) => (apiKey ? { authorization: `Bearer ${apiKey}`, ...more } : more);

/** A problem as the gateway describes it: code, detail, remedy. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? `the gateway answered ${status}`);
    this.status = status;
    this.code = body.code ?? "";
    this.remedy = body.remedy ?? "";
  }
}

export async function call(path, init = {}) {
  const response = await fetch(path, { ...init, headers: headers(init.headers) });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, body);
  return body;
}

export const post = (path, body) =>
  call(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const query = (sql) => post("/v1/query", { sql });

/** What the gateway would make of the file's beginning, without loading it. */
export const preview = (file, table) =>
  call(`/v1/preview?name=${encodeURIComponent(file.name)}${table ? `&table=${encodeURIComponent(table)}` : ""}`, {
    method: "POST",
    headers: { "content-type": "application/octet-stream" },
    body: file.slice(0, 4 * 1024 * 1024),
  });

/** Uploads with progress (XMLHttpRequest, since fetch tells none). */
export function upload(file, table, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/v1/tables/${encodeURIComponent(table)}/files/${encodeURIComponent(file.name)}`);
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onProgress(event.loaded / Math.max(1, event.total));
    request.onerror = () => reject(new Problem(0, { detail: "the gateway cannot be reached" }));
    request.onload = () => {
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // not JSON: the status says enough
      }
      if (request.status < 300) resolve(body);
      else reject(new Problem(request.status, body));
    };
    request.send(file);
  });
}

/** Calls `onFile` for each change of a file's status, for ever; reconnects by itself. */
export async function follow(onFile, onConnected) {
  for (;;) {
    try {
      const response = await fetch("/v1/events", { headers: headers() });
      if (!response.ok) throw new Problem(response.status, {});
      onConnected(true);
      let text = "";
      for await (const chunk of chunks(response.body.pipeThrough(new TextDecoderStream()))) {
        text += chunk;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const data = event.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
          if (data) onFile(JSON.parse(data));
        }
      }
    } catch {
      // shown as "not connected" below; tried again
    }
    onConnected(false);
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}

async function* chunks(stream) {
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}
