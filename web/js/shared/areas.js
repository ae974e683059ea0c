// What to focus on: points and rectangular regions of a picture, as nodes keep them: fractions with
// four decimals, further ones as text. See lens/focus_areas.py.

import { clamp } from "./view.js";

/** @typedef {import("./view.js").Point} Point */
/** @typedef {{ left: number, top: number, right: number, bottom: number }} Region */
/** @typedef {Point | Region} Area */

// Of a region: width and height that a new one has, and that one has at least.
const NEW_SIZE = 0.2;
const LEAST_SIZE = 0.01;

/**
 * @param {Area} area
 * @returns {area is Region}
 */
export function isRegion(area) {
  return "left" in area;
}

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
 * The areas of a text such as "0.2,0.4; 0.6,0.3,0.8,0.5"; what is no area of the picture is left
 * out, because the node itself refuses it with a reason.
 * @param {unknown} text
 * @returns {Area[]}
 */
export function areasFromText(text) {
  if (typeof text !== "string") return [];
  return text
    .split(";")
    .map((part) => areaOf(part.split(",")))
    .filter((area) => area !== null);
}

/**
 * @param {string[]} parts
 * @returns {Area | null}
 */
function areaOf(parts) {
  if (!parts.every(isFraction)) return null;
  const numbers = parts.map(Number);
  if (numbers.length === 2) return { x: numbers[0], y: numbers[1] };
  const [left, top, right, bottom] = numbers;
  const isArea = numbers.length === 4 && left < right && top < bottom;
  return isArea ? { left, top, right, bottom } : null;
}

/** @param {string} part */
function isFraction(part) {
  const value = Number(part);
  return part.trim() !== "" && value >= 0 && value <= 1;
}

/**
 * @param {readonly Area[]} areas
 * @returns {string}
 */
export function textOfAreas(areas) {
  return areas.map((area) => Object.values(area).join(",")).join("; ");
}

/**
 * What the values of a Focus Point mean, the area in the focus plane first.
 * @param {{ x: unknown, y: unknown, region: unknown, also_sharp: unknown }} values
 * @returns {Area[]}
 */
export function areasOfNode({ x, y, region, also_sharp: others }) {
  const [instead] = areasFromText(region);
  const point = stored({ x: Number(x) || 0, y: Number(y) || 0 });
  return [instead && isRegion(instead) ? instead : point, ...areasFromText(others)];
}

/**
 * The inverse of `areasOfNode`: x and y stay the middle of a region, so that it may become a point.
 * @param {readonly Area[]} areas
 */
export function valuesOfAreas([first, ...others]) {
  const region = isRegion(first) ? textOfAreas([first]) : "";
  return { ...stored(centreOf(first)), region, also_sharp: textOfAreas(others) };
}

/**
 * @param {Area} area
 * @returns {Point}
 */
export function centreOf(area) {
  if (!isRegion(area)) return area;
  return { x: (area.left + area.right) / 2, y: (area.top + area.bottom) / 2 };
}

/**
 * The area with its middle elsewhere, as near as the picture's borders let it.
 * @param {Area} area
 * @param {Point} centre
 * @returns {Area}
 */
export function centredAt(area, { x, y }) {
  if (!isRegion(area)) return stored({ x, y });
  const [width, height] = [area.right - area.left, area.bottom - area.top];
  const left = rounded(clamp(x - width / 2, 0, 1 - width));
  const top = rounded(clamp(y - height / 2, 0, 1 - height));
  return { left, top, right: rounded(left + width), bottom: rounded(top + height) };
}

/**
 * A new region around a point.
 * @param {Point} point
 */
export function regionAround(point) {
  return centredAt({ left: 0, top: 0, right: NEW_SIZE, bottom: NEW_SIZE }, point);
}

/**
 * The region from a corner that stays to another, never too small to be seen.
 * @param {Point} fixed
 * @param {Point} moved
 * @returns {Region}
 */
export function regionBetween(fixed, moved) {
  const [left, right] = spanned(fixed.x, moved.x);
  const [top, bottom] = spanned(fixed.y, moved.y);
  return { left, top, right, bottom };
}

/**
 * @param {number} fixed
 * @param {number} moved
 */
function spanned(fixed, moved) {
  const [from, to] = [clamp(fixed, 0, 1), clamp(moved, 0, 1)];
  // To the other side of the fixed one where there is no room.
  const rises = to > from ? from + LEAST_SIZE <= 1 : from < LEAST_SIZE;
  return rises
    ? [rounded(from), rounded(Math.max(to, from + LEAST_SIZE))]
    : [rounded(Math.min(to, from - LEAST_SIZE)), rounded(from)];
}

/**
 * The corners of a region, clockwise from the top left.
 * @param {Region} region
 * @returns {Point[]}
 */
export function cornersOf({ left, top, right, bottom }) {
  return [
    { x: left, y: top },
    { x: right, y: top },
    { x: right, y: bottom },
    { x: left, y: bottom },
  ];
}

/**
 * Index of the place nearest to another, -1 where none is within reach.
 * @param {readonly Point[]} places
 * @param {Point} to
 * @param {number} [reach]
 * @returns {number}
 */
export function nearestWithin(places, to, reach = Infinity) {
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
