// What a user sees of an error in ComfyUI's frontend, the way from there to the help page, and the way
// to a node by other words than its name.

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
  const text = comfy.page.getByText(/also_sharp: received 'left'/).first();
  // Older frontends show the error at once.
  const details = comfy.page.getByRole("button", { name: "View details" });
  await details.or(text).first().waitFor();
  if (await details.isVisible()) await details.click();
  await text.waitFor();
  const said = String(await text.textContent());
  expect(said).toContain("Focus Point");
  expect(said).toContain("separated by semicolons");
  expect(said).toContain("More in the help of Focus Point");
  const overflow = await text.evaluate((shown) => shown.scrollWidth - shown.clientWidth);
  expect(overflow).toBeLessThanOrEqual(0);
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

test("a node is found by what artists call it", async () => {
  await comfy.page.keyboard.press("Escape");
  await comfy.evaluate((app) => app.extensionManager.command.execute("Workspace.SearchBox.Toggle"));
  const search = comfy.page.getByRole("combobox").or(comfy.page.getByRole("searchbox")).first();
  await search.fill("depth of field");
  await comfy.page
    .getByRole("option", { name: /Render Bokeh/ })
    .first()
    .waitFor();
});
