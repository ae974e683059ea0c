// Shows the line of text that a Focus Puller node reports after it ran (focus distance, camera,
// depth range) below its inputs.

import { addElement, after, app, grow } from "./shared/comfy.js";
import { element } from "./shared/elements.js";

/** @typedef {import("./shared/comfy.js").ComfyNode} ComfyNode */

const HEIGHT_PX = 48;
// Nodes whose own widget says the same.
const SAID_ELSEWHERE = new Set(["FocusPullerFocusPoint", "FocusPullerCamera"]);
const STYLE =
  "white-space: pre-wrap; overflow: auto; font-size: 12px; opacity: 0.8; padding: 2px 6px;";

/** @type {WeakMap<ComfyNode, HTMLElement>} */
const lines = new WeakMap();

/**
 * The element that shows a node's text, made when it is first needed.
 * @param {ComfyNode} node
 */
function lineOf(node) {
  const existing = lines.get(node);
  if (existing) return existing;
  const line = element("div", { style: STYLE });
  addElement(node, "focus_puller_text", line, { minHeight: HEIGHT_PX, maxHeight: 2 * HEIGHT_PX });
  lines.set(node, line);
  return line;
}

/**
 * @param {ComfyNode} node
 * @param {import("./shared/comfy.js").NodeUi} ui
 */
function showText(node, ui) {
  if (!ui?.text) return;
  lineOf(node).textContent = [ui.text].flat().join("\n");
  grow(node);
}

app.registerExtension({
  name: "FocusPuller.NodeText",
  nodeCreated(/** @type {ComfyNode} */ node) {
    const { comfyClass = "" } = node;
    if (!comfyClass.startsWith("FocusPuller") || SAID_ELSEWHERE.has(comfyClass)) return;
    after(node, "onExecuted", (ui) => showText(node, ui));
  },
});
