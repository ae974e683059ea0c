// The live preview of Render Bokeh in ComfyUI's frontend, on the canvas and with Vue nodes.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";
import { coloursOn, pixelsOn } from "./support/stage.js";
import { renderWorkflow } from "./support/workflows.js";

const PHOTO = fileURLToPath(new URL("../../samples/still_life.jpg", import.meta.url));
const SMALLER = fileURLToPath(new URL("support/smaller_photo.py", import.meta.url));
const [WIDTH, HEIGHT] = [360, 240];
const [CAMERA, APERTURE] = [5, 7];
const PATIENCE = { timeout: 50_000 };

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./support/comfy.js").Comfy} */
let comfy;
/** @type {string} */
let folder;

beforeAll(async () => {
  browser = await launchBrowser();
  folder = await mkdtemp(`${tmpdir()}/focuspuller_`);
  const python = process.env.FOCUSPULLER_PYTHON ?? "python3";
  await promisify(execFile)(python, [SMALLER, PHOTO, String(WIDTH), `${folder}/small.jpg`]);
});
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true });
});

const stage = () => comfy.page.locator(".focus-puller.preview .stage");
const toggle = () => comfy.page.locator(".focus-puller.preview button", { hasText: "Live" });

/** Until the picture is there and as fine as it gets. */
async function finished() {
  await expect.poll(() => coloursOn(stage()), PATIENCE).toBeGreaterThan(50);
  await expect.poll(() => stage().getAttribute("aria-busy"), PATIENCE).toBe("false");
}

/**
 * @param {number} id
 * @param {string} name
 * @param {unknown} value
 */
function set(id, name, value) {
  return comfy.evaluate((app, [node, widget, to]) => {
    const found = app.graph
      .getNodeById(node)
      .widgets.find((/** @type {any} */ each) => each.name === widget);
    found.value = to;
    found.callback?.(to);
  }, /** @type {const} */ ([id, name, value]));
}

/**
 * Mean difference of colours, 0 to 255.
 * @param {number[][]} a
 * @param {number[][]} b
 */
const difference = (a, b) =>
  a
    .flatMap((pixel, i) => pixel.map((value, c) => Math.abs(value - b[i][c])))
    .reduce((sum, each) => sum + each / (3 * a.length), 0);

/** Peak signal-to-noise ratio in dB of the preview against what Compare has of the node's picture. */
async function likeness() {
  // As large on the screen as it is, so that what is read is what was drawn.
  await stage().evaluate(
    (element, [width, height]) => {
      element.setAttribute(
        "style",
        `flex: none; border: 0; width: ${width}px; height: ${height}px`,
      );
    },
    [WIDTH, HEIGHT],
  );
  await comfy.page.waitForTimeout(500);
  const ui = await comfy.evaluate((app) => app.nodeOutputs["4"].focus_puller_compare[0].after);
  return stage()
    .locator("canvas")
    .evaluate(async (canvas, file) => {
      const picture = new Image();
      picture.src = `/view?${new URLSearchParams(file)}`;
      await picture.decode();
      const { width, height } = picture;
      const other = Object.assign(document.createElement("canvas"), { width, height });
      other.getContext("2d")?.drawImage(picture, 0, 0);
      const [a, b] = [canvas, other].map((each) => {
        const context = /** @type {HTMLCanvasElement} */ (each).getContext("2d");
        return /** @type {ImageData} */ (context?.getImageData(0, 0, width, height)).data;
      });
      const inner = /** @type {HTMLCanvasElement} */ (canvas);
      if (inner.width !== width) throw new Error(`${inner.width} is not ${width} px`);
      let sum = 0;
      for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2; // alpha is the same
      return 10 * Math.log10((255 ** 2 * 0.75 * a.length) / sum);
    }, ui);
}

describe.each([
  ["canvas nodes", { vue: false }],
  ["Vue nodes", { vue: true }],
])("with %s", (_, look) => {
  beforeAll(async () => {
    comfy = await openComfy(browser, look);
    await comfy.upload(`${folder}/small.jpg`, "focuspuller_test.jpg");
  });
  beforeEach(async () => {
    await comfy.load(renderWorkflow());
    await finished();
  });
  afterEach(() => expect(comfy.takeErrors()).toEqual([]));
  afterAll(() => comfy.close());

  test("it follows aperture and camera, and nothing runs", async () => {
    const runs = Object.keys(await comfy.get("/history")).length;
    const before = await pixelsOn(stage());
    await set(APERTURE, "obstruction", 0.8);
    await expect.poll(async () => difference(before, await pixelsOn(stage()))).toBeGreaterThan(0.5);
    await set(CAMERA, "f_number", 16);
    await expect
      .poll(() => comfy.page.locator(".focus-puller.preview .readout").textContent())
      .toContain("f/16");
    await finished();
    expect(difference(before, await pixelsOn(stage()))).toBeGreaterThan(1);
    expect(Object.keys(await comfy.get("/history")).length).toBe(runs);
    expect((await comfy.widgets(APERTURE)).blades).toBe(7);
  });

  test("it is hidden and shown with the keyboard, and stays hidden when saved", async () => {
    await toggle().focus();
    await comfy.page.keyboard.press("Enter");
    await expect.poll(() => stage().isVisible()).toBe(false);
    expect(await toggle().getAttribute("aria-pressed")).toBe("false");
    const saved = await comfy.evaluate((app) => app.graph.serialize());
    await comfy.load(saved);
    await expect.poll(() => toggle().getAttribute("aria-pressed")).toBe("false");
    await toggle().focus();
    await comfy.page.keyboard.press("Enter");
    await finished();
  });

  test("a setting switches it off", async () => {
    const to = (/** @type {boolean} */ on) =>
      comfy.evaluate(
        (app, value) => app.extensionManager.setting.set("FocusPuller.LensPreview", value),
        on,
      );
    await to(false);
    await expect.poll(() => toggle().isVisible()).toBe(false);
    await to(true);
    await expect.poll(() => toggle().isVisible()).toBe(true);
  });
});

describe("its picture", () => {
  beforeAll(async () => {
    comfy = await openComfy(browser);
    await comfy.upload(`${folder}/small.jpg`, "focuspuller_test.jpg");
  });
  beforeEach(async () => {
    await comfy.load(renderWorkflow());
    await finished();
  });
  afterAll(() => comfy.close());

  test("is the picture that the node renders", async () => {
    await comfy.run();
    await finished();
    expect(await likeness()).toBeGreaterThan(35);
    await set(CAMERA, "f_number", 4);
    await finished();
    expect(await likeness()).toBeLessThan(35); // it is no longer the picture of that run
  });

  test("comes back after the graphics card was lost", async () => {
    await set(CAMERA, "f_number", 2);
    await finished();
    const before = await pixelsOn(stage());
    // As text: what has an import in it, vitest would change.
    await comfy.page.evaluate(`(async () => {
      const files = performance.getEntriesByType("resource").map(({ name }) => name);
      const file = files.find((name) => name.endsWith("/preview/shared_graphics.js"));
      const { sharedCard } = await import(file);
      const lost = sharedCard().graphics.gl.getExtension("WEBGL_lose_context");
      lost.loseContext();
      setTimeout(() => lost.restoreContext(), 300);
    })()`);
    await comfy.page.waitForTimeout(800);
    await set(CAMERA, "f_number", 22);
    await finished();
    expect(difference(before, await pixelsOn(stage()))).toBeGreaterThan(0.5);
    expect(comfy.takeErrors()).toEqual([]);
  });
});
