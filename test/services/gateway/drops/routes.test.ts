import { test } from "node:test";
import { testGateway } from "../gateway.ts";
import { problemIn } from "../http/problem-in.ts";

test("without a drop store notifications are refused; a body must be JSON", async () => {
  await using gateway = await testGateway();
  const notify = (body: string) => fetch(`${gateway.url}/v1/notifications/s3`, { method: "POST", body });
  await problemIn(await notify("{}"), 404, "NOT_FOUND");
  await problemIn(await notify("{"), 400, "BAD_REQUEST");
  await problemIn(await notify("[]"), 400, "BAD_REQUEST");
});
