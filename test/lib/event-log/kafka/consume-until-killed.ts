/**
 * A process that reads the topic argv[3] of the log argv[2] as a member of the group argv[4] until it is
 * killed. It acks nothing and prints what it receives.
 */
import { systemClock } from "../../../../lib/clock.ts";
import { openEventLog } from "../../../../lib/event-log/open.ts";

const [url, topic, group] = process.argv.slice(2);
const log = await openEventLog(url!, { clock: systemClock });
await log.consume({ group: group!, topics: [topic!] }, () => async (records) => {
  process.stdout.write(records.map(({ offset }) => `${offset}\n`).join(""));
});
