// Which nodes of the graph may show the picture that a node is about.

/**
 * @typedef {object} GraphNode What is read of LiteGraph's nodes.
 * @property {{ type?: unknown, link?: unknown }[]} [inputs]
 * @property {{ type?: unknown }[]} [outputs]
 * @property {(slot: number) => any} getInputNode
 * @property {(slot: number) => any[] | null} getOutputNodes
 */

/**
 * The nodes before a node, the nearest first.
 * @template {GraphNode} N
 * @param {readonly N[]} nodes Where to begin; not among the result.
 * @param {ReadonlySet<N>} [without] Not entered.
 * @returns {N[]}
 */
export function nodesBefore(nodes, without = new Set()) {
  return reached(nodes, sourcesOf, without);
}

/**
 * The nodes behind a node, the nearest first.
 * @template {GraphNode} N
 * @param {N} node
 * @returns {N[]}
 */
export function nodesBehind(node) {
  return reached([node], targetsOf, new Set());
}

/**
 * Nodes that may show the picture which `node` is about, the most likely first: pictures that nodes
 * behind it take, where they were not made with its help; then pictures before it; then anything
 * before it.
 * @template {GraphNode} N
 * @param {N} node
 * @returns {N[]}
 */
export function pictureCandidates(node) {
  const behind = nodesBehind(node);
  const made = new Set([node, ...behind]);
  const taken = behind
    .flatMap((other) => sourcesOf(other, "IMAGE"))
    .filter((source) => !made.has(source));
  const before = nodesBefore([node]);
  const candidates = [...taken, ...nodesBefore(taken, made).filter(givesPicture)];
  candidates.push(...before.filter(givesPicture), ...before);
  return [...new Set(candidates)];
}

/**
 * The nodes that feed a node.
 * @template {GraphNode} N
 * @param {N} node
 * @param {string} [type] Only through inputs of this type.
 * @returns {N[]}
 */
function sourcesOf(node, type) {
  const inputs = node.inputs ?? [];
  return inputs
    .map((input, slot) => (type && input.type !== type ? null : node.getInputNode(slot)))
    .filter((source) => source);
}

/**
 * @template {GraphNode} N
 * @param {N} node
 * @returns {N[]}
 */
function targetsOf(node) {
  const outputs = node.outputs ?? [];
  return outputs.flatMap((_, slot) => node.getOutputNodes(slot) ?? []);
}

/** @param {GraphNode} node */
function givesPicture(node) {
  return (node.outputs ?? []).some((output) => output.type === "IMAGE");
}

/**
 * Breadth first.
 * @template {GraphNode} N
 * @param {readonly N[]} start
 * @param {(node: N) => N[]} next
 * @param {ReadonlySet<N>} without
 * @returns {N[]}
 */
function reached(start, next, without) {
  const found = new Set(start);
  const known = found.size;
  for (const node of found) {
    for (const other of next(node)) if (!without.has(other)) found.add(other);
  }
  return [...found].slice(known);
}
