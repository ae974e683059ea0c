// What the keys do while the picture has the keyboard.

const STEP = 0.005;
const COARSE_STEP = 0.05;
const ZOOM = 1.5;
const DIRECTIONS = new Map([
  ["ArrowLeft", [-1, 0]],
  ["ArrowRight", [1, 0]],
  ["ArrowUp", [0, -1]],
  ["ArrowDown", [0, 1]],
]);

/**
 * @typedef {{ kind: "move", x: number, y: number } | { kind: "zoom", factor: number }
 *   | { kind: "whole" } | { kind: "peaking" } | { kind: "remove" }
 *   | { kind: "add" } | { kind: "next" }} Action
 */

/**
 * @param {{ key: string, shiftKey: boolean, ctrlKey: boolean, altKey: boolean, metaKey: boolean }} event
 * @returns {Action | null} null: the key is not for the picture.
 */
export function actionOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const direction = DIRECTIONS.get(event.key);
  if (direction) {
    const step = event.shiftKey ? COARSE_STEP : STEP;
    return { kind: "move", x: direction[0] * step, y: direction[1] * step };
  }
  switch (event.key) {
    case "+":
    case "=":
      return { kind: "zoom", factor: ZOOM };
    case "-":
      return { kind: "zoom", factor: 1 / ZOOM };
    case "0":
      return { kind: "whole" };
    case "p":
    case "P":
      return { kind: "peaking" };
    case "a":
    case "A":
      return { kind: "add" };
    case "n":
    case "N":
      return { kind: "next" };
    case "Delete":
    case "Backspace":
      return { kind: "remove" };
    default:
      return null;
  }
}
