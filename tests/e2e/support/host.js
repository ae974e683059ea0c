// Starts the test host once for all end-to-end tests, or uses the ComfyUI at FOCUSPULLER_COMFYUI.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const HOST = fileURLToPath(new URL("../host", import.meta.url));

/** @param {import("vitest/node").TestProject} project */
export async function setup(project) {
  const given = process.env.FOCUSPULLER_COMFYUI;
  if (given) {
    project.provide("comfyui", given.replace(/\/$/, ""));
    return () => {};
  }
  const python = process.env.FOCUSPULLER_PYTHON ?? "python3";
  const host = spawn(python, [HOST], { stdio: ["ignore", "pipe", "inherit"] });
  project.provide("comfyui", await firstLine(host));
  return () => host.kill();
}

/**
 * The address that the host prints once it answers.
 * @param {import("node:child_process").ChildProcessByStdio<null, import("node:stream").Readable, null>} host
 * @returns {Promise<string>}
 */
function firstLine(host) {
  return new Promise((resolve, reject) => {
    host.stdout.once("data", (data) => resolve(String(data).trim()));
    host.once("error", reject);
    host.once("exit", (code) => reject(new Error(`The test host ended with ${code}.`)));
  });
}
