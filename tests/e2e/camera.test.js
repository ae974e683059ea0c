// The lens barrel of Camera in ComfyUI's frontend, on the canvas and with Vue nodes.

import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";
import { cameraWorkflow } from "./support/workflows.js";

const PHOTO = fileURLToPath(new URL("../../samples/still_life.jpg", import.meta.url));
const CAMERA = 2;
const DISTANCE = 3;
const THIRD_PX = 16;

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./support/comfy.js").Comfy} */
let comfy;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

const ring = (/** @type {string} */ name) => comfy.page.getByRole("slider", { name });
const readout = () => comfy.page.locator(".barrel .readout").first();
const note = () => comfy.page.locator(".barrel .readout").last();
const valueText = (/** @type {string} */ name) => ring(name).getAttribute("aria-valuetext");

/**
 * Turn a ring by CSS px of the node, which is not zoomed.
 * @param {string} name
 * @param {number} px
 */
async function turn(name, px) {
  const box = await ring(name).boundingBox();
  if (!box) throw new Error(`There is no ring ${name}.`);
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await comfy.page.mouse.move(x, y);
  await comfy.page.mouse.down();
  await comfy.page.mouse.move(x + px, y, { steps: 5 });
  await comfy.page.mouse.up();
}

/** Connect the photo with the camera. */
function wirePhoto() {
  return comfy.evaluate((app, id) => {
    const camera = app.graph.getNodeById(id);
    const slot = camera.inputs.findIndex((/** @type {any} */ each) => each.name === "photo");
    app.graph.getNodeById(1).connect(4, camera, slot);
  }, CAMERA);
}

/** @param {import("./support/comfy.js").Look} look */
function inPage(look) {
  beforeAll(async () => {
    comfy = await openComfy(browser, look);
    await comfy.upload(PHOTO, "focuspuller_test.jpg");
  });
  beforeEach(async () => {
    await comfy.load(cameraWorkflow());
    await expect.poll(() => readout().textContent()).toContain("at 2 m");
  });
  afterEach(() => expect(comfy.takeErrors()).toEqual([]));
  afterAll(() => comfy.close());
}

describe.each([
  ["canvas nodes", { vue: false }],
  ["Vue nodes", { vue: true }],
])("with %s", (_, look) => {
  inPage(look);

  test("the f-number ring snaps to third stops, with Alt it does not", async () => {
    await turn("f-number", -2.3 * THIRD_PX);
    expect((await comfy.widgets(CAMERA)).f_number).toBe(3.5);
    await expect.poll(() => valueText("f-number")).toBe("f/3.5");
    await comfy.page.keyboard.down("Alt");
    await turn("f-number", -0.5 * THIRD_PX);
    await comfy.page.keyboard.up("Alt");
    const { f_number: free } = await comfy.widgets(CAMERA);
    expect(free).toBeGreaterThan(3.6);
    expect(free).toBeLessThan(3.9);
  });

  test("turning a ring does not move the node", async () => {
    const place = () => comfy.evaluate((app, id) => [...app.graph.getNodeById(id).pos], CAMERA);
    const before = await place();
    await turn("Focal length", 60);
    expect(await place()).toEqual(before);
    expect((await comfy.widgets(CAMERA)).focal_length_mm).toBe(35);
  });

  test("keys turn rings, and Delete is not for the node", async () => {
    await ring("f-number").focus();
    await comfy.page.keyboard.press("ArrowRight");
    expect((await comfy.widgets(CAMERA)).f_number).toBe(3.2);
    await comfy.page.keyboard.press("Shift+ArrowLeft");
    expect((await comfy.widgets(CAMERA)).f_number).toBe(2.2);
    await comfy.page.keyboard.press("End");
    expect((await comfy.widgets(CAMERA)).f_number).toBe(32);
    await comfy.page.keyboard.press("Delete");
    await comfy.page.keyboard.press("Home");
    expect((await comfy.widgets(CAMERA)).f_number).toBe(1);
  });

  test("the wheel turns the ring that has the keyboard, and not the graph", async () => {
    await turn("f-number", 0);
    await comfy.page.mouse.wheel(0, -110);
    await expect.poll(async () => (await comfy.widgets(CAMERA)).f_number).toBe(3.2);
    expect(await comfy.evaluate((app) => app.canvas.ds.scale)).toBe(1);
  });

  test("limits and hyperfocal distance are those of the renderer", async () => {
    // Camera(50, 2.8, 36): depth_of_field at 2 m, hyperfocal_distance
    expect(await readout().textContent()).toBe(
      "50 mm f/2.8 at 2 m: sharp 1.88 m to 2.14 m, hyperfocal 29.8 m",
    );
    await ring("Focus distance").focus();
    await comfy.page.keyboard.press("h");
    await expect.poll(() => readout().textContent()).toContain("sharp 14.9 m to ∞");
  });

  test("the distance ring sets the connected Focus Distance", async () => {
    await turn("Focus distance", -30);
    await expect.poll(async () => (await comfy.widgets(DISTANCE)).distance).toBeGreaterThan(2);
    const { distance } = await comfy.widgets(DISTANCE);
    expect(await ring("Focus distance").getAttribute("aria-valuenow")).toBe(String(distance));
    expect(await note().textContent()).toBe("Focus of Focus Distance.");
  });

  test("without a focus the ring is for reading only", async () => {
    await comfy.evaluate((app) => app.graph.remove(app.graph.getNodeById(3)));
    await comfy.page.mouse.click(1200, 900); // where a user would have pressed something
    await expect.poll(() => note().textContent()).toMatch(/^The focus is for reading only/);
    await turn("Focus distance", 30);
    await expect.poll(() => readout().textContent()).not.toContain("at 2 m");
    expect((await comfy.prompt())[CAMERA].inputs).toEqual({
      f_number: 2.8,
      focal_length_mm: 50,
      sensor_width_mm: 36,
    });
  });

  test("a sensor is chosen by name", async () => {
    const sensor = comfy.page.getByRole("combobox", { name: "Sensor" });
    await sensor.selectOption({ label: "Micro Four Thirds, 17.3 mm" });
    expect((await comfy.widgets(CAMERA)).sensor_width_mm).toBe(17.3);
    await comfy.evaluate((app, id) => {
      const { widgets } = app.graph.getNodeById(id);
      const width = widgets.find((/** @type {any} */ each) => each.name === "sensor_width_mm");
      width.value = 30;
      width.callback(30);
    }, CAMERA);
    await expect.poll(() => sensor.locator("option:checked").textContent()).toBe("Other, 30 mm");
  });

  test("a photo's EXIF counts as soon as it is wired, before anything has run", async () => {
    await comfy.evaluate((app, id) => {
      const { widgets } = app.graph.getNodeById(id);
      const focal = widgets.find((/** @type {any} */ each) => each.name === "focal_length_mm");
      focal.value = 85;
      focal.callback(85);
    }, CAMERA);
    await expect.poll(() => valueText("Focal length")).toBe("85 mm");
    await wirePhoto();
    await expect.poll(() => valueText("Focal length")).toBe("50 mm");
    expect(await ring("Focal length").getAttribute("aria-disabled")).toBe("true");
    expect(await note().textContent()).toMatch(/^From the photo: focal length, sensor\./);
    await comfy.page.getByRole("button", { name: "Use the f-number of the photo" }).click();
    expect((await comfy.widgets(CAMERA)).f_number).toBe(0);
    await expect.poll(() => valueText("f-number")).toBe("f/22");
    await turn("f-number", THIRD_PX);
    expect((await comfy.widgets(CAMERA)).f_number).toBe(20);
  });

  test("what is set is exported, saved, loaded, copied and undone; the barrel is not", async () => {
    await turn("f-number", -3 * THIRD_PX);
    const { inputs } = (await comfy.prompt())[CAMERA];
    expect(inputs).toEqual({ f_number: 4, focal_length_mm: 50, sensor_width_mm: 36 });
    const saved = await comfy.evaluate((app) => app.graph.serialize());
    const node = saved.nodes.find((/** @type {any} */ each) => each.id === CAMERA);
    expect(node.widgets_values.slice(0, 3)).toEqual([4, 50, 36]);
    await comfy.load(saved);
    await expect.poll(() => valueText("f-number")).toBe("f/4");
    const copied = await comfy.evaluate((app, id) => {
      app.canvas.selectItems([app.graph.getNodeById(id)]);
      app.canvas.copyToClipboard();
      app.canvas.pasteFromClipboard();
      const ids = app.graph._nodes.map((/** @type {any} */ each) => each.id);
      const copy = Math.max(...ids);
      const value = app.graph.getNodeById(copy).widgets[0].value;
      app.graph.remove(app.graph.getNodeById(copy));
      return value;
    }, CAMERA);
    expect(copied).toBe(4);
  });

  test("undo takes a turn back, redo brings it again", async () => {
    await turn("f-number", -3 * THIRD_PX);
    await comfy.page.waitForTimeout(500); // the frontend takes a mouse button's state a moment later
    await turn("f-number", -3 * THIRD_PX);
    expect((await comfy.widgets(CAMERA)).f_number).toBe(5.6);
    await comfy.page.mouse.click(1200, 900);
    await comfy.page.keyboard.press("Control+z");
    await expect.poll(() => valueText("f-number")).toBe("f/4");
    await comfy.page.keyboard.press("Control+y");
    await expect.poll(() => valueText("f-number")).toBe("f/5.6");
  });
});

describe("on a touch screen", () => {
  inPage({ touch: true });

  test("a finger turns a ring", async () => {
    const box = await ring("f-number").boundingBox();
    if (!box) throw new Error("There is no ring.");
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const touch = await comfy.page.context().newCDPSession(comfy.page);
    const send = (/** @type {any} */ type, /** @type {number[]} */ ...at) =>
      touch.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: at.map((by) => ({ x: x + by, y, id: 0 })),
      });
    await send("touchStart", 0);
    for (const by of [-10, -20, -32]) await send("touchMove", by);
    await send("touchEnd");
    expect((await comfy.widgets(CAMERA)).f_number).toBe(3.5);
  });
});
