// The one WebGL context of the page, and who draws with it.

import { Graphics } from "./gl.js";
import { Pace } from "./pace.js";

/** @typedef {{ graphics: Graphics, pace: Pace }} Card */

/** @type {HTMLCanvasElement | null} */
let canvas = null;
/** @type {Card | null} */
let card = null;
/** @type {Set<() => void>} */
const users = new Set();

/**
 * The graphics card, while it can be used.
 * @returns {Card | null} null: its context is lost, for now.
 * @throws {Error} There is none that can do this.
 */
export function sharedCard() {
  canvas ??= newCanvas();
  if (card?.graphics.isLost) return null;
  if (!card) {
    const graphics = new Graphics(canvas);
    card = { graphics, pace: new Pace(graphics.isSoftware) };
  }
  return card;
}

/** Whether the browser draws with a graphics card, not on the processor. */
export function hasGraphicsCard() {
  return sharedCard()?.graphics.isSoftware === false;
}

/**
 * Call `act` whenever the context has been lost or restored: all that was on the card is gone.
 * @param {() => void} act
 * @returns {() => void} Stops that.
 */
export function onCardChange(act) {
  users.add(act);
  return () => users.delete(act);
}

function newCanvas() {
  const made = document.createElement("canvas");
  const changed = () => users.forEach((act) => act());
  made.addEventListener("webglcontextlost", (event) => {
    event.preventDefault(); // or it does not come back
    changed();
  });
  made.addEventListener("webglcontextrestored", () => {
    card = null;
    changed();
  });
  return made;
}
