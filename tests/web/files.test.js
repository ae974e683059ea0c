// Rules that hold for every file the browser gets.

import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const WEB = fileURLToPath(new URL("../../web", import.meta.url));
const files = readdirSync(WEB, { recursive: true, encoding: "utf-8" }).filter((name) =>
  /\.(js|css)$/.test(name),
);
// A name, not an address.
const SVG = "http://www.w3.org/2000/svg";

test.each(files)("%s needs no other server and evaluates no text", (name) => {
  const text = readFileSync(`${WEB}/${name}`, "utf-8").replace(SVG, "");
  expect(text).not.toMatch(/https?:|\/\/cdn|@import/);
  expect(text).not.toMatch(/\beval\b|new Function|innerHTML|document\.write/);
});

test.each(files.filter((name) => name.endsWith(".js")))("%s meets ComfyUI in one place", (name) => {
  const text = readFileSync(`${WEB}/${name}`, "utf-8");
  if (name !== "js/shared/comfy.js") expect(text).not.toMatch(/scripts\/(app|api)\.js/);
});
