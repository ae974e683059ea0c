// Puts the two pictures of Compare on the node.

import { CompareView } from "./compare/view.js";
import { addElement, after, fileUrl, grow, onNodeCreated, uiOf } from "./shared/comfy.js";
import { useStyles } from "./shared/elements.js";
import { numbersFromPixels } from "./shared/numbers.js";
import { loadBytes, loadPicture } from "./shared/pixels.js";

/** @typedef {import("./shared/comfy.js").FileResult} FileResult */
/** @typedef {import("./compare/view.js").Pair} Pair */
/**
 * @typedef {object} SentPair What the node sends: nodes/compare.py.
 * @property {FileResult} before
 * @property {FileResult} after
 * @property {{ picture: FileResult, low: number, high: number }} [defocus]
 */

const MIN_HEIGHT_PX = 220;
/** @type {[number, number]} */
const START_SIZE = [480, 440];

/**
 * @param {SentPair} sent
 * @returns {Promise<Pair>}
 */
async function loadPair({ before, after: behind, defocus }) {
  const [left, right, map] = await Promise.all([
    loadPicture(fileUrl(before)),
    loadPicture(fileUrl(behind)),
    defocus ? loadBytes(fileUrl(defocus.picture)) : null,
  ]);
  if (!map || !defocus) return { before: left, after: right, defocus: null };
  const { data, width, height } = map.pixels;
  const radius = numbersFromPixels(data, defocus);
  return { before: left, after: right, defocus: { radius, width, height } };
}

onNodeCreated("FocusPuller.Compare", "FocusPullerCompare", (node) => {
  useStyles();
  const view = new CompareView();
  let asked = 0;
  const show = async () => {
    const sent = /** @type {SentPair[] | undefined} */ (uiOf(node)?.focus_puller_compare);
    if (!sent) return;
    const mine = ++asked;
    const pairs = await Promise.all(sent.map(loadPair)).catch(() => []);
    if (mine === asked) view.setPairs(pairs);
  };
  addElement(node, "focus_puller_compare", view.element, { minHeight: MIN_HEIGHT_PX });
  node.setSize(START_SIZE);
  after(node, "onConfigure", () => {
    grow(node);
    void show();
  });
  after(node, "onExecuted", () => void show());
  after(node, "onRemoved", () => view.dispose());
});
