import { SETTINGS } from "./dialect.js";
import { element } from "../dom.js";

/**
 * Inputs for the settings with these names, and what was given in them. `key` tells apart forms of one page.
 * `labels` replace those of settings.
 */
export function settingInputs(names, key, labels = {}) {
  const shown = SETTINGS.filter(([name]) => names.includes(name));
  const inputs = shown.map(([name, , placeholder]) => {
    const about = { "data-key": `${key} ${name}` };
    if (placeholder !== undefined) return element("input", { type: "text", maxlength: "200", placeholder, ...about });
    const options = [["", "detected"], ["true", "yes"], ["false", "no"]];
    return element("select", about, options.map(([value, text]) => element("option", { value }, text)));
  });
  return {
    inputs,
    labels: shown.map(([name, label], index) => element("label", {}, `${labels[name] ?? label} `, inputs[index])),
    given: () =>
      Object.fromEntries(
        shown.map(([name], index) => [name, inputs[index].value.trim()]).filter(([, value]) => value !== ""),
      ),
  };
}
