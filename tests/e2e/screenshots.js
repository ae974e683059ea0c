// Makes the pictures of the documentation that show the canvas: npm run screenshots.

import { mkdir, readFile, readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, test } from "vitest";
import { launchBrowser, openComfy, waitFor } from "./support/comfy.js";
import { coloursOn, onScreen } from "./support/stage.js";
import { cameraWorkflow, timelineWorkflow } from "./support/workflows.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const TEMPLATES = (await readdir(`${ROOT}/workflows`))
  .filter((file) => file.endsWith(".json"))
  .map((file) => file.slice(0, -5));

/** @type {import("playwright-core").Browser} */
let browser;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

/** @param {string} name */
async function template(name) {
  return JSON.parse(await readFile(`${ROOT}/workflows/${name}.json`, "utf-8"));
}

/**
 * Fit the view to nodes; all by default.
 * @param {import("./support/comfy.js").Comfy} comfy
 * @param {number[]} [ids]
 */
function fit(comfy, ids) {
  return comfy.evaluate((app, wanted) => {
    /** @type {any[]} */
    const nodes = app.graph._nodes.filter(
      (/** @type {any} */ n) => wanted?.includes(Number(n.id)) ?? true,
    );
    const left = Math.min(...nodes.map((n) => n.pos[0])) - 12;
    const top = Math.min(...nodes.map((n) => n.pos[1])) - 52;
    const width = Math.max(...nodes.map((n) => n.pos[0] + n.size[0])) + 12 - left;
    const height = Math.max(...nodes.map((n) => n.pos[1] + n.size[1])) + 12 - top;
    const { ds, canvas } = app.canvas;
    const box = canvas.getBoundingClientRect();
    const [marginX, marginY] = [80, 70]; // what the frontend lays over the canvas
    ds.scale = Math.min(
      (box.width - 2 * marginX) / width,
      (box.height - 2 * marginY) / height,
      1.6,
    );
    ds.offset[0] = marginX / ds.scale - left;
    ds.offset[1] = marginY / ds.scale - top;
    app.canvas.setDirty(true, true);
  }, ids);
}

/**
 * @param {import("./support/comfy.js").Comfy} comfy
 * @param {string} file
 * @param {number} [node] Only this one, which Vue draws.
 */
async function save(comfy, file, node) {
  await comfy.page.waitForTimeout(1500); // the last frame, and the messages that come and go
  const path = ROOT + file;
  const shown = node ? comfy.page.locator(`[data-node-id="${node}"]`) : comfy.page;
  await shown.screenshot({ path, quality: 88, type: "jpeg" });
}

/**
 * All of the graph, and nothing of what the frontend lays over the canvas.
 * @param {import("./support/comfy.js").Comfy} comfy
 * @param {number} scale
 * @returns {Promise<{ x: number, y: number, width: number, height: number }>} Where it is, px.
 */
function frameGraph(comfy, scale) {
  return comfy.evaluate((app, zoom) => {
    /** @type {any[]} */
    const nodes = app.graph._nodes;
    const left = Math.min(...nodes.map((n) => n.pos[0])) - 20;
    const top = Math.min(...nodes.map((n) => n.pos[1])) - 50;
    const right = Math.max(...nodes.map((n) => n.pos[0] + n.size[0])) + 20;
    const bottom = Math.max(...nodes.map((n) => n.pos[1] + n.size[1])) + 20;
    const { ds, canvas } = app.canvas;
    const box = canvas.getBoundingClientRect();
    const [marginX, marginY] = [80, 110];
    ds.scale = zoom;
    ds.offset[0] = marginX / zoom - left;
    ds.offset[1] = marginY / zoom - top;
    app.canvas.setDirty(true, true);
    return {
      x: box.x + marginX,
      y: box.y + marginY,
      width: (right - left) * zoom,
      height: (bottom - top) * zoom,
    };
  }, scale);
}

const stage = (/** @type {import("./support/comfy.js").Comfy} */ comfy) =>
  comfy.page.locator(".focus-puller .stage").first();

test("the focus picker", async () => {
  const comfy = await openComfy(browser, { vue: true });
  await comfy.load(await template("refocus_photo"));
  await waitFor(async () => ((await coloursOn(stage(comfy))) > 50 ? true : undefined));
  await comfy.page.waitForTimeout(500);
  await fit(comfy, [3]);
  await comfy.page.waitForTimeout(500);
  const [mug, leaf, base] = [
    await onScreen(stage(comfy), 0.68, 0.42),
    await onScreen(stage(comfy), 0.4, 0.38),
    await onScreen(stage(comfy), 0.52, 0.62),
  ];
  const { keyboard, mouse } = comfy.page;
  await mouse.click(mug.x, mug.y);
  await keyboard.down("Alt");
  await mouse.move(leaf.x, leaf.y);
  await mouse.down();
  await mouse.move(base.x, base.y, { steps: 4 });
  await mouse.up();
  await keyboard.up("Alt");
  await save(comfy, "web/docs/images/focus_picker.jpg", 3);
  await comfy.close();
});

test("the lens barrel", async () => {
  const comfy = await openComfy(browser, { vue: true });
  await comfy.upload(`${ROOT}/samples/still_life.jpg`, "focuspuller_test.jpg");
  await comfy.load(cameraWorkflow());
  await fit(comfy, [2]);
  const ring = comfy.page.getByRole("slider", { name: "f-number" });
  await ring.focus();
  for (let third = 0; third < 6; third++) await comfy.page.keyboard.press("ArrowRight");
  await save(comfy, "web/docs/images/camera.jpg", 2);
  await comfy.close();
});

test("the rack focus timeline", async () => {
  const comfy = await openComfy(browser, { vue: true, palette: "light" });
  await comfy.load(timelineWorkflow());
  await fit(comfy, [1]);
  const editor = comfy.page.locator(".focus-puller .timeline");
  await editor.focus();
  for (const key of ["n", "n", "n"]) await comfy.page.keyboard.press(key);
  await save(comfy, "web/docs/images/rack_focus_timeline.jpg", 1);
  await comfy.close();
});

test("the lens preview", async () => {
  const comfy = await openComfy(browser, { vue: true });
  await comfy.load(await template("refocus_photo"));
  const preview = comfy.page.locator(".focus-puller.preview .stage");
  await waitFor(async () => ((await coloursOn(preview)) > 50 ? true : undefined));
  await comfy.page.waitForTimeout(500);
  await fit(comfy, [7]);
  const finished = comfy.page.locator('.focus-puller.preview .stage[aria-busy="false"]');
  await finished.waitFor({ timeout: 180_000 }); // without a graphics card it takes its time
  await save(comfy, "web/docs/images/lens_preview.jpg", 7);
  await comfy.close();
}, 240_000);

test("compare", async () => {
  const comfy = await openComfy(browser, { vue: true, palette: "light" });
  await comfy.load(await template("refocus_photo"));
  const node = await comfy.evaluate((app) => {
    const compare = /** @type {any} */ (window).LiteGraph.createNode("FocusPullerCompare");
    app.graph.add(compare);
    compare.pos = [2400, 20];
    app.graph.getNodeById(1).connect(0, compare, 0);
    app.graph.getNodeById(7).connect(0, compare, 1);
    app.graph.getNodeById(4).connect(0, compare, 2);
    return Number(compare.id); // a text in newer frontends
  });
  await comfy.run();
  await fit(comfy, [node]);
  const view = comfy.page.getByRole("slider", { name: "Divider" });
  await waitFor(async () => ((await coloursOn(view)) > 50 ? true : undefined));
  const lights = await onScreen(view, 0.3, 0.2);
  await comfy.page.mouse.move(lights.x, lights.y);
  await save(comfy, "web/docs/images/compare.jpg", node);
  await comfy.close();
});

test.each(TEMPLATES)(
  "the graph of %s",
  async (name) => {
    const comfy = await openComfy(browser, { vue: true, size: { width: 2200, height: 1200 } });
    const workflow = await template(name);
    await comfy.load(workflow);
    await comfy.page.waitForTimeout(3000); // pictures, depth, the camera in the file
    const needsWeights = workflow.nodes.some((/** @type {any} */ node) => node.properties.models);
    const isFilm = /timeline|video/.test(name); // many frames
    if (!needsWeights && !isFilm) await comfy.run(400_000);
    const clip = await frameGraph(comfy, 0.8);
    await comfy.page.waitForTimeout(2500);
    await mkdir(`${ROOT}/docs/images/templates`, { recursive: true });
    const path = `${ROOT}/docs/images/templates/${name}.jpg`;
    await comfy.page.screenshot({ path, clip, quality: 75, type: "jpeg" });
    await comfy.close();
  },
  500_000,
);

test("the template", async () => {
  const comfy = await openComfy(browser, { size: { width: 1900, height: 940 } });
  await comfy.load(await template("refocus_photo"));
  await comfy.run();
  await fit(comfy);
  await save(comfy, "docs/images/graph.jpg");
  await comfy.close();
});
