// Small graphs to test with, in the form of ComfyUI's editor.

/**
 * Load Photo (1) and Focus Point (2), in the upper left of the canvas.
 * @returns {object}
 */
export function focusWorkflow() {
  return {
    last_node_id: 2,
    last_link_id: 1,
    nodes: [
      {
        id: 1,
        type: "FocusPullerLoadPhoto",
        pos: [100, 120],
        size: [320, 420],
        inputs: [],
        outputs: [
          { name: "image", type: "IMAGE", links: null },
          { name: "mask", type: "MASK", links: null },
          { name: "depth", type: "DEPTH", links: [1] },
          { name: "camera", type: "CAMERA", links: null },
          { name: "photo", type: "PHOTO", links: null },
        ],
        widgets_values: ["focuspuller_test.jpg", "image"],
      },
      {
        id: 2,
        type: "FocusPullerFocusPoint",
        pos: [480, 120],
        size: [420, 500],
        inputs: [{ name: "depth", type: "DEPTH", link: 1 }],
        outputs: [{ name: "focus", type: "FOCUS", links: null }],
        widgets_values: [0.5, 0.5, 0, ""],
      },
    ],
    links: [[1, 1, 2, 2, 0, "DEPTH"]],
    groups: [],
    config: {},
    extra: {},
    version: 0.4,
  };
}
