// Points of a picture as nodes keep them: fractions with four decimals, further ones as text.

import { clamp } from "./view.js";

/** @typedef {import("./view.js").Point} Point */

/**
 * A point as widgets store it: within the picture, rounded.
 * @param {Point} point
 * @returns {Point}
 */
export function stored({ x, y }) {
  return { x: rounded(clamp(x, 0, 1)), y: rounded(clamp(y, 0, 1)) };
}

/** @param {number} value */
function rounded(value) {
  return Math.round(value * 10_000) / 10_000;
}

/**
 * The points of a text such as "0.2,0.4; 0.7,0.5"; what is no point of the picture is left out,
 * because the node itself refuses it with a reason.
 * @param {unknown} text
 * @returns {Point[]}
 */
export function pointsFromText(text) {
  if (typeof text !== "string") return [];
  return text
    .split(";")
    .map((pair) => pair.split(","))
    .filter((parts) => parts.length === 2 && parts.every(isFraction))
    .map(([x, y]) => ({ x: Number(x), y: Number(y) }));
}

/** @param {string} part */
function isFraction(part) {
  const value = Number(part);
  return part.trim() !== "" && value >= 0 && value <= 1;
}

/**
 * @param {readonly Point[]} points
 * @returns {string}
 */
export function textOfPoints(points) {
  return points
    .map(stored)
    .map(({ x, y }) => `${x},${y}`)
    .join("; ");
}

/**
 * Index of the place nearest to another, -1 where none is within reach.
 * @param {readonly Point[]} places
 * @param {Point} to
 * @param {number} reach
 * @returns {number}
 */
export function nearestWithin(places, to, reach) {
  let nearest = -1;
  let least = reach;
  places.forEach((place, index) => {
    const distance = Math.hypot(place.x - to.x, place.y - to.y);
    if (distance > least) return;
    nearest = index;
    least = distance;
  });
  return nearest;
}
