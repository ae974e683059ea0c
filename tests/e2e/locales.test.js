// ComfyUI's frontend in another language shows our translations.

import { afterAll, beforeAll, expect, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";

/** @type {import("playwright-core").Browser} */
let browser;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser?.close());

test.each([
  ["fr", "Appareil photo", "ouverture"],
  ["en", "Camera", "f_number"],
])("in %s the node is called %s", async (locale, title, fNumber) => {
  const comfy = await openComfy(browser, { vue: true, locale });
  const found = await comfy.evaluate((app) => {
    const node = /** @type {any} */ (window).LiteGraph.createNode("FocusPullerCamera");
    app.graph.add(node);
    const [widget] = node.widgets;
    return { title: node.title, label: widget.label ?? widget.name, name: widget.name };
  });
  expect(found).toEqual({ title, label: fNumber, name: "f_number" });
  await comfy.close();
});
