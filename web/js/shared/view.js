// How a picture lies in the part of the page that shows it: fitted, magnified and moved.
//
// Places in the picture are fractions of its width and height from the top left; places on the
// stage, the element that shows it, are CSS px from its top left.

/** @typedef {{ width: number, height: number }} Size */
/** @typedef {{ x: number, y: number }} Point */
/**
 * @typedef {object} View
 * @property {number} zoom 1 shows the whole picture, as large as it fits.
 * @property {Point} centre What of the picture is in the middle of the stage.
 */

export const MAX_ZOOM = 32;

/** The whole picture. @type {Readonly<View>} */
export const WHOLE = Object.freeze({ zoom: 1, centre: Object.freeze({ x: 0.5, y: 0.5 }) });

/**
 * Width and height of the whole picture on the stage, in px.
 * @param {View} view
 * @param {Size} picture
 * @param {Size} stage
 * @returns {Size}
 */
export function shownSize(view, picture, stage) {
  const scale = view.zoom * Math.min(stage.width / picture.width, stage.height / picture.height);
  return { width: picture.width * scale, height: picture.height * scale };
}

/**
 * Where a place of the picture is on the stage.
 * @param {Point} point
 * @param {View} view
 * @param {Size} picture
 * @param {Size} stage
 * @returns {Point}
 */
export function toStage(point, view, picture, stage) {
  const shown = shownSize(view, picture, stage);
  return {
    x: stage.width / 2 + (point.x - view.centre.x) * shown.width,
    y: stage.height / 2 + (point.y - view.centre.y) * shown.height,
  };
}

/**
 * What of the picture is at a place of the stage; outside 0..1 beside the picture.
 * @param {Point} place
 * @param {View} view
 * @param {Size} picture
 * @param {Size} stage
 * @returns {Point}
 */
export function toPicture(place, view, picture, stage) {
  const shown = shownSize(view, picture, stage);
  return {
    x: view.centre.x + (place.x - stage.width / 2) / shown.width,
    y: view.centre.y + (place.y - stage.height / 2) / shown.height,
  };
}

/**
 * The view magnified by a factor, with what is at `anchor` on the stage staying there.
 * @param {View} view
 * @param {number} factor
 * @param {Point} anchor
 * @param {Size} picture
 * @param {Size} stage
 * @returns {View}
 */
export function zoomed(view, factor, anchor, picture, stage) {
  const fixed = toPicture(anchor, view, picture, stage);
  const zoom = clamp(view.zoom * factor, 1, MAX_ZOOM);
  const shown = shownSize({ ...view, zoom }, picture, stage);
  const centre = {
    x: fixed.x - (anchor.x - stage.width / 2) / shown.width,
    y: fixed.y - (anchor.y - stage.height / 2) / shown.height,
  };
  return constrained({ zoom, centre }, picture, stage);
}

/**
 * The view after the picture has been dragged by some px.
 * @param {View} view
 * @param {Point} by
 * @param {Size} picture
 * @param {Size} stage
 * @returns {View}
 */
export function panned(view, by, picture, stage) {
  const shown = shownSize(view, picture, stage);
  const centre = { x: view.centre.x - by.x / shown.width, y: view.centre.y - by.y / shown.height };
  return constrained({ zoom: view.zoom, centre }, picture, stage);
}

/**
 * The view moved so that a place of the picture is in sight.
 * @param {View} view
 * @param {Point} point
 * @param {Size} picture
 * @param {Size} stage
 * @returns {View}
 */
export function revealed(view, point, picture, stage) {
  const place = toStage(point, view, picture, stage);
  const by = {
    x: clamp(place.x, 0, stage.width) - place.x,
    y: clamp(place.y, 0, stage.height) - place.y,
  };
  return panned(view, by, picture, stage);
}

/**
 * The nearest view without needless empty space: a side of the picture that is smaller than the
 * stage is in its middle, a larger one covers it.
 * @param {View} view
 * @param {Size} picture
 * @param {Size} stage
 * @returns {View}
 */
export function constrained(view, picture, stage) {
  const shown = shownSize(view, picture, stage);
  const marginX = Math.min(0.5, stage.width / 2 / shown.width);
  const marginY = Math.min(0.5, stage.height / 2 / shown.height);
  return {
    zoom: view.zoom,
    centre: {
      x: clamp(view.centre.x, marginX, 1 - marginX),
      y: clamp(view.centre.y, marginY, 1 - marginY),
    },
  };
}

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}
