// The keyframes of Rack Focus Timeline: read, written, and what is between them, as in
// lens/rack_focus.py. A test compares the numbers.

/**
 * @typedef {object} Keyframe
 * @property {number} frame
 * @property {number | null} disparity Of the focus: 1/m, or relative.
 * @property {number | null} fNumber
 * @property {boolean} isLinear Of the moves that end here.
 */
/**
 * @typedef {object} Timeline
 * @property {boolean} isMetric
 * @property {Keyframe[]} keyframes In order.
 */
/** @typedef {"disparity" | "fNumber"} Track */

export const MAX_FRAMES = 10000;
const NUMBER = String.raw`(?:\d+\.?\d*|\.\d+)`;
const KEYFRAME = new RegExp(
  String.raw`^(\d+)\s*:(?:\s*(?:(${NUMBER})\s*m|(inf)|(${NUMBER}))(?=\s|$))?` +
    String.raw`(?:\s*f\/(${NUMBER})(?=\s|$))?(?:\s*(smooth|linear))?$`,
  "i",
);

/**
 * @param {string} text
 * @returns {Timeline | null} null: it is none.
 */
export function timelineFromText(text) {
  const entries = text.split(/[;\n]/).map((entry) => entry.trim());
  const found = entries.filter((entry) => entry).map(keyframeFromText);
  const keyframes = found.filter((each) => each !== null).sort((a, b) => a.frame - b.frame);
  const kinds = new Set(keyframes.map((each) => each.isMetric).filter((kind) => kind !== null));
  const frames = new Set(keyframes.map((each) => each.frame));
  const last = keyframes.at(-1)?.frame ?? 0;
  if (found.includes(null) || frames.size < found.length || last >= MAX_FRAMES) return null;
  if (kinds.size !== 1) return null;
  return {
    isMetric: kinds.has(true),
    keyframes: keyframes.map(({ frame, disparity, fNumber, isLinear }) => ({
      ...{ frame, disparity, fNumber, isLinear },
    })),
  };
}

/** @param {string} entry */
function keyframeFromText(entry) {
  const match = KEYFRAME.exec(entry);
  if (!match) return null;
  const [, frame, metres, infinite, relative, fNumber, easing] = match;
  const disparity = disparityFrom(metres, infinite, relative);
  const isMetric = disparity === null ? null : !relative;
  const isFocus = disparity === null || (disparity >= 0 && disparity < (relative ? 1.0001 : 1e9));
  if (!isFocus || Number(fNumber) === 0 || (disparity === null && !fNumber)) return null;
  return {
    frame: Number(frame),
    disparity,
    isMetric,
    fNumber: fNumber ? Number(fNumber) : null,
    isLinear: easing?.toLowerCase() === "linear",
  };
}

/**
 * @param {string | undefined} metres
 * @param {string | undefined} infinite
 * @param {string | undefined} relative
 */
function disparityFrom(metres, infinite, relative) {
  if (infinite) return 0;
  if (metres) return 1 / Number(metres);
  return relative ? Number(relative) : null;
}

/**
 * @param {Timeline} timeline
 * @param {string} [separator]
 */
export function textOfTimeline({ isMetric, keyframes }, separator = "; ") {
  const entries = keyframes.map(({ frame, disparity, fNumber, isLinear }) =>
    [
      `${frame}:`,
      disparity !== null && focusText(disparity, isMetric),
      fNumber !== null && `f/${fNumber}`,
      isLinear && "linear",
    ]
      .filter((part) => part)
      .join(" "),
  );
  return entries.join(separator);
}

/**
 * A focus as it is written: 2m, inf, or 0.4.
 * @param {number} disparity
 * @param {boolean} isMetric
 */
export function focusText(disparity, isMetric) {
  if (!isMetric) return String(Number(disparity.toFixed(3)));
  return disparity > 1e-6 ? `${Number((1 / disparity).toPrecision(3))}m` : "inf";
}

/**
 * The value of a track at a frame.
 * @param {Timeline} timeline
 * @param {Track} track
 * @param {number} frame
 * @returns {number | null} null: no keyframe sets it.
 */
export function valueAtFrame({ keyframes }, track, frame) {
  const keys = keyframes.filter((each) => each[track] !== null);
  const after = keys.findIndex((each) => each.frame > frame);
  if (keys.length === 0) return null;
  if (after <= 0) return (after === 0 ? keys[0] : keys[keys.length - 1])[track];
  const [start, end] = [keys[after - 1], keys[after]];
  const part = (frame - start.frame) / (end.frame - start.frame);
  const moved = end.isLinear ? part : part * part * (3 - 2 * part);
  const [from, to] = [Number(start[track]), Number(end[track])];
  // The focus moves evenly in disparity, the f-number in stops.
  return track === "disparity" ? from + (to - from) * moved : from * (to / from) ** moved;
}

/**
 * A timeline with another keyframe at a place; what it replaces is left out.
 * @param {Timeline} timeline
 * @param {Keyframe | null} former
 * @param {Keyframe | null} next
 * @returns {Timeline}
 */
export function changed({ isMetric, keyframes }, former, next) {
  const others = keyframes.filter((each) => each !== former && each.frame !== next?.frame);
  const all = next ? [...others, next] : others;
  return { isMetric, keyframes: all.sort((a, b) => a.frame - b.frame) };
}
