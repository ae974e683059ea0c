import { describe, expect, test } from "vitest";
import { nodesBefore, nodesBehind, pictureCandidates } from "../../../web/js/shared/graph.js";

class FakeNode {
  /**
   * @param {string} name
   * @param {[string, FakeNode | null][]} inputs Type and source of each.
   * @param {string[]} outputs Types.
   */
  constructor(name, inputs, outputs) {
    this.name = name;
    this.sources = inputs.map(([, source]) => source);
    this.inputs = inputs.map(([type]) => ({ type }));
    this.outputs = outputs.map((type) => ({ type }));
    /** @type {FakeNode[]} */
    this.targets = [];
    for (const source of this.sources) source?.targets.push(this);
  }

  /** @param {number} slot */
  getInputNode(slot) {
    return this.sources[slot];
  }

  /** @param {number} slot */
  getOutputNodes(slot) {
    return slot === 0 ? this.targets : null;
  }
}

/** @param {FakeNode[]} nodes */
const names = (nodes) => nodes.map((node) => node.name);

describe("a photo whose depth another node estimates", () => {
  const photo = new FakeNode("photo", [], ["IMAGE"]);
  const scaled = new FakeNode("scaled", [["IMAGE", photo]], ["IMAGE"]);
  const estimated = new FakeNode("estimated", [["IMAGE", scaled]], ["IMAGE"]);
  const depth = new FakeNode("depth", [["IMAGE", estimated]], ["DEPTH"]);
  const focus = new FakeNode("focus", [["DEPTH", depth]], ["FOCUS"]);
  const defocus = new FakeNode(
    "defocus",
    [
      ["FOCUS", focus],
      ["IMAGE", scaled],
    ],
    ["DEFOCUS"],
  );
  const rendered = new FakeNode(
    "rendered",
    [
      ["DEFOCUS", defocus],
      ["IMAGE", scaled],
    ],
    ["IMAGE"],
  );
  new FakeNode("saved", [["IMAGE", rendered]], []);

  test("is looked for where it is rendered, not in its depth or in the result", () => {
    expect(names(pictureCandidates(focus))).toEqual(["scaled", "photo", "estimated", "depth"]);
  });

  test("has its nodes before and behind, the nearest first", () => {
    expect(names(nodesBefore([focus]))).toEqual(["depth", "estimated", "scaled", "photo"]);
    expect(names(nodesBehind(focus))).toEqual(["defocus", "rendered", "saved"]);
  });
});

test("a focus point alone has no candidates", () => {
  expect(pictureCandidates(new FakeNode("focus", [["DEPTH", null]], ["FOCUS"]))).toEqual([]);
});

test("a depth file without a photo shows itself", () => {
  const file = new FakeNode("file", [], ["DEPTH"]);
  const focus = new FakeNode("focus", [["DEPTH", file]], ["FOCUS"]);
  expect(names(pictureCandidates(focus))).toEqual(["file"]);
});
