/** The part of a held file's page: why it is held, how it reads, and the decision. */
import { call, post } from "../api.js";
import { SETTINGS } from "./dialect.js";
import { announce, button, count, dataTable, element, guarded, plural, waiting } from "../dom.js";
import { settingInputs } from "./setting-inputs.js";

/** Null for a file that is not held. */
export function heldPart({ fileId, status, heldReasons }) {
  if (status !== "held") return null;
  const form = settingInputs(
    SETTINGS.map(([name]) => name),
    "held",
  );
  const reason = element("input", { type: "text", maxlength: "500", "data-key": "held reason" });
  const readings = element("div", { class: "columns" });
  const said = element("div");
  const settings = () => new URLSearchParams(form.given()).toString();
  const decide = (verb, body) => decision(said, `/v1/files/${fileId}/${verb}`, body);
  return element(
    "section",
    { class: "part", "aria-label": "Held" },
    element("h2", { class: "head" }, "Held: it needs a decision"),
    element(
      "div",
      { class: "card pad" },
      element("ul", {}, (heldReasons ?? []).map(({ reason: why, evidence, remedy }) =>
          element("li", {}, element("strong", {}, why), ` ${evidence}. `, element("span", { class: "hint" }, remedy ?? "")),
        )),
      element("p", { class: "hint" }, "Nothing of this version is in the table. The table keeps what it has."),
      element("p", { class: "row" }, form.labels),
      element("p", { class: "row" }, button("Compare the readings", () => compare(readings, fileId, settings()), { class: "quiet", "data-key": "held compare" })),
      element("p", { class: "row" }, element("label", {}, "Reason ", reason)),
      element(
        "p",
        { class: "row" },
        button("Accept", () => decide(`accept?${settings()}`, { reason: reason.value }), { "data-key": "held accept" }),
        button("Refuse", () => decide("refuse", { reason: reason.value }), { class: "quiet", "data-key": "held refuse" }),
      ),
      said,
    ),
    readings,
  );
}

/** Both readings beside each other: as the table reads the file, and with the settings. */
async function compare(place, fileId, settings) {
  place.replaceChildren(waiting("reading the file …"));
  await guarded(place, async () => {
    const path = `/v1/files/${fileId}/preview?rowsMax=10`;
    const [own, other] = await Promise.all([call(path), settings === "" ? null : call(`${path}&${settings}`)]);
    place.replaceChildren(reading("As it was read", own), other ? reading("With your settings", other) : "");
  });
}

function reading(title, { columns, rows, rowsRead, rowsRejected, error }) {
  return element(
    "section",
    { class: "part", "aria-label": title },
    element("h3", { class: "head" }, title),
    error
      ? element("p", { class: "card pad problem" }, `${error.code}: ${error.message}`)
      : element("p", { class: "hint" }, `${plural(rowsRead, "row")} read, ${count(rowsRejected)} rejected`),
    dataTable(
      title,
      columns.map(({ name, type }) => ({ name, hint: type })),
      rows.map((row) => row.map((value) => (value === null ? "" : String(value)))),
      "No row.",
      { wide: true },
    ),
  );
}

async function decision(place, path, body) {
  place.replaceChildren(waiting("deciding …"));
  await guarded(place, async () => {
    const { status, error } = await post(path, body);
    const text = error ? `${status}: ${error.message}` : `The file is ${status}.`;
    place.replaceChildren(element("p", { role: "status" }, text));
    announce(text);
  });
}
