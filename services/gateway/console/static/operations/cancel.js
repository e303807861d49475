/** Cancel of a file that is on its way. */
import { post } from "../api.js";
import { announce, button, element, guarded, waiting } from "../dom.js";
import { confirmCard, said } from "./card.js";

/** Outlives the redrawing of the page at each report of progress. */
let place = element("div");
let shownFor = "";

/** The part of a file's page that cancels the file; null for operations. `isBusy`: the file has not ended. */
export function cancelPart({ fileId, operation, sourceFile }, isBusy) {
  if (shownFor !== fileId) place = element("div");
  shownFor = fileId;
  if (operation || (!isBusy && place.childElementCount === 0)) return null;
  const ask = () => place.replaceChildren(confirmCard(lines(sourceFile), "cancel", "Cancel", (given) => cancel(place, fileId, given)));
  const show = button("Cancel this file …", ask, { class: "quiet", "data-key": "cancel plan" });
  return element("section", { class: "part", "aria-label": "Cancel" }, isBusy && show, place);
}

const lines = (sourceFile) => [
  `${sourceFile} ends as failed, and no row of it gets into the table. Its raw bytes stay: a replay loads it later.`,
  "Once its commit has begun it is too late. Then the undo takes it back.",
];

async function cancel(into, fileId, given) {
  into.replaceChildren(waiting("cancelling the file …"));
  await guarded(into, async () => {
    const { error } = await post(`/v1/files/${fileId}/cancel`, given);
    const isDone = error?.code === "FILE_CANCELLED";
    const text = isDone ? "Cancelled." : "The cancel is stored. The file ends when its turn comes.";
    into.replaceChildren(said(isDone ? "good" : "calm", text));
    announce(text);
  });
}
