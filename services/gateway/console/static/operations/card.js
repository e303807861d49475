/** The card that asks for the go-ahead of an operation. */
import { button, element } from "../dom.js";

/** What would happen, line by line (texts or elements, others are left out), a reason, and the button that does it. */
export function confirmCard(lines, key, label, act) {
  return element("div", { class: "card pad" }, ...confirmation(lines, key, label, act));
}

/** The same without the card. */
export function confirmation(lines, key, label, act) {
  const reason = element("input", { type: "text", maxlength: "500", "data-key": `${key} reason` });
  return [
    ...lines.filter(Boolean).map((line) => (typeof line === "string" ? element("p", {}, line) : line)),
    element("label", {}, "Reason ", reason),
    button(label, () => act(reason.value === "" ? {} : { reason: reason.value }), { "data-key": `${key} now` }),
  ];
}

/** How an operation ended, or that it continues. */
export const said = (tone, ...lines) =>
  element(
    "div",
    { class: `card pad said ${tone}`, role: "status" },
    ...lines.filter(Boolean).map((line) => (typeof line === "string" ? element("p", {}, line) : line)),
  );
