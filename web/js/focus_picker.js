// Puts the focus picker on Focus Point: its picture and depth come from the graph, its points and
// regions are the node's own widgets, so that they are saved, copied, undone and exported with it.

import { FocusPicker } from "./focus_picker/picker.js";
import {
  addElement,
  after,
  fileUrl,
  grow,
  isLinked,
  onAnyChange,
  onNodeCreated,
  photoUrl,
  pictureUrl,
  recordUndo,
  setWidget,
  uiOf,
  widgetOf,
} from "./shared/comfy.js";
import { areasOfNode, valuesOfAreas } from "./shared/areas.js";
import { loadDepth } from "./shared/depth_map.js";
import { useStyles } from "./shared/elements.js";
import { nodesBefore, pictureCandidates } from "./shared/graph.js";
import { loadPicture } from "./shared/pixels.js";

/** @typedef {import("./shared/comfy.js").ComfyNode} ComfyNode */
/** @typedef {import("./shared/areas.js").Area} Area */

const AREA_WIDGETS = ["x", "y", "region", "also_sharp"];
const MIN_HEIGHT_PX = 220;
/** @type {[number, number]} */
const START_SIZE = [320, 440];
const HINT =
  "The photo appears here once depth is connected; a picture that other nodes make, after a run.";
const NO_DEPTH = "Run once to see depth";

class NodePicker {
  /** @param {ComfyNode} node */
  constructor(node) {
    this.node = node;
    this.picker = new FocusPicker((areas, isDone) => this._write(areas, isDone));
    this._pictureUrl = /** @type {string | null} */ (null);
    this._depthUrl = /** @type {string | null} */ (null);
    /** The settings of the nodes before when the depth was made. */
    this._depthMadeWith = "";
    this._isPending = false;
    this._addWidget();
    this._listen();
    this.refresh();
  }

  /** Look again at the graph; many calls at once cost one look. */
  refresh() {
    if (this._isPending) return;
    this._isPending = true;
    queueMicrotask(() => {
      this._isPending = false;
      if (!this.node.graph) return;
      this._read();
      void this._showPicture();
      void this._showDepth();
    });
  }

  _addWidget() {
    addElement(this.node, "focus_picker", this.picker.element, { minHeight: MIN_HEIGHT_PX });
    this.node.setSize(START_SIZE);
  }

  _listen() {
    const { node } = this;
    const refresh = () => this.refresh();
    for (const name of [...AREA_WIDGETS, "focus_range"]) {
      const widget = widgetOf(node, name);
      if (widget) after(widget, "callback", refresh);
    }
    after(node, "onConfigure", () => {
      grow(node); // saved before it had a picture
      refresh();
    });
    after(node, "onConnectionsChange", refresh);
    after(node, "onExecuted", () => {
      this._depthMadeWith = this._settingsBefore();
      refresh();
    });
    const stop = onAnyChange(refresh);
    after(node, "onRemoved", () => {
      stop();
      this.picker.dispose();
    });
  }

  /** The node's values into the picker. */
  _read() {
    const valueOf = (/** @type {string} */ name) => widgetOf(this.node, name)?.value;
    const [x, y, region, others] = AREA_WIDGETS.map(valueOf);
    const areas = areasOfNode({ x, y, region, also_sharp: others });
    this.picker.setFocus(areas, Number(valueOf("focus_range")) || 0);
    this.picker.setEnabled(!AREA_WIDGETS.some((name) => isLinked(this.node, name)));
    this.picker.setText(this._pictureUrl ? NO_DEPTH : "");
  }

  /**
   * What is picked into the node.
   * @param {readonly Area[]} areas
   * @param {boolean} isDone
   */
  _write(areas, isDone) {
    for (const [name, value] of Object.entries(valuesOfAreas(areas))) {
      setWidget(this.node, name, value);
    }
    if (isDone) recordUndo();
  }

  async _showPicture() {
    const url = this._findPicture();
    this.picker.stage.hint.textContent = url ? "" : HINT;
    if (url === this._pictureUrl) return;
    this._pictureUrl = url;
    const picture = url ? await loadPicture(url).catch(() => null) : null;
    if (url !== this._pictureUrl) return; // another one has been asked for meanwhile
    this.picker.setPicture(picture);
    this.picker.setText(picture ? NO_DEPTH : "");
    if (!picture) this.picker.stage.hint.textContent = HINT;
  }

  _findPicture() {
    /** @type {ComfyNode[]} */
    const candidates = pictureCandidates(this.node);
    for (const node of candidates) {
      const url = pictureUrl(node);
      if (url) return url;
    }
    return null;
  }

  async _showDepth() {
    const { url, coding } = this._findDepth();
    if (url === this._depthUrl) return;
    this._depthUrl = url;
    const depth = url ? await loadDepth(url, coding).catch(() => null) : null;
    if (url === this._depthUrl) this.picker.setDepth(depth);
  }

  /** The depth of the last run, while nothing before it has changed; else that of the photo. */
  _findDepth() {
    const sent = uiOf(this.node)?.focus_puller_depth?.[0];
    const settings = this._settingsBefore();
    this._depthMadeWith ||= settings;
    if (sent && this._depthMadeWith === settings) {
      return { url: fileUrl(sent.picture), coding: sent };
    }
    const source = this.node.getInputNode(0);
    return { url: source && photoUrl(source, "depth") };
  }

  /** What the depth depends on, as a text: it is out of date when this has changed. */
  _settingsBefore() {
    const before = nodesBefore([this.node]);
    const settings = before.map((node) => [
      node.id,
      node.type,
      node.mode,
      (node.widgets ?? [])
        .filter((widget) => widget.serialize !== false)
        .map((widget) => [widget.name, String(widget.value)]),
    ]);
    return JSON.stringify(settings);
  }
}

onNodeCreated("FocusPuller.FocusPicker", "FocusPullerFocusPoint", (node) => {
  useStyles();
  new NodePicker(node);
});
