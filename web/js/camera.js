// Puts the lens barrel on Camera: it shows and sets the node's own widgets. What a connected photo
// tells comes from its file, the focus from the node that focuses this camera.

import { LensBarrel } from "./camera/barrel.js";
import { focusedNodes, numbersOf, noteOf } from "./camera/sources.js";
import { areasOfNode } from "./shared/areas.js";
import {
  addElement,
  after,
  fileUrl,
  grow,
  isLinked,
  onAnyChange,
  onNodeCreated,
  photoUrl,
  recordUndo,
  setWidget,
  uiOf,
  widgetOf,
} from "./shared/comfy.js";
import { disparityOf, loadDepth } from "./shared/depth_map.js";
import { useStyles } from "./shared/elements.js";

/** @typedef {import("./shared/comfy.js").ComfyNode} ComfyNode */
/** @typedef {import("./camera/barrel.js").Setting} Setting */
/** @typedef {import("./shared/comfy.js").PhotoFacts} PhotoFacts */
/** @typedef {import("./camera/sources.js").FoundFocus} FoundFocus */

const WIDGETS = /** @type {const} */ ({
  fNumber: "f_number",
  focalLengthMm: "focal_length_mm",
  sensorWidthMm: "sensor_width_mm",
});
const MIN_HEIGHT_PX = 262; // with four lines of text, as in a narrow node
/** @type {[number, number]} */
const START_SIZE = [380, 430];
const START_FOCUS_M = 2;

class NodeBarrel {
  /** @param {ComfyNode} node */
  constructor(node) {
    this.node = node;
    this.barrel = new LensBarrel((setting, value, isDone) => this._write(setting, value, isDone));
    /** Where the ring stands while no node of the graph says so. */
    this._ownFocusM = START_FOCUS_M;
    /** @type {ComfyNode | null} Where it says so. */
    this._focusNode = null;
    /** @type {Map<string, Promise<any>>} What files hold, by address. */
    this._loaded = new Map();
    this._isPending = false;
    addElement(node, "lens_barrel", this.barrel.element, { minHeight: MIN_HEIGHT_PX });
    node.setSize(START_SIZE);
    this._listen();
    this.refresh();
  }

  /** Look again at the graph; many calls at once cost one look. */
  refresh() {
    if (this._isPending) return;
    this._isPending = true;
    queueMicrotask(() => {
      this._isPending = false;
      if (this.node.graph) void this._show();
    });
  }

  _listen() {
    const { node } = this;
    const refresh = () => this.refresh();
    for (const name of Object.values(WIDGETS)) {
      const widget = widgetOf(node, name);
      if (widget) after(widget, "callback", refresh);
    }
    after(node, "onConfigure", () => {
      grow(node); // saved before it had a barrel
      refresh();
    });
    after(node, "onConnectionsChange", refresh);
    const stop = onAnyChange(refresh);
    after(node, "onRemoved", stop);
  }

  async _show() {
    const [photo, focus] = await Promise.all([this._photo(), this._focus()]);
    const set = (/** @type {keyof typeof WIDGETS} */ key) =>
      Number(widgetOf(this.node, WIDGETS[key])?.value);
    const own = {
      fNumber: set("fNumber"),
      focalLengthMm: set("focalLengthMm"),
      sensorWidthMm: set("sensorWidthMm"),
    };
    const { camera, fromPhoto } = numbersOf(own, photo);
    this._focusNode = focus.node;
    /** @type {Setting[]} */
    const fixed = fromPhoto.filter((key) => key !== "fNumber"); // the ring sets another one
    fixed.push(...this._linked());
    if (focus.isFixed) fixed.push("focusM");
    this.barrel.show({
      settings: { ...camera, focusM: focus.distanceM },
      fixed: new Set(fixed),
      note: noteOf(fromPhoto, focus.from),
      photoFNumber: own.fNumber ? photo?.f_number : null,
    });
  }

  /** What comes through a link. */
  _linked() {
    const keys = /** @type {(keyof typeof WIDGETS)[]} */ (Object.keys(WIDGETS));
    return keys.filter((key) => isLinked(this.node, WIDGETS[key]));
  }

  /** @returns {Promise<PhotoFacts | null>} */
  async _photo() {
    const slot = (this.node.inputs ?? []).findIndex((input) => input.name === "photo");
    const source = slot < 0 ? null : this.node.getInputNode(slot);
    const url = source && photoUrl(source, "facts");
    return url ? this._load(url, async () => (await fetch(url)).json()) : null;
  }

  /** @returns {Promise<FoundFocus>} */
  async _focus() {
    for (const node of /** @type {ComfyNode[]} */ (focusedNodes(this.node))) {
      const metres =
        node.comfyClass === "FocusPullerFocusDistance"
          ? distanceOf(node)
          : await this._distanceAtPoint(node);
      if (metres === null) continue;
      const isSetHere = node.comfyClass === "FocusPullerFocusDistance";
      const isFixed = !isSetHere || isLinked(node, "distance");
      return { distanceM: metres, from: node.title || "", isFixed, node };
    }
    return { distanceM: this._ownFocusM, from: null, isFixed: false, node: null };
  }

  /**
   * What Focus Point focuses on, if its depth is known and metric.
   * @param {ComfyNode} node
   * @returns {Promise<number | null>}
   */
  async _distanceAtPoint(node) {
    if (node.comfyClass !== "FocusPullerFocusPoint") return null;
    const sent = uiOf(node)?.focus_puller_depth?.[0];
    const source = node.getInputNode(0);
    const url = sent ? fileUrl(sent.picture) : source && photoUrl(source, "depth");
    const depth = url ? await this._load(url, () => loadDepth(url, sent)) : null;
    if (!depth?.isMetric) return null;
    const [x, y, region] = ["x", "y", "region"].map((name) => widgetOf(node, name)?.value);
    const [first] = areasOfNode({ x, y, region, also_sharp: "" });
    return 1 / disparityOf(depth, first);
  }

  /**
   * @template T
   * @param {string} url
   * @param {() => Promise<T>} load
   * @returns {Promise<T | null>} null: it cannot be had.
   */
  _load(url, load) {
    const known = this._loaded.get(url);
    if (known) return known;
    const loading = load().catch(() => null);
    if (this._loaded.size > 3) this._loaded.clear(); // a depth map is large
    this._loaded.set(url, loading);
    return loading;
  }

  /**
   * @param {Setting} setting
   * @param {number} value
   * @param {boolean} isDone
   */
  _write(setting, value, isDone) {
    if (setting !== "focusM") setWidget(this.node, WIDGETS[setting], value);
    else if (this._focusNode) setDistance(this._focusNode, value);
    else this._ownFocusM = value;
    this.refresh();
    if (isDone) recordUndo();
  }
}

// Units of Focus Distance: nodes/focus.py.
const METRES = "metres";
const PER_METRE = "disparity 1/m";
// The largest distance that its widget takes stands for infinity.
const FARTHEST_M = 100000;

/**
 * @param {ComfyNode} node A Focus Distance.
 * @returns {number | null} Metres; null where its unit is another.
 */
function distanceOf(node) {
  const [value, unit] = ["distance", "unit"].map((name) => widgetOf(node, name)?.value);
  if (unit === METRES) return Number(value) > 0 ? Number(value) : null;
  return unit === PER_METRE ? 1 / Number(value) : null;
}

/**
 * @param {ComfyNode} node A Focus Distance.
 * @param {number} metres
 */
function setDistance(node, metres) {
  const isMetres = widgetOf(node, "unit")?.value === METRES;
  const value = isMetres ? Math.min(metres, FARTHEST_M) : 1 / metres;
  setWidget(node, "distance", Number(value.toFixed(4)));
}

onNodeCreated("FocusPuller.Camera", "FocusPullerCamera", (node) => {
  useStyles();
  new NodeBarrel(node);
});
