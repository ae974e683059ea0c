// Keys that all pictures on the canvas know.

/**
 * @typedef {Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "altKey" | "metaKey">} Key
 * @typedef {{ kind: "zoom", factor: number } | { kind: "whole" }} ViewAction
 */

const ZOOM = 1.5;

/**
 * What a key does to the view.
 * @param {Key} event
 * @returns {ViewAction | null} null: nothing.
 */
export function viewActionOf({ key }) {
  if (key === "+" || key === "=") return { kind: "zoom", factor: ZOOM };
  if (key === "-") return { kind: "zoom", factor: 1 / ZOOM };
  return key === "0" ? { kind: "whole" } : null;
}

/**
 * Whether a key belongs to the browser or to ComfyUI: undo, copy and the like.
 * @param {Key} event
 */
export function isShortcut({ ctrlKey, altKey, metaKey }) {
  return ctrlKey || altKey || metaKey;
}
