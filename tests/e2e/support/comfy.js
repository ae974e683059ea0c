// ComfyUI in a browser, with what tests do there.

import { readFile } from "node:fs/promises";
import { chromium } from "playwright-core";
import { expect, inject } from "vitest";

const CHROMIUM = process.env.FOCUSPULLER_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // The page is composed without a GPU, WebGL runs on SwiftShader.
  "--disable-gpu",
  "--enable-unsafe-swiftshader",
];
// What covers the canvas of a first visitor, and what remembers the tests before.
const SETTINGS = {
  "Comfy.TutorialCompleted": true,
  "Comfy.Release.Status": "what's new seen",
  "Comfy.Notification.ShowVersionUpdates": false,
  "Comfy.Workflow.Persist": false,
  "Comfy.Workflow.ShowMissingNodesWarning": false,
  "Comfy.Workflow.ShowMissingModelsWarning": false,
  "Comfy.Minimap.Visible": false,
  "Comfy.Graph.CanvasInfo": false,
};
// Complaints of the frontend about itself.
const NOT_OURS = /accessed before initialization|Failed to load resource|net::ERR_/;

/**
 * @typedef {object} Look
 * @property {boolean} [vue] Whether nodes are drawn by Vue ("Nodes 2.0").
 * @property {"dark" | "light"} [palette]
 * @property {string} [locale]
 * @property {boolean} [touch]
 * @property {{ width: number, height: number }} [size]
 */

/** @returns {Promise<import("playwright-core").Browser>} */
export function launchBrowser() {
  return chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}

/**
 * Open ComfyUI with an empty graph.
 * @param {import("playwright-core").Browser} browser
 * @param {Look} [look]
 */
export async function openComfy(
  browser,
  {
    vue = false,
    palette = "dark",
    locale = "en",
    touch = false,
    size = { width: 1400, height: 1000 },
  } = {},
) {
  const url = inject("comfyui");
  const settings = {
    ...SETTINGS,
    "Comfy.VueNodes.Enabled": vue,
    "Comfy.ColorPalette": palette,
    "Comfy.Locale": locale,
  };
  await post(url, "/api/settings", settings);
  const context = await browser.newContext({ viewport: size, hasTouch: touch });
  const comfy = new Comfy(await context.newPage(), url);
  await comfy.open();
  return comfy;
}

/**
 * @param {string} url
 * @param {string} path
 * @param {unknown} body
 */
async function post(url, path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url + path, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  expect(response.status, path).toBeLessThan(300);
}

export class Comfy {
  /**
   * @param {import("playwright-core").Page} page
   * @param {string} url
   */
  constructor(page, url) {
    this.page = page;
    this.url = url;
    /** @type {string[]} What went wrong in the page. */
    this._errors = [];
  }

  async open() {
    const { page } = this;
    page.on("pageerror", (error) => this._errors.push(String(error.stack ?? error)));
    page.on("console", (message) => {
      if (message.type() === "error" && !NOT_OURS.test(message.text())) {
        this._errors.push(message.text());
      }
    });
    // Nothing leaves the machine; the frontend itself would.
    await page.route(
      (address) => !address.href.startsWith(this.url) && address.protocol.startsWith("http"),
      (route) => route.abort(),
    );
    await page.goto(this.url, { waitUntil: "load" });
    await page.waitForFunction(() => {
      const { app, LiteGraph } = /** @type {any} */ (window);
      const isBusy = document.querySelector(".p-blockui-mask, .p-progressspinner");
      return !isBusy && app?.extensionManager && LiteGraph?.registered_node_types.FocusPullerCamera;
    });
    await this.evaluate((app) => app.graph.clear());
    // What the frontend complains of while it starts is its own, unless it names our files.
    this._errors = this._errors.filter((text) => text.includes("focuspuller"));
  }

  /** What has gone wrong since the last call. */
  takeErrors() {
    return this._errors.splice(0);
  }

  async close() {
    await this.page.context().close();
  }

  /**
   * Evaluate a function in the page.
   * @template A, R
   * @param {(app: any, argument: A) => R | Promise<R>} act
   * @param {A} [argument]
   * @returns {Promise<R>}
   */
  evaluate(act, argument) {
    return this.page.evaluate(
      // The function is sent as text and made again in the page, as Playwright itself does.
      ([code, value]) =>
        new Function("app", "value", `return (${code})(app, value)`)(
          /** @type {any} */ (window).app,
          value,
        ),
      /** @type {const} */ ([act.toString(), argument]),
    );
  }

  /**
   * Put a file into the input folder.
   * @param {string} path
   * @param {string} name
   */
  async upload(path, name) {
    const form = new FormData();
    form.append("image", new Blob([await readFile(path)]), name);
    form.append("overwrite", "true");
    const response = await fetch(`${this.url}/upload/image`, { method: "POST", body: form });
    expect(response.status).toBe(200);
  }

  /**
   * @param {object} workflow In the form of ComfyUI's editor.
   */
  async load(workflow) {
    await this.evaluate(async (app, value) => {
      await app.loadGraphData(value);
      app.canvas.ds.scale = 1;
      app.canvas.ds.offset = [0, 0];
      app.canvas.setDirty(true, true);
    }, workflow);
  }

  /**
   * Run the graph and wait until it is done.
   * @param {number} [limit] How long to wait, ms.
   * @returns {Promise<Record<string, any>>} What its nodes showed.
   */
  async run(limit) {
    const before = new Set(Object.keys(await this.get("/history")));
    await this.evaluate((app) => app.queuePrompt(0));
    const run = await waitFor(async () => {
      const history = await this.get("/history");
      return Object.entries(history).find(([id]) => !before.has(id))?.[1];
    }, limit);
    expect(run.status.status_str, JSON.stringify(run.status.messages)).toBe("success");
    return run.outputs;
  }

  /** @param {string} path */
  async get(path) {
    return (await fetch(this.url + path)).json();
  }

  /**
   * Values of a node's widgets by name.
   * @param {number} id
   * @returns {Promise<Record<string, any>>}
   */
  widgets(id) {
    return this.evaluate((app, value) => {
      const { widgets } = app.graph.getNodeById(value);
      return Object.fromEntries(widgets.map((/** @type {any} */ w) => [w.name, w.value]));
    }, id);
  }

  /** What Run would send, by node. @returns {Promise<Record<string, any>>} */
  async prompt() {
    return this.evaluate(async (app) => (await app.graphToPrompt()).output);
  }
}

/**
 * What `look` finds, as soon as it finds something.
 * @template T
 * @param {() => Promise<T | undefined>} look
 * @param {number} [limit] ms.
 * @returns {Promise<T>}
 */
export async function waitFor(look, limit = 40_000) {
  const end = Date.now() + limit;
  while (Date.now() < end) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`Nothing came within ${limit / 1000} s.`);
}
