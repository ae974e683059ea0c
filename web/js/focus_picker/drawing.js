// Draws the picture, the focus peaking and the points on the stage.

import { shownSize, toStage } from "../shared/view.js";

/** @typedef {import("../shared/view.js").Point} Point */
/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {import("../shared/view.js").View} View */
/**
 * @typedef {object} Scene
 * @property {(HTMLImageElement | HTMLCanvasElement) | null} picture
 * @property {Size} pictureSize
 * @property {HTMLCanvasElement | null} peaking Covers the picture.
 * @property {readonly Point[]} points
 * @property {number} selected Index of the point that keys move.
 * @property {View} view
 */

const RADIUS = 9;
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
  scene.points.forEach((point, index) => {
    const place = toStage(point, view, pictureSize, stage);
    drawPoint(context, place, index, index === scene.selected);
  });
}

/**
 * A ring with a cross hair; the first point, which is in the focus plane, has a dot in it, the
 * others have their number beside them.
 * @param {CanvasRenderingContext2D} context
 * @param {Point} place
 * @param {number} index
 * @param {boolean} isSelected
 */
function drawPoint(context, { x, y }, index, isSelected) {
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
  // Dark below bright: seen on any picture.
  outlined(context, (stroke) => {
    context.lineWidth = stroke ? 4 : 2;
    context.strokeStyle = stroke ? "rgb(0 0 0 / 70%)" : isSelected ? "#fff" : "#c8c8c8";
    context.stroke(shape);
  });
  outlined(context, (stroke) => {
    if (index > 0) {
      context.font = "600 11px Inter, Arial, sans-serif";
      context.lineWidth = 3;
      context.strokeStyle = "rgb(0 0 0 / 70%)";
      context.fillStyle = "#fff";
      const text = String(index + 1);
      if (stroke) context.strokeText(text, x + RADIUS + 4, y - RADIUS + 2);
      else context.fillText(text, x + RADIUS + 4, y - RADIUS + 2);
      return;
    }
    context.fillStyle = stroke ? "rgb(0 0 0 / 70%)" : "#fff";
    context.beginPath();
    context.arc(x, y, stroke ? 3 : 2, 0, 2 * Math.PI);
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
