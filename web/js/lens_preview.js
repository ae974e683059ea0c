// Puts the picture through the lens on Render Bokeh, before anything has run: the photo, its depth
// and all settings are read from the nodes before it. Its ring sets how strong the blur is, there.

import { blurFor, cameraValues, previewSize, sharpDisparities } from "./preview/settings.js";
import { hasGraphicsCard } from "./preview/shared_graphics.js";
import { LensView } from "./preview/view.js";
import { wiringOf } from "./preview/wiring.js";
import {
  addElement,
  addSwitch,
  after,
  fileUrl,
  grow,
  isLinked,
  nodesFedBy,
  onAnyChange,
  onNodeCreated,
  photoUrl,
  pictureUrl,
  recordUndo,
  setWidget,
  sourceOf,
  uiOf,
  valueOf,
  widgetsChanged,
} from "./shared/comfy.js";
import { depthText, loadDepth } from "./shared/depth_map.js";
import { useStyles } from "./shared/elements.js";
import { nodesBefore } from "./shared/graph.js";
import { loadPicture } from "./shared/pixels.js";

/** @typedef {import("./shared/comfy.js").ComfyNode} ComfyNode */
/** @typedef {import("./shared/comfy.js").PhotoFacts} PhotoFacts */
/** @typedef {import("./preview/wiring.js").Wiring<ComfyNode>} Wiring */

const MIN_HEIGHT_PX = 262;
const HIDDEN_HEIGHT_PX = 30;
/** @type {[number, number]} */
const START_SIZE = [400, 500];
/** Of the node's properties: whether the user has hidden its preview. */
const HIDDEN = "focus_puller_preview_hidden";
const READER = {
  classOf: (/** @type {ComfyNode} */ node) => node.comfyClass ?? "",
  sourceOf,
  valueOf,
};

/** Loads what an address has, once, as long as it is the one that is wanted. @template T */
class Kept {
  /** @param {(url: string) => Promise<T | null>} load */
  constructor(load) {
    this._load = load;
    this._url = "";
    this._value = /** @type {Promise<T | null>} */ (Promise.resolve(null));
  }

  /** @param {string | null | undefined} url */
  get(url) {
    if (!url) return Promise.resolve(null);
    if (url !== this._url) {
      this._url = url;
      this._value = this._load(url).catch(() => null);
    }
    return this._value;
  }
}

class NodePreview {
  /** @param {ComfyNode} node */
  constructor(node) {
    this.node = node;
    this.view = new LensView(
      (isShown) => this._toggled(isShown),
      (value, isDone) => this._turned(value, isDone),
    );
    /** @type {Wiring["strength"]} What the ring sets. */
    this._strength = null;
    this._pictures = new Kept(loadPicture);
    this._depths = new Kept((url) => loadDepth(url, this._coding));
    /** @type {Kept<PhotoFacts>} */
    this._facts = new Kept(async (url) => (await fetch(url)).json());
    /** @type {import("./shared/depth_map.js").DepthCoding | undefined} */
    this._coding = undefined;
    this._isPending = false;
    this._asked = 0;
    this._shown = "";
    /** @type {() => void} */
    this._stopListening = () => {};
    this.widget = addElement(node, "lens_preview", this.view.element, {
      minHeight: () => (this.view.isShown ? MIN_HEIGHT_PX : HIDDEN_HEIGHT_PX),
    });
    node.setSize(START_SIZE);
    const refresh = () => this.refresh();
    after(node, "onConnectionsChange", refresh);
    after(node, "onConfigure", () => {
      this.view.setShown(!node.properties?.[HIDDEN]);
      grow(node);
      refresh();
    });
    const stops = [onAnyChange(refresh), preview.onChange(refresh)];
    after(node, "onRemoved", () => {
      stops.forEach((stop) => stop());
      this._stopListening();
      this.view.dispose();
    });
    refresh();
  }

  /** Look again at the graph; many calls at once cost one look. */
  refresh() {
    if (this._isPending) return;
    this._isPending = true;
    queueMicrotask(() => {
      this._isPending = false;
      if (!this.node.graph) return;
      this._stopListening();
      this._stopListening = widgetsChanged(nodesBefore([this.node]), () => this.refresh());
      this.view.element.hidden = !preview.isOn;
      if (preview.isOn && this.view.isShown) void this._show();
      else this._clear("");
    });
  }

  /** @param {boolean} isShown */
  _toggled(isShown) {
    this.node.properties[HIDDEN] = !isShown;
    this.refresh();
  }

  /**
   * @param {number} value
   * @param {boolean} isDone
   */
  _turned(value, isDone) {
    if (!this._strength) return;
    setWidget(this._strength.node, this._strength.input, value);
    if (isDone) recordUndo();
  }

  async _show() {
    const mine = ++this._asked;
    const wiring = wiringOf(this.node, READER);
    if (typeof wiring === "string") return this._clear(wiring);
    const found = await this._find(wiring);
    if (mine !== this._asked) return; // asked again meanwhile
    if (typeof found === "string") return this._clear(found);
    this._strength = wiring.strength;
    const { wish, words, strength } = found;
    const { blur, iris, size } = wish;
    const addresses = [wish.picture.src, this._depths._url];
    const shown = JSON.stringify([...addresses, blur, iris, size, words, strength]);
    if (shown === this._shown) return;
    this._shown = shown;
    this.view.show(wish, words, strength);
  }

  /** @param {string} words */
  _clear(words) {
    this._asked++;
    this._shown = "";
    this.view.say(words);
  }

  /** @param {Wiring} wiring */
  async _find(wiring) {
    const [picture, depth, facts, cameraFacts] = await Promise.all([
      this._pictures.get(pictureUrl(wiring.picture)),
      this._findDepth(wiring.depth),
      this._facts.get(photoUrl(wiring.picture, "facts")),
      wiring.camera?.photo ? this._facts.get(photoUrl(wiring.camera.photo, "facts")) : null,
    ]);
    if (!picture) return "The picture comes with a run.";
    if (!depth) return "The depth comes with a run. It needs a Focus Point connected to it.";
    const camera = wiring.camera && cameraValues(wiring.camera, cameraFacts);
    if (wiring.camera && !camera) return "The photo does not tell all of its camera.";
    if (camera && !depth.isMetric) return "A camera needs metric depth.";
    const sharp = sharpDisparities(wiring.focus, depth);
    const natural = { width: picture.naturalWidth, height: picture.naturalHeight };
    const size = previewSize(natural, hasGraphicsCard());
    const levelEdge = wiring.levelIsOfPicture
      ? (facts?.longest_edge ?? Math.max(natural.width, natural.height))
      : (facts?.depth_longest_edge ?? Math.max(depth.width, depth.height));
    const blur = blurFor({ ...wiring, camera, levelEdge }, sharp, size);
    if (!blur) return "The focus is nearer than the focal length.";
    const words = [
      `focus ${depthText(sharp.plane, depth.isMetric)}`,
      camera
        ? `${camera.focalLengthMm} mm f/${camera.fNumber}`
        : `bokeh level ${wiring.bokehLevel}`,
      ...wiring.leftOut.map((trait) => `without ${trait}`),
    ];
    /** @type {import("./preview/view.js").Strength} */
    const strength = {
      kind: camera ? "fNumber" : "bokehLevel",
      value: camera ? camera.fNumber : wiring.bokehLevel,
      isEnabled: wiring.strength !== null && !isLinked(wiring.strength.node, wiring.strength.input),
    };
    const wish = { picture, depth, size, blur, iris: wiring.iris };
    return { wish, words: words.join(" · "), strength };
  }

  /**
   * The depth that a node gives: of the photo's file, or what a Focus Point behind it has sent.
   * @param {ComfyNode} node
   */
  _findDepth(node) {
    const ofPhoto = photoUrl(node, "depth");
    const sent = nodesFedBy(node, "DEPTH")
      .map((other) => uiOf(other)?.focus_puller_depth?.[0])
      .find(Boolean);
    this._coding = ofPhoto ? undefined : sent;
    return this._depths.get(ofPhoto ?? (sent && fileUrl(sent.picture)));
  }
}

const preview = addSwitch({
  id: "FocusPuller.LensPreview",
  name: "Live lens preview in Render Bokeh",
  tooltip: "Shows the picture through the lens while its settings change, without a run.",
});

onNodeCreated("FocusPuller.LensPreview", "FocusPullerRenderBokeh", (node) => {
  useStyles();
  new NodePreview(node);
});
