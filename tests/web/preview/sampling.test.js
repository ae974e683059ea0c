import { expect, test } from "vitest";
import { CORE, coreSamples, outerSamples, samplesFor } from "../../../web/js/preview/sampling.js";

test("the core is every pixel close by, once", () => {
  const samples = coreSamples();
  expect(new Set(samples.map(({ dx, dy }) => `${dx},${dy}`)).size).toBe((2 * CORE + 1) ** 2);
  expect(samples.every(({ weight }) => weight === 1)).toBe(true);
});

test.each([8, 20, 40])("core and outer samples together count a disc of %i px", (radius) => {
  const count = samplesFor(radius);
  const within = outerSamples(0, count, radius).filter(
    ({ dx, dy }) => Math.hypot(dx, dy) <= radius,
  );
  const outer = within.reduce((sum, { weight }) => sum + weight, 0) / count;
  const area = outer + (2 * CORE + 1) ** 2;
  expect(area / (Math.PI * radius ** 2)).toBeCloseTo(1, 1);
});

test("the mean place is the middle: nothing is shifted", () => {
  const samples = outerSamples(0, 2000, 30);
  const total = samples.reduce((sum, { weight }) => sum + weight, 0);
  const x = samples.reduce((sum, { dx, weight }) => sum + dx * weight, 0) / total;
  const y = samples.reduce((sum, { dy, weight }) => sum + dy * weight, 0) / total;
  expect(Math.hypot(x, y)).toBeLessThan(0.2);
});

test("parts of the sequence are the sequence", () => {
  const parts = [...outerSamples(0, 10, 20), ...outerSamples(10, 10, 20)];
  expect(parts).toEqual(outerSamples(0, 20, 20));
});

test("without blur beyond the core, none are wanted", () => {
  expect(samplesFor(1.5)).toBe(0);
  expect(samplesFor(1000)).toBe(4096);
});
