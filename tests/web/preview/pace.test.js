import { expect, test } from "vitest";
import { Pace, scaled, workOf } from "../../../web/js/preview/pace.js";

const FULL = { width: 1024, height: 768 };

test("a card that is quick gets larger pictures, up to all of it", () => {
  const pace = new Pace(true);
  const first = pace.scaleFor(FULL, 30);
  expect(first).toBeLessThan(0.5);
  for (let i = 0; i < 20; i++) pace.measured(pace.work, 8);
  expect(pace.scaleFor(FULL, 30)).toBe(1);
});

test("a card that is slow gets smaller ones, that fit into a frame", () => {
  const pace = new Pace(false);
  const perMs = 1e5;
  for (let i = 0; i < 20; i++) pace.measured(pace.work, pace.work / perMs);
  const scale = pace.scaleFor(FULL, 10);
  expect(scale).toBeLessThan(1);
  const work = workOf(scaled(FULL, scale), 10 * scale);
  expect(work / perMs).toBeLessThan(50);
});

test("one slow frame changes little", () => {
  const pace = new Pace(false);
  const before = pace.work;
  pace.measured(before, 5000);
  expect(pace.work).toBe(before / 2);
});

test("a frame with little to do says nothing about more", () => {
  const pace = new Pace(false);
  const before = pace.work;
  pace.measured(before / 1000, 16);
  expect(pace.work).toBe(before);
});

test("there is always a sample to draw", () => {
  expect(new Pace(true).samplesFor({ width: 8000, height: 8000 })).toBe(1);
});
