// The one place where ComfyUI's frontend is met. Everything else in this folder works without it.

import { api } from "../../../../scripts/api.js";
import { app } from "../../../../scripts/app.js";

/** @typedef {import("@comfyorg/comfyui-frontend-types").ComfyApp} ComfyApp */
/** @typedef {ComfyApp["graph"]["_nodes"][number]} LGraphNode */
/** @typedef {NonNullable<LGraphNode["widgets"]>[number]} Widget */
/** @typedef {{ filename: string, subfolder?: string, type?: string }} FileResult */
/** @typedef {Record<string, any>} NodeUi What a node showed when it last ran. */
/**
 * @typedef {LGraphNode & {
 *   comfyClass?: string,
 *   imgs?: HTMLImageElement[],
 *   onExecuted?: (ui: NodeUi) => void,
 * }} ComfyNode
 */

/** @type {Record<string, { source: string, input: string }>} Their source in nodes/routes.py. */
const PHOTO_NODES = {
  FocusPullerSamplePhoto: { source: "sample", input: "sample" },
  FocusPullerLoadPhoto: { source: "input", input: "photo" },
};
// What browsers show.
const PICTURE = /\.(jpe?g|png|webp|gif|bmp|avif)$/i;

export { app };

/**
 * Call `set` for every new node of a class, before its saved values arrive.
 * @param {string} name Of the extension.
 * @param {string} comfyClass
 * @param {(node: ComfyNode) => void} set
 */
export function onNodeCreated(name, comfyClass, set) {
  app.registerExtension({
    name,
    nodeCreated(/** @type {ComfyNode} */ node) {
      if (node.comfyClass === comfyClass) set(node);
    },
  });
}

/**
 * Call `act` after each call of a method of a node or widget, which need not exist yet.
 * @param {ComfyNode | Widget} owner
 * @param {"onExecuted" | "onConfigure" | "onConnectionsChange" | "onRemoved" | "callback"} method
 * @param {(...values: any[]) => void} act
 */
export function after(owner, method, act) {
  /** @type {any} */
  const methods = owner;
  const original = methods[method];
  methods[method] = function (/** @type {any[]} */ ...values) {
    const result = original?.apply(this, values);
    act(...values);
    return result;
  };
}

/**
 * Call `act` whenever something in the graph, or what its nodes show, may have changed.
 * @param {() => void} act
 * @returns {() => void} Stops that.
 */
export function onAnyChange(act) {
  const kinds = ["graphChanged", "executed", "execution_success"];
  /** @type {EventTarget} Its types know no plain strings. */
  const target = /** @type {any} */ (api);
  for (const kind of kinds) target.addEventListener(kind, act);
  return () => kinds.forEach((kind) => target.removeEventListener(kind, act));
}

/**
 * @param {ComfyNode} node
 * @param {string} name
 * @returns {Widget | undefined}
 */
export function widgetOf(node, name) {
  return node.widgets?.find((widget) => widget.name === name);
}

/**
 * Whether an input gets its value through a link, so that its widget does not count.
 * @param {ComfyNode} node
 * @param {string} name
 */
export function isLinked(node, name) {
  return (node.inputs ?? []).some((input) => input.name === name && input.link != null);
}

/**
 * Set a widget as if the user had.
 * @param {ComfyNode} node
 * @param {string} name
 * @param {any} value
 */
export function setWidget(node, name, value) {
  const widget = widgetOf(node, name);
  if (!widget || widget.value === value) return;
  widget.value = value;
  widget.callback?.(value, app.canvas, node, [0, 0]);
  node.setDirtyCanvas(true, true);
}

/**
 * Put an element on a node. It holds no value of its own: nothing of it is saved or exported.
 * @param {ComfyNode} node
 * @param {string} name
 * @param {HTMLElement} element
 * @param {{ minHeight: number, maxHeight?: number }} heights In CSS px.
 * @returns {Widget}
 */
export function addElement(node, name, element, { minHeight, maxHeight }) {
  /** @type {any} The published types leave addDOMWidget out. */
  const target = node;
  const widget = target.addDOMWidget(name, name, element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => minHeight,
    ...(maxHeight && { getMaxHeight: () => maxHeight }),
  });
  widget.serialize = false;
  element.dataset.focusPuller = name;
  after(node, "onConfigure", () => requestAnimationFrame(() => replaceFormer(node, name, element)));
  return widget;
}

/**
 * Undo makes a new node in place of the former one. Vue nodes notice the same id and go on showing
 * the former one's element.
 * @param {ComfyNode} node
 * @param {string} name
 * @param {HTMLElement} element
 */
function replaceFormer(node, name, element) {
  if (element.isConnected) return;
  const shown = document.querySelector(`[data-node-id="${CSS.escape(String(node.id))}"]`);
  shown?.querySelector(`[data-focus-puller="${name}"]`)?.replaceWith(element);
}

/**
 * Make a node large enough for its widgets; never smaller.
 * @param {ComfyNode} node
 */
export function grow(node) {
  const [width, height] = node.computeSize();
  node.setSize([Math.max(node.size[0], width), Math.max(node.size[1], height)]);
  node.setDirtyCanvas(true, true);
}

/** Make what has been done one step of undo. Needed where no mouse button or key was released. */
export function recordUndo() {
  /** @type {any} */
  const manager = app.extensionManager;
  const tracker = manager?.workflow?.activeWorkflow?.changeTracker;
  // Called checkState before ComfyUI's frontend 1.4x.
  if (tracker?.captureCanvasState) tracker.captureCanvasState();
  else tracker?.checkState?.();
}

/**
 * What a node showed when it last ran, also after the page has been loaded again.
 * @param {ComfyNode} node
 * @returns {NodeUi | undefined}
 */
export function uiOf(node) {
  const graph = /** @type {any} */ (node.graph);
  const inSubgraph = graph && graph.rootGraph && graph.rootGraph !== graph;
  return app.nodeOutputs?.[inSubgraph ? `${graph.id}:${node.id}` : String(node.id)];
}

/**
 * Address of a file of ComfyUI's folders.
 * @param {FileResult} file
 */
export function fileUrl({ filename, subfolder = "", type = "output" }) {
  return api.apiURL(`/view?${new URLSearchParams({ filename, subfolder, type })}`);
}

/**
 * Address of the picture that a node is about, or null: the file it loads, what it has shown, or
 * what is on it.
 * @param {ComfyNode} node
 * @returns {string | null}
 */
export function pictureUrl(node) {
  const loaded = uploadedPicture(node);
  if (loaded) return fileUrl(loaded);
  /** @type {FileResult | undefined} */
  const shown = uiOf(node)?.images?.find((/** @type {FileResult} */ file) =>
    PICTURE.test(file?.filename ?? ""),
  );
  return shown ? fileUrl(shown) : (photoUrl(node, "picture") ?? node.imgs?.[0]?.src ?? null);
}

/**
 * Address of what is in the photo that a node loads, whether it has run or not; null for nodes that
 * load none. See nodes/routes.py.
 * @param {ComfyNode} node
 * @param {"picture" | "depth" | "camera"} part
 * @returns {string | null}
 */
export function photoUrl(node, part) {
  const { source, input } = PHOTO_NODES[node.comfyClass ?? ""] ?? {};
  const name = input && widgetOf(node, input)?.value;
  if (typeof name !== "string" || !name) return null;
  return api.apiURL(`/focuspuller/photos/${source}/${part}?${new URLSearchParams({ name })}`);
}

/**
 * The file of the input folder that a node loads.
 * @param {ComfyNode} node
 * @returns {FileResult | null}
 */
function uploadedPicture(node) {
  const definition = /** @type {any} */ (node.constructor).nodeData;
  const inputs = { ...definition?.input?.required, ...definition?.input?.optional };
  for (const [name, [, details]] of Object.entries(inputs)) {
    const value = widgetOf(node, name)?.value;
    if (!details?.image_upload || typeof value !== "string") continue;
    const [, path, type] = /^(.*?)(?: \[(input|output|temp)\])?$/.exec(value) ?? [];
    if (!PICTURE.test(path ?? "")) continue;
    const parts = path.split("/");
    const filename = parts.pop() ?? "";
    return { filename, subfolder: parts.join("/"), type: type ?? "input" };
  }
  return null;
}
