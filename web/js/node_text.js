// Shows the line of text that a Focus Puller node reports after it ran (focus distance, camera,
// depth range) below its inputs.
import { app } from "../../../scripts/app.js";

const WIDGET = "focus_puller_text";
const HEIGHT_PX = 48;

function textWidget(node) {
  const existing = node.widgets?.find((widget) => widget.name === WIDGET);
  if (existing) return existing;
  const element = document.createElement("div");
  Object.assign(element.style, {
    whiteSpace: "pre-wrap",
    overflow: "auto",
    fontSize: "12px",
    opacity: "0.8",
    padding: "2px 6px",
  });
  const widget = node.addDOMWidget(WIDGET, WIDGET, element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => HEIGHT_PX,
    getMaxHeight: () => 2 * HEIGHT_PX,
  });
  widget.serialize = false;
  return widget;
}

app.registerExtension({
  name: "FocusPuller.NodeText",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith("FocusPuller")) return;
    const onExecuted = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (output) {
      onExecuted?.apply(this, arguments);
      if (!output?.text) return;
      textWidget(this).element.textContent = [].concat(output.text).join("\n");
      this.setSize?.([this.size[0], Math.max(this.size[1], this.computeSize()[1])]);
      this.setDirtyCanvas?.(true, true);
    };
  },
});
