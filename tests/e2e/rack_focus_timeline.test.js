// The curve editor of Rack Focus Timeline in ComfyUI's frontend, on the canvas and with Vue nodes.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";
import { timelineWorkflow } from "./support/workflows.js";

const NODE = 1;

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./support/comfy.js").Comfy} */
let comfy;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

const editor = () => comfy.page.locator(".focus-puller .timeline");
const readout = () => comfy.page.locator(".focus-puller .readout");
const text = async () => (await comfy.widgets(NODE)).keyframes;

/** The keyframe handles: those of the focus, then those of the f-number. */
const handle = (/** @type {number} */ index) => editor().locator(".handle").nth(index);

describe.each([
  ["canvas nodes", { vue: false }],
  ["Vue nodes", { vue: true }],
])("with %s", (_, look) => {
  beforeAll(async () => {
    comfy = await openComfy(browser, look);
  });
  beforeEach(async () => {
    await comfy.load(timelineWorkflow());
    await expect.poll(() => editor().locator(".handle").count()).toBe(5);
  });
  afterEach(() => expect(comfy.takeErrors()).toEqual([]));
  afterAll(() => comfy.close());

  test("dragging a keyframe writes time and distance", async () => {
    const box = await handle(2).boundingBox(); // 0.7 m at frame 48
    if (!box) throw new Error("There is no keyframe.");
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    await comfy.page.mouse.move(x, y);
    await comfy.page.mouse.down();
    await comfy.page.mouse.move(x - 100, y + 40, { steps: 5 });
    await comfy.page.mouse.up();
    const [, frame, metres] =
      /^0: 2m f\/2; 24: 2m; (\d+): ([\d.]+)m f\/4$/.exec(await text()) ?? [];
    expect(Number(frame)).toBeGreaterThan(30);
    expect(Number(frame)).toBeLessThan(44);
    expect(Number(metres)).toBeGreaterThan(0.8);
  });

  test("a press beside the keyframes moves the time cursor, which shows the values", async () => {
    const [start, end] = [await handle(0).boundingBox(), await handle(2).boundingBox()];
    if (!start || !end) throw new Error("There are no keyframes.");
    await comfy.page.mouse.click((start.x + end.x + end.width) / 2, end.y - 4);
    await expect.poll(() => readout().textContent()).toBe("frame 24: 2m f/2.83");
    expect(await text()).toBe("0: 2m f/2; 24: 2m; 48: 0.7m f/4");
  });

  test("keys choose, move, ease and remove; Delete does not delete the node", async () => {
    await editor().focus();
    await comfy.page.keyboard.press("n");
    await comfy.page.keyboard.press("n");
    await comfy.page.keyboard.press("ArrowUp");
    expect(await text()).toBe("0: 2m f/2.2; 24: 2m; 48: 0.7m f/4");
    await comfy.page.keyboard.press("n");
    await comfy.page.keyboard.press("Shift+ArrowLeft");
    await comfy.page.keyboard.press("e");
    expect(await text()).toBe("0: 2m f/2.2; 14: 2m linear; 48: 0.7m f/4");
    await comfy.page.keyboard.press("Delete");
    expect(await text()).toBe("0: 2m f/2.2; 48: 0.7m f/4");
  });

  test("a keyframe is added at the time cursor", async () => {
    await editor().focus();
    await comfy.page.keyboard.press("Shift+.");
    await comfy.page.getByRole("button", { name: "Add a keyframe of the f-number" }).click();
    expect(await text()).toMatch(/^0: 2m f\/2; (1|10): f\/[\d.]+; 24/);
  });

  test("what is written by hand is drawn, and what cannot be read is said", async () => {
    /** @param {string} value */
    const write = (value) =>
      comfy.evaluate((app, [id, written]) => {
        const [widget] = app.graph.getNodeById(id).widgets;
        widget.value = written;
        widget.callback?.(written);
      }, /** @type {[number, string]} */ ([NODE, value]));
    await write("0: 1m");
    await expect.poll(() => editor().locator(".handle").count()).toBe(1);
    await write("soon: 1m");
    await expect.poll(() => readout().textContent()).toMatch(/cannot be read/);
  });

  test("undo takes a change back, and the export has the text alone", async () => {
    await editor().focus();
    await comfy.page.keyboard.press("n");
    await comfy.page.keyboard.press("e");
    expect(await text()).toBe("0: 2m f/2 linear; 24: 2m; 48: 0.7m f/4");
    expect((await comfy.prompt())[NODE].inputs).toEqual({ keyframes: await text(), frames: 49 });
    await comfy.page.mouse.click(1200, 900);
    await comfy.page.keyboard.press("Control+z");
    await expect.poll(text).toBe("0: 2m f/2; 24: 2m; 48: 0.7m f/4");
    await expect.poll(() => editor().locator("rect.handle").count()).toBe(0);
  });
});
