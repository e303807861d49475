import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { examineCatalog } from "../../../../../lib/warehouse/iceberg/doctor/examine.ts";
import type { DoctorReport, Status } from "../../../../../lib/warehouse/iceberg/doctor/report.ts";
import {
  startFakeRestCatalog,
  type FakeCatalogOptions,
  type FakeRestCatalog,
} from "../../../../support/rest-catalog/fake-rest-catalog.ts";

const RACE = { ms: 400, writers: 4 };

/** Examines a fake catalog that takes 5 ms for a commit, so that commits race. */
async function examine(
  options: FakeCatalogOptions = {},
  more: { signal?: AbortSignal; namespace?: string[]; raceMs?: number; before?: (fake: FakeRestCatalog) => void } = {},
): Promise<{ report: DoctorReport; fake: FakeRestCatalog }> {
  const fake = await startFakeRestCatalog({ commitMs: 5, ...options });
  try {
    more.before?.(fake);
    const { signal = new AbortController().signal, namespace, raceMs: ms = RACE.ms } = more;
    const report = await examineCatalog({ uri: fake.uri }, { race: { ...RACE, ms }, signal, namespace });
    return { report, fake };
  } finally {
    await fake.close();
  }
}

const statusOf = ({ results }: DoctorReport, check: string): Status | undefined =>
  results.find((result) => result.check === check)?.status;

function assertClean({ state }: FakeRestCatalog): void {
  assert.deepEqual([[...state.tables.keys()], [...state.views.keys()], [...state.namespaces.keys()]], [[], [], []]);
}

describe("examining a catalog", () => {
  test("a sound catalog is fit, in every check, and is left as it was", async () => {
    const { report, fake } = await examine();
    const others = report.results.filter(({ status }) => status !== "yes");
    assert.deepEqual(others, []);
    assert.deepEqual([report.fit, report.reasons, report.leftovers], [true, [], []]);
    assertClean(fake);
  });

  const unfit: [string, FakeCatalogOptions, string[]][] = [
    ["loses commits that race", { losesCommits: true }, ["race", "race by transactions"]],
    ["serves no history", { newestOnly: true }, ["history"]],
    ["ignores what a commit requires", { ignoresRequirements: true }, ["stale commits"]],
    ["keeps no summaries", { dropsSummaries: true }, ["summaries"]],
    ["lacks an endpoint", { endpoints: ["createNamespace", "createTable", "loadTable", "dropTable"] }, ["endpoints"]],
  ];
  for (const [what, options, checks] of unfit) {
    test(`a catalog that ${what} is not fit, and is left as it was`, async () => {
      const { report, fake } = await examine(options);
      assert.equal(report.fit, false);
      for (const check of checks) {
        assert.equal(statusOf(report, check), "no", check);
        assert.ok(
          report.reasons.some((reason) => reason.startsWith(`${check}: `)),
          `${check} in ${report.reasons.join("; ")}`,
        );
      }
      assertClean(fake);
    });
  }

  test("the reason of a catalog that loses commits counts them", async () => {
    const { report } = await examine({ losesCommits: true });
    const [reason] = report.reasons.filter((each) => each.startsWith("race: "));
    assert.match(reason!, /^race: loses commits: [1-9]\d* of 4 writers: \d+ acknowledged/);
  });

  test("commits that are lost are also counted where only the newest snapshot is served", async () => {
    const { report } = await examine({ losesCommits: true, newestOnly: true });
    assert.equal(statusOf(report, "race"), "no");
  });

  test("transactions that are not atomic are told, and the catalog is fit", async () => {
    const { report } = await examine({ notAtomic: true }, { raceMs: 2_000 });
    assert.equal(report.fit, true);
    assert.equal(statusOf(report, "atomic transactions"), "no");
    assert.equal(statusOf(report, "race of transactions"), "no");
  });

  test("a catalog without transactions, views, register and rename is fit, and says so", async () => {
    const endpoints = ["createNamespace", "dropNamespace", "listTables", "createTable", "loadTable"] as const;
    const { report, fake } = await examine({ endpoints: [...endpoints, "commitTable", "dropTable"] });
    assert.equal(report.fit, true);
    for (const check of ["race by transactions", "atomic transactions", "views", "register", "rename"]) {
      assert.equal(statusOf(report, check), "not offered", check);
    }
    assert.equal(statusOf(report, "endpoints"), "partly");
    assertClean(fake);
  });

  test("names that are refused, and names that are changed, are told", async () => {
    const refused = await examine({ names: /^[a-z0-9][a-z0-9_]*$/ });
    const names = refused.report.results.find(({ check }) => check === "names")!;
    assert.equal(names.status, "partly");
    assert.match(names.details, /refused: capital letters, a leading underscore, a hyphen, a dot/);
    assert.match(names.details, /kept: a leading digit, 128 characters/);
    assertClean(refused.fake);
    const changed = await examine({ lowersNames: true });
    assert.match(changed.report.results.find(({ check }) => check === "names")!.details, /changed: capital letters/);
    assertClean(changed.fake);
  });

  test("a catalog that fails one kind of request is examined to the end", async () => {
    const fault = ({ path }: { path: string }) => (path.endsWith("/rename") ? { refused: 500 } : undefined);
    const { report, fake } = await examine({ fault });
    assert.equal(statusOf(report, "rename"), "unknown");
    assert.equal(statusOf(report, "views"), "yes");
    assert.equal(report.fit, true);
    assertClean(fake);
  });

  test("a catalog that answers commits with 500 now and then is fit: their outcome is found out", async () => {
    let commits = 0;
    const fault = ({ body }: { body: string }) =>
      body.includes("add-snapshot") && ++commits > 12 && commits % 7 === 0 ? 500 : undefined;
    const { report } = await examine({ fault });
    assert.deepEqual([statusOf(report, "race"), statusOf(report, "race by transactions")], ["yes", "yes"]);
  });

  test("what cannot be dropped is told", async () => {
    const fault = ({ method, path }: { method: string; path: string }) =>
      method === "DELETE" && path.includes("/tables/") ? { refused: 403 } : undefined;
    const { report, fake } = await examine({ fault });
    assert.ok(report.leftovers.length > 5);
    assert.match(report.leftovers[0]!, /^table tributary_doctor_\w+\.doctor_\w+: .*403/);
    assert.match(report.leftovers.at(-1)!, /^namespace tributary_doctor_/);
    assert.ok(fake.state.tables.size > 0);
  });

  test("in a namespace that is given, only its own tables are dropped", async () => {
    const { fake, report } = await examine(
      {},
      {
        namespace: ["given"],
        before: ({ state }) => {
          state.namespaces.set("given", {});
          state.views.set("given\u001fa_view", "uuid");
        },
      },
    );
    assert.deepEqual(report.leftovers, []);
    assert.deepEqual(
      [[...fake.state.namespaces.keys()], fake.state.views.size, fake.state.tables.size],
      [["given"], 1, 0],
    );
  });

  test("an interruption ends the examination and drops the tables", async () => {
    const interrupted = new AbortController();
    let seen: FakeRestCatalog | undefined;
    const fault = ({ body }: { body: string }) => {
      if (body.includes("add-snapshot")) interrupted.abort(new Error("interrupted"));
      return undefined;
    };
    await assert.rejects(
      examine({ fault }, { signal: interrupted.signal, before: (fake) => (seen = fake) }),
      /interrupted/,
    );
    assertClean(seen!);
  });

  test("a catalog that is not there is an error, not a report", async () => {
    const fake = await startFakeRestCatalog();
    await fake.close();
    const examined = examineCatalog({ uri: fake.uri }, { race: RACE, signal: new AbortController().signal });
    await assert.rejects(examined, { code: "CATALOG_UNAVAILABLE" });
  });
});
