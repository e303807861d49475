import assert from "node:assert/strict";
import { PROBLEM_TYPE } from "../../../../services/gateway/http/problems.ts";
import { problemSchema, type Problem } from "../../../../services/gateway/http/schemas.ts";

/** The problem details of a response; fails unless they have this status and code. */
export async function problemIn(response: Response, status: number, code: string): Promise<Problem> {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.equal(response.headers.get("content-type")?.split(";")[0], PROBLEM_TYPE);
  const problem = problemSchema.strict().parse(JSON.parse(text));
  assert.deepEqual([problem.code, problem.status], [code, status]);
  assert.ok(problem.remedy, `${code} has no remedy`);
  return problem;
}
