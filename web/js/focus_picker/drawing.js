// Draws the picture, the focus peaking, the points and the regions on the stage.

import { centreOf, cornersOf, isRegion } from "../shared/areas.js";
import { shownSize, toStage } from "../shared/view.js";

/** @typedef {import("../shared/areas.js").Area} Area */
/** @typedef {import("../shared/areas.js").Region} Region */
/** @typedef {import("../shared/view.js").Point} Point */
/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {import("../shared/view.js").View} View */
/**
 * @typedef {object} Scene
 * @property {(HTMLImageElement | HTMLCanvasElement) | null} picture
 * @property {Size} pictureSize
 * @property {HTMLCanvasElement | null} peaking Covers the picture.
 * @property {readonly Area[]} areas
 * @property {number} selected Index of the area that keys move.
 * @property {number | null} corner The corner of it that they move instead.
 * @property {View} view
 */

/** @typedef {{ index: number, isSelected: boolean }} Mark Which area it is. */

const RADIUS = 9;
const HANDLE = 3; // half the side of a corner
const DARK = "rgb(0 0 0 / 70%)";
const BRIGHT = "#fff";
const DIMMED = "#c8c8c8";
const CHOSEN_CORNER = "#ffd23e";
// From this magnification on, pixels are shown as what they are.
const PIXELATED = 4;

/**
 * @param {CanvasRenderingContext2D} context Its unit is a CSS px.
 * @param {Scene} scene
 * @param {Size} stage
 */
export function draw(context, scene, stage) {
  context.clearRect(0, 0, stage.width, stage.height);
  if (!scene.picture) return;
  const { view, pictureSize } = scene;
  const corner = toStage({ x: 0, y: 0 }, view, pictureSize, stage);
  const shown = shownSize(view, pictureSize, stage);
  context.imageSmoothingEnabled = shown.width < PIXELATED * pictureSize.width;
  context.imageSmoothingQuality = "high";
  for (const layer of [scene.picture, scene.peaking]) {
    if (layer) context.drawImage(layer, corner.x, corner.y, shown.width, shown.height);
  }
  scene.areas.forEach((area, index) => {
    const mark = { index, isSelected: index === scene.selected };
    const placed = (/** @type {Point} */ point) => toStage(point, view, pictureSize, stage);
    if (isRegion(area)) drawRegion(context, area, placed, mark, scene.corner);
    else drawPoint(context, placed(area), mark);
  });
}

/**
 * A ring with a cross hair; the first area, which is in the focus plane, has a dot in it, the others
 * have their number beside them.
 * @param {CanvasRenderingContext2D} context
 * @param {Point} place
 * @param {Mark} mark
 */
function drawPoint(context, { x, y }, mark) {
  const shape = new Path2D();
  shape.arc(x, y, RADIUS, 0, 2 * Math.PI);
  for (const [dx, dy] of [
    [1, 0],
    [-1, 0],
    [0, 1],
    [0, -1],
  ]) {
    shape.moveTo(x + dx * RADIUS, y + dy * RADIUS);
    shape.lineTo(x + dx * (RADIUS + 5), y + dy * (RADIUS + 5));
  }
  drawLine(context, shape, mark);
  drawName(context, { x, y }, { x: x + RADIUS + 4, y: y - RADIUS + 2 }, mark);
}

/**
 * A rectangle with its corners, if it is chosen, and in its middle what points have.
 * @param {CanvasRenderingContext2D} context
 * @param {Region} region
 * @param {(point: Point) => Point} placed
 * @param {Mark} mark
 * @param {number | null} corner
 */
function drawRegion(context, region, placed, mark, corner) {
  const corners = cornersOf(region).map(placed);
  const [start, , end] = corners;
  const shape = new Path2D();
  shape.rect(start.x, start.y, end.x - start.x, end.y - start.y);
  drawLine(context, shape, mark);
  drawName(context, placed(centreOf(region)), { x: end.x + 5, y: start.y + 9 }, mark);
  if (!mark.isSelected) return;
  corners.forEach(({ x, y }, index) => {
    const size = index === corner ? HANDLE + 2 : HANDLE;
    context.fillStyle = DARK;
    context.fillRect(x - size - 1, y - size - 1, 2 * size + 2, 2 * size + 2);
    context.fillStyle = index === corner ? CHOSEN_CORNER : BRIGHT;
    context.fillRect(x - size, y - size, 2 * size, 2 * size);
  });
}

/**
 * Dark below bright: seen on any picture.
 * @param {CanvasRenderingContext2D} context
 * @param {Path2D} shape
 * @param {Mark} mark
 */
function drawLine(context, shape, { isSelected }) {
  outlined(context, (stroke) => {
    context.lineWidth = stroke ? 4 : 2;
    context.strokeStyle = stroke ? DARK : isSelected ? BRIGHT : DIMMED;
    context.stroke(shape);
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Point} middle
 * @param {Point} beside
 * @param {Mark} mark
 */
function drawName(context, middle, beside, { index }) {
  outlined(context, (stroke) => {
    if (index > 0) {
      context.font = "600 11px Inter, Arial, sans-serif";
      context.lineWidth = 3;
      context.strokeStyle = DARK;
      context.fillStyle = BRIGHT;
      const text = String(index + 1);
      if (stroke) context.strokeText(text, beside.x, beside.y);
      else context.fillText(text, beside.x, beside.y);
      return;
    }
    context.fillStyle = stroke ? DARK : BRIGHT;
    context.beginPath();
    context.arc(middle.x, middle.y, stroke ? 3 : 2, 0, 2 * Math.PI);
    context.fill();
  });
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {(stroke: boolean) => void} paint Called for the outline, then for what it outlines.
 */
function outlined(context, paint) {
  context.save();
  paint(true);
  paint(false);
  context.restore();
}
