// What a user sees of an error in ComfyUI's frontend, and the way from there to the help page.

import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";
import { focusWorkflow } from "./support/workflows.js";

const PHOTO = fileURLToPath(new URL("../../samples/still_life.jpg", import.meta.url));
const POINT = 2;

/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("./support/comfy.js").Comfy} */
let comfy;

beforeAll(async () => {
  browser = await launchBrowser();
  comfy = await openComfy(browser);
  await comfy.upload(PHOTO, "focuspuller_test.jpg");
  await comfy.load(focusWorkflow());
});
afterAll(() => browser?.close());

test("an error names node and input, says what to do and where to read more", async () => {
  await comfy.evaluate(async (app, id) => {
    const { widgets } = app.graph.getNodeById(id);
    widgets.find((/** @type {any} */ each) => each.name === "also_sharp").value = "left";
    await app.queuePrompt(0);
  }, POINT);
  const text = comfy.page.getByText(/Focus Point › also_sharp: received 'left'/).first();
  await text.waitFor();
  const said = String(await text.textContent());
  expect(said).toContain("separated by semicolons");
  expect(said).toContain("More in the help of Focus Point");
  const [box, view] = [await text.boundingBox(), comfy.page.viewportSize()];
  if (!box || !view) throw new Error("The error is not to be seen.");
  expect(box.x + box.width).toBeLessThanOrEqual(view.width);
  expect(box.y + box.height).toBeLessThanOrEqual(view.height);
});

test("the help page is where the error says", async () => {
  await comfy.page.keyboard.press("Escape");
  await comfy.evaluate((app, id) => {
    app.canvas.selectItems([app.graph.getNodeById(id)]);
    app.canvas.setDirty(true, true);
  }, POINT);
  await comfy.page.getByRole("button", { name: "Node Info" }).first().click();
  await comfy.page.getByRole("heading", { name: "The picture in the node" }).waitFor();
});
