/**
 * A process that publishes to the log in argv[2] until it is killed. It prints "<value> <partition> <offset>"
 * for each acknowledged record.
 */
import { systemClock } from "../../../../lib/clock.ts";
import { openEventLog } from "../../../../lib/event-log/open.ts";

const log = await openEventLog(`embedded:${process.argv[2]!}`, { clock: systemClock });
await log.createTopics([{ name: "events", partitions: 3, cleanup: "delete" }]);
process.stdout.write("ready\n");

let n = 0;
async function publishForEver(): Promise<never> {
  for (;;) {
    const values = Array.from({ length: 5 }, () => String(n++));
    const records = values.map((value) => ({ key: value, value: Buffer.from(value.padEnd(2000, ".")) }));
    const places = await log.publish("events", records);
    const lines = places.map(({ partition, offset }, index) => `${values[index]!} ${partition} ${offset}\n`);
    process.stdout.write(lines.join(""));
  }
}
await Promise.all([publishForEver(), publishForEver(), publishForEver()]);
