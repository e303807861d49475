/**
 * Puts an endless body for each given key and reports when the first bytes are written. The test kills it.
 */
import { Readable } from "node:stream";
import { openBlobStore } from "../../../../lib/blob/open.ts";

const [url, ...keys] = process.argv.slice(2);
const store = await openBlobStore(url!);
for (const key of keys) {
  let chunks = 0;
  const body = new Readable({
    read() {
      if (chunks++ < 4) this.push(Buffer.alloc(65_536));
      else process.stdout.write(`${key}\n`);
    },
  });
  void store.put(key, body, { ifAbsent: key.endsWith("new") });
}
setInterval(() => undefined, 1_000);
