import { readFile, readdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, test } from "vitest";
import { launchBrowser, openComfy } from "./support/comfy.js";
const W = "/tmp/wt/templates/focuspuller/workflows";
test("measure", async () => {
  const browser = await launchBrowser();
  const all = {};
  for (const vue of [false, true]) {
    const comfy = await openComfy(browser, { vue });
    for (const file of (await readdir(W)).filter((f) => f.endsWith(".json"))) {
      await comfy.load(JSON.parse(await readFile(`${W}/${file}`, "utf-8")));
      await comfy.page.waitForTimeout(900);
      const sizes = await comfy.evaluate((app) => Object.fromEntries(app.graph._nodes.map((n) => [n.id, [...n.size]])));
      (all[file] ??= []).push(sizes);
      if (!vue) {
        const prompt = await comfy.prompt();
        (all["prompts"] ??= {})[file] = prompt;
      }
    }
    await comfy.close();
  }
  await writeFile("/tmp/wt/templates/sizes.json", JSON.stringify(all));
  await browser.close();
}, 400000);
