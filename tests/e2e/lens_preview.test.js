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
const [MAP, CAMERA, APERTURE] = [3, 5, 7];
const THIRD_PX = 16;
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

const readout = () => comfy.page.locator(".focus-puller.preview .readout");
const ring = () => comfy.page.locator(".preview").getByRole("slider", { name: "f-number" });
const barrel = () => comfy.page.locator(".barrel").getByRole("slider", { name: "f-number" });

async function middleOfRing() {
  const box = await ring().boundingBox();
  if (!box) throw new Error("There is no ring.");
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

/** Turn the ring by CSS px of the node, which is not zoomed. @param {number} px */
async function turn(px) {
  const { x, y } = await middleOfRing();
  await comfy.page.mouse.move(x, y);
  await comfy.page.mouse.down();
  await comfy.page.mouse.move(x + px, y, { steps: 6 });
  await comfy.page.mouse.up();
}

/** Until there is a picture. */
const begun = () => expect.poll(() => coloursOn(stage()), PATIENCE).toBeGreaterThan(50);

/** Until the picture is there and as fine as it gets. */
async function finished() {
  await begun();
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
    await begun();
  });
  afterEach(() => expect(comfy.takeErrors()).toEqual([]));
  afterAll(() => comfy.close());

  test("it follows aperture and camera, and nothing runs", async () => {
    await finished();
    const runs = Object.keys(await comfy.get("/history")).length;
    const before = await pixelsOn(stage());
    await set(APERTURE, "obstruction", 0.8);
    await expect.poll(async () => difference(before, await pixelsOn(stage()))).toBeGreaterThan(0.5);
    await set(CAMERA, "f_number", 16);
    await expect.poll(() => readout().textContent()).toContain("f/16");
    await finished();
    expect(difference(before, await pixelsOn(stage()))).toBeGreaterThan(1);
    expect(Object.keys(await comfy.get("/history")).length).toBe(runs);
    expect((await comfy.widgets(APERTURE)).blades).toBe(7);
  });

  test("turning its ring changes the picture and the camera at once, as one step of undo", async () => {
    await finished();
    const runs = Object.keys(await comfy.get("/history")).length;
    const before = await pixelsOn(stage());
    await turn(-9 * THIRD_PX);
    expect((await comfy.widgets(CAMERA)).f_number).toBe(4);
    await finished();
    const closed = await pixelsOn(stage());
    expect(difference(before, closed)).toBeGreaterThan(1);
    expect(await readout().textContent()).toContain("f/4");
    await expect.poll(() => barrel().getAttribute("aria-valuetext")).toBe("f/4");
    expect(Object.keys(await comfy.get("/history")).length).toBe(runs);
    await comfy.page.waitForTimeout(500); // the frontend takes a mouse button's state a moment later
    await turn(-3 * THIRD_PX);
    expect((await comfy.widgets(CAMERA)).f_number).toBe(5.6);
    await comfy.page.mouse.click(1300, 900);
    await comfy.page.keyboard.press("Control+z");
    await expect.poll(async () => (await comfy.widgets(CAMERA)).f_number).toBe(4);
    await expect.poll(() => ring().getAttribute("aria-valuetext")).toBe("f/4");
    await comfy.page.keyboard.press("Control+y");
    await expect.poll(async () => (await comfy.widgets(CAMERA)).f_number).toBe(5.6);
    await expect.poll(() => ring().getAttribute("aria-valuetext")).toBe("f/5.6");
  });

  test("keys turn its ring, and it follows the barrel", async () => {
    await ring().focus();
    await comfy.page.keyboard.press("ArrowRight");
    expect((await comfy.widgets(CAMERA)).f_number).toBe(1.6);
    await comfy.page.keyboard.press("Delete");
    await barrel().focus();
    await comfy.page.keyboard.press("End");
    await expect.poll(() => ring().getAttribute("aria-valuetext")).toBe("f/32");
  });

  test("without a camera it is the bokeh level that turns", async () => {
    await comfy.evaluate((app, id) => app.graph.remove(app.graph.getNodeById(id)), CAMERA);
    await comfy.page.mouse.click(1300, 900); // where a user would have pressed something
    const level = comfy.page.locator(".preview").getByRole("slider", { name: "Bokeh level" });
    await level.focus();
    await comfy.page.keyboard.press("PageUp");
    expect((await comfy.widgets(MAP)).bokeh_level).toBe(40);
    await expect.poll(() => readout().textContent()).toContain("bokeh level 40");
    expect(await ring().isVisible()).toBe(false);
  });

  test("it cannot be turned while the f-number comes through a link", async () => {
    await comfy.evaluate((app, id) => {
      const number = /** @type {any} */ (window).LiteGraph.createNode("PrimitiveFloat");
      app.graph.add(number);
      number.widgets[0].value = 8;
      const node = app.graph.getNodeById(id);
      const slot = node.inputs.findIndex((/** @type {any} */ input) => input.name === "f_number");
      number.connect(0, node, slot);
    }, CAMERA);
    await comfy.page.mouse.click(1300, 900);
    await expect.poll(() => ring().getAttribute("aria-valuetext")).toBe("f/8");
    expect(await ring().getAttribute("aria-disabled")).toBe("true");
    await turn(-3 * THIRD_PX);
    expect((await comfy.widgets(CAMERA)).f_number).toBe(1.4);
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

describe("on a touch screen", () => {
  beforeAll(async () => {
    comfy = await openComfy(browser, { touch: true });
    await comfy.upload(`${folder}/small.jpg`, "focuspuller_test.jpg");
  });
  afterAll(() => comfy.close());

  test("a finger turns its ring", async () => {
    await comfy.load(renderWorkflow());
    await begun();
    const { x, y } = await middleOfRing();
    const touch = await comfy.page.context().newCDPSession(comfy.page);
    const send = (/** @type {any} */ type, /** @type {number[]} */ ...at) =>
      touch.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: at.map((by) => ({ x: x + by, y, id: 0 })),
      });
    await send("touchStart", 0);
    for (const by of [-10, -30, -3 * THIRD_PX]) await send("touchMove", by);
    await send("touchEnd");
    expect((await comfy.widgets(CAMERA)).f_number).toBe(2);
    expect(comfy.takeErrors()).toEqual([]);
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
    /** @type {string[]} */
    const files = await comfy.get("/api/extensions");
    const file = files.find((name) => name.endsWith("/preview/shared_graphics.js"));
    // As text: what has an import in it, vitest would change.
    await comfy.page.evaluate(`(async () => {
      const { sharedCard } = await import("${file}");
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
