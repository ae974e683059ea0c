// The node Compare in ComfyUI's frontend, on the canvas and with Vue nodes.

import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { launchBrowser, openComfy, waitFor } from "./support/comfy.js";
import { coloursOn, onScreen, pixelsOn } from "./support/stage.js";
import { compareWorkflow } from "./support/workflows.js";

const PHOTO = fileURLToPath(new URL("../../samples/still_life.jpg", import.meta.url));

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./support/comfy.js").Comfy} */
let comfy;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

const divider = () => comfy.page.getByRole("slider", { name: "Divider" });
/** @param {string} name */
const press = (name) => comfy.page.getByRole("button", { name }).click();

/** The share of pixels that are as blue as the background of the defocus map. */
async function blueShare() {
  const pixels = await pixelsOn(divider());
  return pixels.filter(([r, , b]) => b > r + 60).length / pixels.length;
}

describe.each([
  ["canvas nodes", { vue: false }],
  ["Vue nodes", { vue: true }],
])("with %s", (_, look) => {
  beforeAll(async () => {
    comfy = await openComfy(browser, look);
    await comfy.upload(PHOTO, "focuspuller_test.jpg");
    await comfy.load(compareWorkflow());
    await comfy.run();
    await waitFor(async () => ((await coloursOn(divider())) > 50 ? true : undefined));
  });
  afterEach(() => expect(comfy.takeErrors()).toEqual([]));
  afterAll(() => comfy.close());

  test("the divider follows the pointer, with before left of it and after right", async () => {
    const left = await onScreen(divider(), 0.1, 0.5);
    await comfy.page.mouse.click(left.x, left.y);
    await expect.poll(() => divider().getAttribute("aria-valuenow")).toBe("10");
    await expect.poll(blueShare).toBeGreaterThan(0.2);
    const right = await onScreen(divider(), 0.9, 0.5);
    await comfy.page.mouse.click(right.x, right.y);
    await expect.poll(() => divider().getAttribute("aria-valuenow")).toBe("90");
    await expect.poll(blueShare).toBeLessThan(0.2);
  });

  test("keys move it to the ends", async () => {
    await divider().focus();
    await comfy.page.keyboard.press("Home");
    expect(await divider().getAttribute("aria-valuenow")).toBe("0");
    await comfy.page.keyboard.press("Shift+ArrowRight");
    expect(await divider().getAttribute("aria-valuenow")).toBe("10");
  });

  test("A/B shows one picture alone, then the other", async () => {
    await press("Show one picture alone");
    expect(await divider().getAttribute("aria-valuetext")).toBe("only after");
    const after = await blueShare();
    await press("Show one picture alone");
    expect(await divider().getAttribute("aria-valuetext")).toBe("only before");
    await expect.poll(blueShare).toBeLessThan(after / 2);
    await press("Show both");
    expect(await divider().getAttribute("aria-valuetext")).toMatch(/%$/);
  });

  test("the pixel under the pointer is told: place, colours and blur", async () => {
    const place = await onScreen(divider(), 0.24, 0.75);
    await comfy.page.mouse.move(place.x, place.y);
    const readout = comfy.page.locator(".focus-puller .readout", { hasText: "→" });
    await expect
      .poll(() => readout.textContent())
      .toMatch(
        /^(25\d|26\d), (53\d|54\d) · \d+ \d+ \d+ → \d+ \d+ \d+ · (sharp|blur [\d.]+ px .*)$/,
      );
  });

  test("the defocus map is laid over the photo and taken away again", async () => {
    await divider().focus();
    await comfy.page.keyboard.press("End");
    await expect.poll(blueShare).toBeLessThan(0.2);
    const photo = await blueShare();
    await press("Lay the defocus map");
    await expect.poll(blueShare).toBeGreaterThan(photo + 0.2);
    await press("Lay the defocus map");
    await expect.poll(blueShare).toBeCloseTo(photo, 2);
  });
});
