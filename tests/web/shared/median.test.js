import { expect, test } from "vitest";
import { lowerMedian } from "../../../web/js/shared/median.js";

test.each([
  [[3], 3],
  [[2, 1], 1],
  [[5, 1, 4], 4],
  [[7, 7, 7, 7], 7],
  [[4, 3, 2, 1], 2],
])("of %j it is %d", (values, median) => {
  expect(lowerMedian(Float32Array.from(values))).toBe(median);
});

test("of many numbers it is what sorting finds", () => {
  for (const count of [10, 101, 1000]) {
    // Few different values too: many are the same in depth maps.
    for (const kinds of [3, 1000]) {
      const values = Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 1009) % kinds);
      const sorted = Float32Array.from(values).sort();
      expect(lowerMedian(values)).toBe(sorted[(count - 1) >> 1]);
    }
  }
});
