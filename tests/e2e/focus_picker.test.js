// The focus picker in ComfyUI's frontend, on the canvas and with Vue nodes.

import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";
import { coloursOn, onScreen, pixelsOn } from "./support/stage.js";
import { focusWorkflow, madeDepthWorkflow } from "./support/workflows.js";

const PHOTO = fileURLToPath(new URL("../../samples/still_life.jpg", import.meta.url));
const POINT = 2;

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./support/comfy.js").Comfy} */
let comfy;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

/** The picture of the picker. */
const stage = () => comfy.page.locator(".focus-puller .stage");
const readout = () => comfy.page.locator(".focus-puller .readout");

/**
 * @param {number} x
 * @param {number} y
 */
async function clickAt(x, y) {
  const place = await onScreen(stage(), x, y);
  await comfy.page.mouse.click(place.x, place.y);
}

/**
 * Drag from one place of the picture to another.
 * @param {[number, number]} start
 * @param {[number, number]} end
 * @param {string} [held] A key.
 */
async function drag(start, end, held) {
  const [from, to] = [await onScreen(stage(), ...start), await onScreen(stage(), ...end)];
  const { keyboard, mouse } = comfy.page;
  if (held) await keyboard.down(held);
  await mouse.move(from.x, from.y);
  await mouse.down();
  await mouse.move(to.x, to.y, { steps: 6 });
  await mouse.up();
  if (held) await keyboard.up(held);
}

/** Left, top, right and bottom of the region that is focused on. */
async function region() {
  const { region: text } = await comfy.widgets(POINT);
  return text.split(",").map(Number);
}

/**
 * @param {number[]} found
 * @param {number[]} expected
 */
function expectNear(found, expected) {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, index) => expect(value).toBeCloseTo(expected[index], 2));
}

/** Until the photo is on the canvas. */
async function shown() {
  await expect.poll(() => coloursOn(stage())).toBeGreaterThan(50);
}

/**
 * Run the tests of a block in a page of their own, each on a new graph.
 * @param {import("./support/comfy.js").Look} look
 */
function inPage(look) {
  beforeAll(async () => {
    comfy = await openComfy(browser, look);
    await comfy.upload(PHOTO, "focuspuller_test.jpg");
  });
  beforeEach(async () => {
    await comfy.load(focusWorkflow());
    await shown();
  });
  afterEach(() => expect(comfy.takeErrors()).toEqual([]));
  afterAll(() => comfy.close());
}

describe.each([
  ["canvas nodes", { vue: false }],
  ["Vue nodes", { vue: true }],
])("with %s", (_, look) => {
  inPage(look);

  test("a click puts the focus where the photo was clicked, before anything has run", async () => {
    await clickAt(0.25, 0.75);
    const { x, y } = await comfy.widgets(POINT);
    expect(x).toBeCloseTo(0.25, 2);
    expect(y).toBeCloseTo(0.75, 2);
  });

  test("dragging moves it along, and not the node", async () => {
    const before = await comfy.evaluate((app, id) => [...app.graph.getNodeById(id).pos], POINT);
    await drag([0.5, 0.5], [0.7, 0.3]);
    const { x, y } = await comfy.widgets(POINT);
    expect(x).toBeCloseTo(0.7, 2);
    expect(y).toBeCloseTo(0.3, 2);
    expect(await comfy.evaluate((app, id) => [...app.graph.getNodeById(id).pos], POINT)).toEqual(
      before,
    );
  });

  test("keys move it, and Delete does not delete the node", async () => {
    await clickAt(0.5, 0.5);
    const start = await comfy.widgets(POINT);
    await comfy.page.keyboard.press("ArrowRight");
    await comfy.page.keyboard.press("Shift+ArrowUp");
    await comfy.page.keyboard.press("Delete");
    const { x, y } = await comfy.widgets(POINT);
    expect(x - start.x).toBeCloseTo(0.005, 4);
    expect(y - start.y).toBeCloseTo(-0.05, 4);
  });

  test("it is to be reached with the Tab key and says where the focus is", async () => {
    await stage().focus();
    await comfy.page.keyboard.press("ArrowLeft");
    const spoken = await comfy.page.locator(".focus-puller [role=status]").textContent();
    expect(spoken).toMatch(/^Focus point: 49\.5 % across, 50 % down/);
    expect(await stage().getAttribute("role")).toBe("application");
    expect(await stage().getAttribute("aria-label")).toContain("Arrow keys");
  });

  test("the depth in a photo is there before anything has run: metres and peaking", async () => {
    await clickAt(0.24, 0.75);
    await expect.poll(() => readout().textContent()).toContain("0.677 m");
    const far = await onScreen(stage(), 0.05, 0.05);
    await comfy.page.mouse.move(far.x, far.y);
    await expect.poll(() => readout().textContent()).toMatch(/^[\d.]+ m here · focus 0\.677 m$/);
    const withPeaking = await greenPixels();
    await comfy.page.getByRole("button", { name: "Focus peaking" }).click();
    await expect.poll(greenPixels).toBeLessThan(withPeaking / 4);
  });

  test("depth that is made comes with a run, and goes when its makers change", async () => {
    await comfy.load(madeDepthWorkflow());
    await shown();
    expect(await readout().textContent()).toBe("Run once to see depth");
    const outputs = await comfy.run();
    expect(Object.keys(outputs[POINT])).toContain("focus_puller_depth");
    await expect.poll(() => readout().textContent()).toMatch(/^focus [\d.]+ m$/);
    await comfy.evaluate((app) => {
      const node = app.graph.getNodeById(3);
      const widget = node.widgets.find((/** @type {any} */ each) => each.name === "smoothing");
      widget.value = 0.5;
      app.graph.getNodeById(2).onConnectionsChange();
    });
    await expect.poll(() => readout().textContent()).toBe("Run once to see depth");
  });

  test("zoomed in with the wheel, a click still means what is under it", async () => {
    await clickAt(0.5, 0.5);
    const place = await onScreen(stage(), 0.5, 0.5);
    await comfy.page.mouse.move(place.x, place.y);
    await comfy.page.mouse.wheel(0, -1000); // × 1.0015 ** 1000 = 4.48
    const offset = await onScreen(stage(), 0.5 + 0.2, 0.5 + 0.1);
    await comfy.page.mouse.click(offset.x, offset.y);
    const { x, y } = await comfy.widgets(POINT);
    expect(x).toBeCloseTo(0.5 + 0.2 / 4.477, 2);
    expect(y).toBeCloseTo(0.5 + 0.1 / 4.477, 2);
    expect(await comfy.evaluate((app) => app.canvas.ds.scale)).toBe(1);
  });

  test("in a graph that is zoomed, a click means what is under it", async () => {
    await comfy.evaluate((app) => {
      app.canvas.ds.scale = 0.7;
      app.canvas.setDirty(true, true);
    });
    await expect.poll(async () => (await stage().boundingBox())?.width).toBeLessThan(300);
    await clickAt(0.25, 0.75);
    const { x, y } = await comfy.widgets(POINT);
    expect(x).toBeCloseTo(0.25, 1);
    expect(y).toBeCloseTo(0.75, 1);
  });

  test("more points are added with Alt and removed with Delete", async () => {
    await clickAt(0.25, 0.75);
    await comfy.page.keyboard.down("Alt");
    await clickAt(0.75, 0.25);
    await comfy.page.keyboard.up("Alt");
    const { x, also_sharp: others } = await comfy.widgets(POINT);
    expect(x).toBeCloseTo(0.25, 2);
    const [otherX, otherY] = others.split(",").map(Number);
    expect(otherX).toBeCloseTo(0.75, 2);
    expect(otherY).toBeCloseTo(0.25, 2);
    await comfy.page.keyboard.press("Delete");
    expect((await comfy.widgets(POINT)).also_sharp).toBe("");
  });

  test("a region that is drawn shall be sharp too, and is the focus when it is the only one", async () => {
    await drag([0.15, 0.65], [0.35, 0.85], "Alt");
    expectNear((await comfy.widgets(POINT)).also_sharp.split(",").map(Number), [
      ...[0.15, 0.65, 0.35, 0.85],
    ]);
    await comfy.page.keyboard.press("n");
    await comfy.page.keyboard.press("Delete");
    expectNear(await region(), [0.15, 0.65, 0.35, 0.85]);
    expect((await comfy.widgets(POINT)).also_sharp).toBe("");
    await expect.poll(() => readout().textContent()).toMatch(/focus 0\.6\d+ m$/);
  });

  test("a region is moved and resized with the pointer", async () => {
    await comfy.page.getByRole("button", { name: "Focus on a region" }).click();
    expectNear(await region(), [0.4, 0.4, 0.6, 0.6]);
    await drag([0.52, 0.5], [0.32, 0.7]);
    expectNear(await region(), [0.2, 0.6, 0.4, 0.8]);
    await drag([0.4, 0.8], [0.5, 0.9]);
    expectNear(await region(), [0.2, 0.6, 0.5, 0.9]);
    const { x, y } = await comfy.widgets(POINT);
    expectNear([x, y], [0.35, 0.75]);
  });

  test("keys make, move, resize and remove a region, and say where it is", async () => {
    const spoken = () => comfy.page.locator(".focus-puller [role=status]").textContent();
    await stage().focus();
    await comfy.page.keyboard.press("r");
    expect(await region()).toEqual([0.4, 0.4, 0.6, 0.6]);
    expect(await spoken()).toMatch(/^Focus region: 40 % to 60 % across, 40 % to 60 % down/);
    await comfy.page.keyboard.press("Shift+ArrowRight");
    await comfy.page.keyboard.press("c");
    await comfy.page.keyboard.press("Shift+ArrowUp");
    expect(await region()).toEqual([0.45, 0.35, 0.65, 0.6]);
    expect(await spoken()).toMatch(/^Top left of the focus region: 45 % across, 35 % down/);
    await comfy.page.keyboard.press("a");
    await comfy.page.keyboard.press("n");
    await comfy.page.keyboard.press("Delete");
    const { region: none, also_sharp: others, x } = await comfy.widgets(POINT);
    expect([none, others, x]).toEqual(["", "", 0.6]);
  });

  test("a region survives export, saving, resizing, copying, undo and redo", async () => {
    await stage().focus();
    await comfy.page.keyboard.press("r");
    await drag([0.6, 0.4], [0.7, 0.3]);
    const drawn = (await comfy.widgets(POINT)).region;
    expectNear(drawn.split(",").map(Number), [0.4, 0.3, 0.7, 0.6]);
    expect((await comfy.prompt())[POINT].inputs.region).toBe(drawn);
    await comfy.evaluate((app, id) => app.graph.getNodeById(id).setSize([600, 700]), POINT);
    expect((await comfy.widgets(POINT)).region).toBe(drawn);
    await comfy.page.waitForTimeout(500); // the frontend takes a mouse button's state a moment later
    await drag([0.55, 0.45], [0.35, 0.45]);
    expect((await comfy.widgets(POINT)).region).not.toBe(drawn);
    await comfy.page.mouse.click(1200, 900);
    await comfy.page.keyboard.press("Control+z");
    await expect.poll(async () => (await comfy.widgets(POINT)).region).toBe(drawn);
    await comfy.page.keyboard.press("Control+y");
    await expect.poll(async () => (await comfy.widgets(POINT)).region).not.toBe(drawn);
    const moved = (await comfy.widgets(POINT)).region;
    const saved = await comfy.evaluate((app) => app.graph.serialize());
    await comfy.load(saved);
    expect((await comfy.widgets(POINT)).region).toBe(moved);
    expect(await copyOfPoint()).toMatchObject({ region: moved });
  });

  test("the node runs with a region and finds what the picture says", async () => {
    await clickAt(0.24, 0.75);
    await comfy.page.keyboard.press("r");
    await expect.poll(() => readout().textContent()).toMatch(/focus [\d.]+ m$/);
    const said = await readout().textContent();
    const outputs = await comfy.run();
    expect(said).toContain(`focus ${outputs[POINT].text[0]}`);
  });

  test("what is picked is exported, saved and loaded, the picker itself is not", async () => {
    await clickAt(0.25, 0.75);
    const picked = await comfy.widgets(POINT);
    const { inputs } = (await comfy.prompt())[POINT];
    expect(Object.keys(inputs).sort()).toEqual([
      ...["also_sharp", "depth", "focus_range", "region", "x", "y"],
    ]);
    expect([inputs.x, inputs.y]).toEqual([picked.x, picked.y]);
    const saved = await comfy.evaluate((app) => app.graph.serialize());
    const node = saved.nodes.find((/** @type {any} */ each) => each.id === POINT);
    expect(node.widgets_values.slice(0, 5)).toEqual([picked.x, picked.y, 0, "", ""]);
    await comfy.load(saved);
    const { x, y } = await comfy.widgets(POINT);
    expect([x, y]).toEqual([picked.x, picked.y]);
  });

  test("undo takes a pick back, redo brings it again", async () => {
    await clickAt(0.25, 0.75);
    await clickAt(0.6, 0.4);
    const second = (await comfy.widgets(POINT)).x;
    await comfy.page.mouse.click(1200, 900);
    await comfy.page.keyboard.press("Control+z");
    await expect.poll(async () => (await comfy.widgets(POINT)).x).toBeCloseTo(0.25, 2);
    await comfy.page.keyboard.press("Control+y");
    await expect.poll(async () => (await comfy.widgets(POINT)).x).toBe(second);
  });

  test("a copy has the same point", async () => {
    await clickAt(0.25, 0.75);
    const picked = await comfy.widgets(POINT);
    expect(await copyOfPoint()).toMatchObject({ x: picked.x, y: picked.y });
  });

  test("a point that comes through a link cannot be moved here", async () => {
    await comfy.evaluate((app, id) => {
      const number = /** @type {any} */ (window).LiteGraph.createNode("PrimitiveFloat");
      app.graph.add(number);
      const node = app.graph.getNodeById(id);
      const slot = node.inputs.findIndex((/** @type {any} */ input) => input.name === "x");
      number.connect(0, node, slot);
    }, POINT);
    await expect.poll(() => stage().getAttribute("aria-disabled")).toBe("true");
    await clickAt(0.25, 0.75);
    expect((await comfy.widgets(POINT)).y).toBe(0.5);
  });
});

/** Values of a copy of Focus Point. */
async function copyOfPoint() {
  const copied = await comfy.evaluate((app, id) => {
    app.canvas.selectItems([app.graph.getNodeById(id)]);
    app.canvas.copyToClipboard();
    app.canvas.pasteFromClipboard();
    return Math.max(...app.graph._nodes.map((/** @type {any} */ node) => node.id));
  }, POINT);
  expect(copied).not.toBe(POINT);
  return comfy.widgets(copied);
}

/** Pixels in the colour of the peaking. */
async function greenPixels() {
  const pixels = await pixelsOn(stage());
  return pixels.filter(([r, g, b]) => g > r + 40 && g > b + 20).length;
}

describe("on a touch screen", () => {
  inPage({ touch: true });

  test("a finger sets the focus", async () => {
    const place = await onScreen(stage(), 0.25, 0.75);
    await comfy.page.touchscreen.tap(place.x, place.y);
    const { x, y } = await comfy.widgets(POINT);
    expect(x).toBeCloseTo(0.25, 2);
    expect(y).toBeCloseTo(0.75, 2);
  });

  test("a finger draws a region after +", async () => {
    await comfy.page.getByRole("button", { name: "Add a point, or drag a region" }).tap();
    const [from, to] = [await onScreen(stage(), 0.2, 0.2), await onScreen(stage(), 0.4, 0.5)];
    const touch = await comfy.page.context().newCDPSession(comfy.page);
    const send = (/** @type {any} */ type, /** @type {{ x: number, y: number }[]} */ ...at) =>
      touch.send("Input.dispatchTouchEvent", { type, touchPoints: at });
    await send("touchStart", from);
    for (const part of [0.3, 0.7, 1]) {
      const between = (/** @type {"x" | "y"} */ axis) =>
        from[axis] + part * (to[axis] - from[axis]);
      await send("touchMove", { x: between("x"), y: between("y") });
    }
    await send("touchEnd");
    const { also_sharp: drawn } = await comfy.widgets(POINT);
    expectNear(drawn.split(",").map(Number), [0.2, 0.2, 0.4, 0.5]);
  });

  test("two fingers zoom, and leave the focus to one", async () => {
    const middle = await onScreen(stage(), 0.5, 0.5);
    const touch = await comfy.page.context().newCDPSession(comfy.page);
    /**
     * @param {"touchStart" | "touchMove" | "touchEnd"} type
     * @param {number[]} offsets Of the fingers from the middle.
     */
    const fingers = (type, ...offsets) =>
      touch.send("Input.dispatchTouchEvent", {
        type,
        touchPoints: offsets.map((by, id) => ({ x: middle.x + by, y: middle.y, id })),
      });
    await fingers("touchStart", -40, 40);
    for (const by of [60, 80, 100, 120]) await fingers("touchMove", -by, by);
    await fingers("touchEnd");
    const start = await comfy.widgets(POINT);
    const place = await onScreen(stage(), 0.8, 0.5);
    await comfy.page.touchscreen.tap(place.x, place.y);
    const { x } = await comfy.widgets(POINT);
    expect(start.x).toBe(0.5);
    expect(x).toBeCloseTo(0.5 + 0.3 / 3, 2);
  });
});

describe.each(/** @type {const} */ (["dark", "light"]))("in the %s palette", (palette) => {
  inPage({ palette, vue: true });

  test("the words can be read", async () => {
    const contrasts = await comfy.page.locator(".focus-puller").evaluate((root) => {
      /** @param {string} colour */
      const luminance = (colour) => {
        const canvas = document.createElement("canvas");
        const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((value) => {
          const part = value / 255;
          return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      return [...root.querySelectorAll("button:enabled")].map((button) => {
        const { color, backgroundColor } = getComputedStyle(button);
        const [bright, dark] = [luminance(color), luminance(backgroundColor)].sort((a, b) => b - a);
        return (bright + 0.05) / (dark + 0.05);
      });
    });
    expect(contrasts.length).toBeGreaterThan(0);
    for (const contrast of contrasts) expect(contrast).toBeGreaterThan(4.5);
  });
});
