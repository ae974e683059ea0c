// What the user does to points and regions, without the page: take hold of them, drag them, draw new
// ones, choose, move and remove them with keys.

import {
  centreOf,
  centredAt,
  cornersOf,
  isRegion,
  nearestWithin,
  regionAround,
  regionBetween,
  stored,
} from "../shared/areas.js";

/** @typedef {import("../shared/areas.js").Area} Area */
/** @typedef {import("../shared/areas.js").Region} Region */
/** @typedef {import("../shared/view.js").Point} Point */
/** @typedef {{ index: number, corner?: number }} Found An area, or a corner of one. */
/** @typedef {(point: Point, place: Point) => Area} Hold What becomes of the chosen area in a drag. */

// As far from a point or a corner, in px, a press still takes hold of it.
const REACH = 16;
// As far from the outline of a region.
const OUTLINE_REACH = 6;
// A drag that is shorter, in px, draws a point.
const LEAST_DRAWN = 8;
/** Where a new area is, beside the chosen one. */
const BESIDE = 0.05;

export class AreaEditor {
  constructor() {
    /** @type {Area[]} The first is in the focus plane, the others are sharp too. */
    this.areas = [{ x: 0.5, y: 0.5 }];
    /** Index of the area that keys move. */
    this.selected = 0;
    /** @type {number | null} The corner of it that they move instead. */
    this.corner = null;
    /** As they were before the drag. */
    this._before = this.areas;
    /** @type {Hold | null} */
    this._hold = null;
  }

  get chosen() {
    return this.areas[this.selected];
  }

  /** Where keys move something. @returns {Point} */
  get place() {
    const { chosen, corner } = this;
    return isRegion(chosen) && corner !== null ? cornersOf(chosen)[corner] : centreOf(chosen);
  }

  /**
   * Other areas; what is chosen stays so.
   * @param {readonly Area[]} areas
   */
  load(areas) {
    this.areas = [...areas];
    this._choose(Math.min(this.selected, areas.length - 1), this.corner);
  }

  /**
   * A drag begins: with what is there, else with what is chosen, which comes.
   * @param {Point} point Of the picture.
   * @param {Point} place The same of the stage.
   * @param {(point: Point) => Point} toStage
   */
  takeHold(point, place, toStage) {
    this._before = [...this.areas];
    const found = this._find(place, toStage);
    this._choose(found?.index ?? this.selected, null);
    const area = this.chosen;
    if (found?.corner !== undefined && isRegion(area)) {
      const fixed = cornersOf(area)[opposite(found.corner)];
      this._hold = (to) => regionBetween(fixed, to);
      return;
    }
    const middle = centreOf(area);
    // A region is held where it was taken.
    const isHeld = found && isRegion(area);
    const offset = isHeld ? { x: middle.x - point.x, y: middle.y - point.y } : { x: 0, y: 0 };
    this._hold = (to) => centredAt(area, { x: to.x + offset.x, y: to.y + offset.y });
    this.drag(point, place);
  }

  /**
   * A drag begins that draws a region; one that ends at once, a point.
   * @param {Point} point
   * @param {Point} place
   */
  draw(point, place) {
    this._before = [...this.areas];
    this.add(stored(point));
    this._hold = (to, at) =>
      distance(at, place) < LEAST_DRAWN ? stored(point) : regionBetween(point, to);
  }

  /**
   * @param {Point} point
   * @param {Point} place
   */
  drag(point, place) {
    if (this._hold) this.areas[this.selected] = this._hold(point, place);
  }

  release() {
    this._hold = null;
  }

  /** The drag was none. */
  takeBack() {
    this._hold = null;
    this.load(this._before);
  }

  /**
   * Move what is chosen, or its corner.
   * @param {Point} by
   */
  step(by) {
    const { chosen, corner, place } = this;
    const to = { x: place.x + by.x, y: place.y + by.y };
    if (!isRegion(chosen) || corner === null) {
      this.areas[this.selected] = centredAt(chosen, to);
      return;
    }
    const next = regionBetween(cornersOf(chosen)[opposite(corner)], to);
    this.areas[this.selected] = next;
    this.corner = nearestWithin(cornersOf(next), to); // it may have passed the opposite one
  }

  /** @param {Area} area */
  add(area) {
    this.areas.push(area);
    this._choose(this.areas.length - 1, null);
  }

  addBeside() {
    const { x, y } = centreOf(this.chosen);
    this.add(stored({ x: x + BESIDE, y }));
  }

  /** @returns {boolean} Whether there is another one left. */
  remove() {
    if (this.areas.length === 1) return false;
    this.areas.splice(this.selected, 1);
    this._choose(Math.max(0, this.selected - 1), null);
    return true;
  }

  next() {
    this._choose((this.selected + 1) % this.areas.length, null);
  }

  /** Choose the next corner; after the last one the whole region. */
  nextCorner() {
    if (!isRegion(this.chosen)) return;
    const next = (this.corner ?? -1) + 1;
    this.corner = next < 4 ? next : null;
  }

  /** Make a region of the chosen point, or a point of the chosen region. */
  changeKind() {
    const { chosen } = this;
    this.areas[this.selected] = isRegion(chosen) ? stored(centreOf(chosen)) : regionAround(chosen);
    this.corner = null;
  }

  /**
   * @param {number} index
   * @param {number | null} corner
   */
  _choose(index, corner) {
    this.selected = index;
    this.corner = isRegion(this.chosen) ? corner : null;
  }

  /**
   * What is at a place of the stage: corners and points before outlines, and those before the inside
   * of the chosen region. The inside of another region lets presses through to what is chosen.
   * @param {Point} place
   * @param {(point: Point) => Point} toStage
   * @returns {Found | null}
   */
  _find(place, toStage) {
    const handles = this.areas.flatMap((area, index) =>
      isRegion(area)
        ? cornersOf(area).map((at, corner) => ({ index, corner, at: toStage(at) }))
        : [{ index, at: toStage(area) }],
    );
    const nearest = nearestWithin(
      handles.map(({ at }) => at),
      place,
      REACH,
    );
    if (nearest >= 0) return handles[nearest];
    const index = this.areas.findIndex(
      (area) => isRegion(area) && isOnOutline(place, onStage(area, toStage)),
    );
    if (index >= 0) return { index };
    const { chosen, selected } = this;
    const isInside = isRegion(chosen) && contains(onStage(chosen, toStage), place, 0);
    return isInside ? { index: selected } : null;
  }
}

/** @param {number} corner */
function opposite(corner) {
  return (corner + 2) % 4;
}

/**
 * @param {Region} region
 * @param {(point: Point) => Point} toStage
 * @returns {Region} In px of the stage.
 */
function onStage(region, toStage) {
  const [start, , end] = cornersOf(region).map(toStage);
  return { left: start.x, top: start.y, right: end.x, bottom: end.y };
}

/**
 * @param {Point} place
 * @param {Region} region
 */
function isOnOutline(place, region) {
  return contains(region, place, OUTLINE_REACH) && !contains(region, place, -OUTLINE_REACH);
}

/**
 * @param {Region} region
 * @param {Point} place
 * @param {number} margin
 */
function contains({ left, top, right, bottom }, { x, y }, margin) {
  const isAcross = x >= left - margin && x <= right + margin;
  return isAcross && y >= top - margin && y <= bottom + margin;
}

/**
 * @param {Point} a
 * @param {Point} b
 */
function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}
