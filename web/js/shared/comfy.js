// The one place where ComfyUI's frontend is met. Everything else in this folder works without it.

import { api } from "../../../../scripts/api.js";
import { app } from "../../../../scripts/app.js";

/** @typedef {import("@comfyorg/comfyui-frontend-types").ComfyApp} ComfyApp */
/** @typedef {ComfyApp["graph"]["_nodes"][number]} LGraphNode */
/** @typedef {NonNullable<LGraphNode["widgets"]>[number]} Widget */
/** @typedef {{ filename: string, subfolder?: string, type?: string }} FileResult */
/** @typedef {Record<string, any>} NodeUi What a node showed when it last ran. */
/**
 * @typedef {object} PhotoFacts What nodes/routes.py tells of a photo; null is unknown.
 * @property {number} longest_edge px
 * @property {number | null} depth_longest_edge px
 * @property {number | null} focal_length_mm
 * @property {number | null} f_number
 * @property {number | null} sensor_width_mm
 */
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

// LiteGraph's modes of a node that does not run.
const LiteGraphMode = { NEVER: 2, BYPASS: 4 };

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
 * What a widget is set to, or the value that is linked to it where that is a node of a single value.
 * @param {ComfyNode} node
 * @param {string} name
 * @returns {unknown} undefined: only known when the graph has run.
 */
export function valueOf(node, name) {
  if (!isLinked(node, name)) return widgetOf(node, name)?.value;
  const source = sourceOf(node, name);
  return source?.comfyClass?.startsWith("Primitive") ? widgetOf(source, "value")?.value : undefined;
}

/**
 * The node that feeds an input; null where none does, or one that is switched off.
 * @param {ComfyNode} node
 * @param {string} name
 * @returns {ComfyNode | null}
 */
export function sourceOf(node, name) {
  const slot = (node.inputs ?? []).findIndex((input) => input.name === name);
  const source = slot < 0 ? null : /** @type {ComfyNode | null} */ (node.getInputNode(slot));
  if (!source || source.mode === LiteGraphMode.NEVER || source.mode === LiteGraphMode.BYPASS) {
    return null;
  }
  return source.type === "Reroute" ? sourceOf(source, source.inputs?.[0]?.name ?? "") : source;
}

/**
 * The nodes that take an output of a type.
 * @param {ComfyNode} node
 * @param {string} type
 * @returns {ComfyNode[]}
 */
export function nodesFedBy(node, type) {
  return (node.outputs ?? []).flatMap((output, slot) =>
    output.type === type ? (node.getOutputNodes(slot) ?? []) : [],
  );
}

/** @type {WeakMap<Widget, Set<() => void>>} */
const listeners = new WeakMap();

/**
 * Call `act` whenever the user, or a script, changes a widget of these nodes.
 * @param {readonly ComfyNode[]} nodes
 * @param {() => void} act
 * @returns {() => void} Stops that.
 */
export function widgetsChanged(nodes, act) {
  const heard = nodes.flatMap((node) => (node.widgets ?? []).map(listenersOf));
  for (const each of heard) each.add(act);
  return () => heard.forEach((each) => each.delete(act));
}

/** @param {Widget} widget */
function listenersOf(widget) {
  const known = listeners.get(widget);
  if (known) return known;
  /** @type {Set<() => void>} */
  const made = new Set();
  listeners.set(widget, made);
  after(widget, "callback", () => [...made].forEach((act) => act()));
  return made;
}

/**
 * A setting of ComfyUI's that is on or off, on at first.
 * @param {{ id: string, name: string, tooltip: string }} setting
 */
export function addSwitch({ id, name, tooltip }) {
  /** @type {Set<() => void>} */
  const users = new Set();
  const onChange = () => users.forEach((act) => act());
  const category = ["Focus Puller", name, name];
  app.registerExtension({
    name: `${id}.Setting`,
    settings: [
      /** @type {any} */ ({
        id,
        name,
        tooltip,
        category,
        type: "boolean",
        defaultValue: true,
        onChange,
      }),
    ],
  });
  return {
    get isOn() {
      /** @type {any} */
      const manager = app.extensionManager;
      return manager?.setting?.get(id) !== false;
    },
    /**
     * @param {() => void} act
     * @returns {() => void} Stops that.
     */
    onChange(act) {
      users.add(act);
      return () => users.delete(act);
    },
  };
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
 * @param {{ minHeight: number | (() => number), maxHeight?: number }} heights In CSS px.
 * @returns {Widget}
 */
export function addElement(node, name, element, { minHeight, maxHeight }) {
  /** @type {any} The published types leave addDOMWidget out. */
  const target = node;
  const widget = target.addDOMWidget(name, name, element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: typeof minHeight === "function" ? minHeight : () => minHeight,
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
 * @param {"picture" | "depth" | "facts"} part
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
