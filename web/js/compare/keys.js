// What the keys do while the pictures have the keyboard.

import { isShortcut, viewActionOf } from "../shared/keys.js";

const STEP = 0.01;
const COARSE_STEP = 0.1;

/**
 * @typedef {{ kind: "divide", by: number } | { kind: "place", at: number } | { kind: "swap" }
 *   | { kind: "defocus" } | import("../shared/keys.js").ViewAction} Action
 */

/**
 * @param {import("../shared/keys.js").Key} event
 * @returns {Action | null} null: the key is not for the pictures.
 */
export function actionOf(event) {
  if (isShortcut(event)) return null;
  const step = event.shiftKey ? COARSE_STEP : STEP;
  switch (event.key) {
    case "ArrowLeft":
      return { kind: "divide", by: -step };
    case "ArrowRight":
      return { kind: "divide", by: step };
    case "Home":
      return { kind: "place", at: 0 };
    case "End":
      return { kind: "place", at: 1 };
    case " ":
      return { kind: "swap" };
    case "d":
    case "D":
      return { kind: "defocus" };
    default:
      return viewActionOf(event);
  }
}
