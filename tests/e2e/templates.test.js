// Every template in ComfyUI's frontend: complete, tidy, and what it sends is its API form.

import { readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";

const WORKFLOWS = fileURLToPath(new URL("../../workflows", import.meta.url));
const SUBGRAPHS = fileURLToPath(new URL("../headless/workflows", import.meta.url));
const NAMES = (await readdir(WORKFLOWS))
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -5));

/** @type {Record<string, string[]>} Inputs of ComfyUI's own nodes that not all versions have. */
const ADDED = { CreateVideo: ["bit_depth"] };

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./support/comfy.js").Comfy} */
let comfy;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

/** @param {string} path */
async function json(path) {
  return JSON.parse(await readFile(path, "utf-8"));
}

/** Types of nodes that the frontend does not know. @returns {Promise<string[]>} */
function missing() {
  return comfy.evaluate((app) => {
    const known = /** @type {any} */ (window).LiteGraph.registered_node_types;
    return app.graph._nodes
      .map((/** @type {any} */ node) => node.type)
      .filter((/** @type {string} */ type) => !(type in known));
  });
}

/** Wait until nodes have grown to what their widgets need. */
async function settled() {
  let [before, still] = ["", 0];
  while (still < 4) {
    await comfy.page.waitForTimeout(250);
    const sizes = await comfy.evaluate((app) =>
      JSON.stringify(app.graph._nodes.map((/** @type {any} */ node) => [...node.size])),
    );
    still = sizes === before ? still + 1 : 0;
    before = sizes;
  }
}

/**
 * What Run would send, without what newer versions of ComfyUI add to nodes of their own.
 * @returns {Promise<Record<string, any>>}
 */
async function commonPrompt() {
  const prompt = await comfy.prompt();
  for (const node of Object.values(prompt)) {
    for (const name of ADDED[node.class_type] ?? []) delete node.inputs[name];
  }
  return prompt;
}

/** Pairs of nodes that cover each other. @returns {Promise<string[]>} */
function overlaps() {
  return comfy.evaluate((app) => {
    const boxes = app.graph._nodes.map((/** @type {any} */ node) => {
      node.updateArea?.();
      const [left, top, width, height] = node.boundingRect ?? node.getBounding();
      return { title: node.title, left, top, right: left + width, bottom: top + height };
    });
    return boxes.flatMap((/** @type {any} */ a, /** @type {number} */ i) =>
      boxes
        .slice(i + 1)
        .filter(
          (/** @type {any} */ b) =>
            a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom,
        )
        .map((/** @type {any} */ b) => `${a.title} and ${b.title}`),
    );
  });
}

describe.each([
  ["canvas nodes", { vue: false }],
  ["Vue nodes", { vue: true }],
])("with %s", (_, look) => {
  beforeAll(async () => {
    comfy = await openComfy(browser, look);
  });
  afterEach(() => expect(comfy.takeErrors()).toEqual([]));
  afterAll(() => comfy.close());

  test.each(NAMES)("%s is complete, and no node covers another", async (name) => {
    await comfy.load(await json(`${WORKFLOWS}/${name}.json`));
    await settled();
    expect(await missing()).toEqual([]);
    expect(await overlaps()).toEqual([]);
    expect(await commonPrompt()).toEqual(await json(`${WORKFLOWS}/api/${name}.json`));
  });
});

test("subgraphs are flattened as the embedded runner does it", async () => {
  comfy = await openComfy(browser);
  await comfy.load(await json(`${SUBGRAPHS}/subgraphs.json`));
  expect(await comfy.prompt()).toEqual(await json(`${SUBGRAPHS}/subgraphs_api.json`));
  await comfy.close();
});
