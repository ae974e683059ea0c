// Puts the curve editor on Rack Focus Timeline: it reads and writes the text of the keyframes.

import {
  addElement,
  after,
  grow,
  isLinked,
  onNodeCreated,
  recordUndo,
  setWidget,
  widgetOf,
} from "./shared/comfy.js";
import { useStyles } from "./shared/elements.js";
import { TimelineEditor } from "./timeline/editor.js";
import { textOfTimeline, timelineFromText } from "./timeline/keyframes.js";

const MIN_HEIGHT_PX = 222;
/** @type {[number, number]} */
const START_SIZE = [480, 460];

onNodeCreated("FocusPuller.RackFocusTimeline", "FocusPullerRackFocusTimeline", (node) => {
  useStyles();
  const textNow = () => String(widgetOf(node, "keyframes")?.value ?? "");
  let isWriting = false;
  const editor = new TimelineEditor((timeline, isDone) => {
    if (isLinked(node, "keyframes")) return show();
    const separator = textNow().includes("\n") ? "\n" : "; ";
    isWriting = true;
    setWidget(node, "keyframes", textOfTimeline(timeline, separator));
    isWriting = false;
    if (isDone) recordUndo();
  });
  const show = () => {
    if (isWriting) return;
    editor.show(timelineFromText(textNow()), Number(widgetOf(node, "frames")?.value) || 0);
  };
  addElement(node, "rack_focus_timeline", editor.element, { minHeight: MIN_HEIGHT_PX });
  node.setSize(START_SIZE);
  for (const name of ["keyframes", "frames"]) {
    const widget = widgetOf(node, name);
    if (widget) after(widget, "callback", show);
  }
  after(node, "onConfigure", () => {
    grow(node);
    show();
  });
  after(node, "onRemoved", () => editor.dispose());
  show();
});
