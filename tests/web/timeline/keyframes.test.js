import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  changed,
  textOfTimeline,
  timelineFromText,
  valueAtFrame,
} from "../../../web/js/timeline/keyframes.js";

/** @type {any} The Python tests read them too. */
const KNOWN = JSON.parse(readFileSync(new URL("racks.json", import.meta.url), "utf-8"));

/** @param {string} text */
function read(text) {
  const timeline = timelineFromText(text);
  if (!timeline) throw new Error(`Not read: ${text}`);
  return timeline;
}

describe.each(/** @type {any[]} */ (KNOWN.racks))(
  "$text",
  ({ text, frames, disparity, ...rest }) => {
    test("moves as the renderer does", () => {
      const timeline = read(text);
      for (let frame = 0; frame < frames; frame++) {
        expect(valueAtFrame(timeline, "disparity", frame)).toBeCloseTo(disparity[frame], 5);
        const fNumber = valueAtFrame(timeline, "fNumber", frame);
        if (rest.f_number) expect(fNumber).toBeCloseTo(rest.f_number[frame], 5);
        else expect(fNumber).toBe(null);
      }
    });

    test("is written so that it is read again", () => {
      const timeline = read(text);
      expect(read(textOfTimeline(timeline))).toEqual(timeline);
      expect(read(textOfTimeline(timeline, "\n"))).toEqual(timeline);
    });
  },
);

test.each(/** @type {string[]} */ (KNOWN.refused))("%j is no timeline", (text) => {
  expect(timelineFromText(text)).toBe(null);
});

test("a keyframe that comes to the frame of another replaces it", () => {
  const timeline = read("0: 2m; 5: 1m; 9: 4m");
  const [, middle] = timeline.keyframes;
  const moved = changed(timeline, middle, { ...middle, frame: 9 });
  expect(textOfTimeline(moved)).toBe("0: 2m; 9: 1m");
  expect(textOfTimeline(changed(timeline, middle, null))).toBe("0: 2m; 9: 4m");
});
