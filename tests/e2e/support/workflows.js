// Small graphs to test with, in the form of ComfyUI's editor.

/**
 * With what older frontends want of every node.
 * @param {any} workflow
 * @returns {object}
 */
function complete(workflow) {
  const rest = { flags: {}, mode: 0, properties: {} };
  const nodes = workflow.nodes.map((/** @type {object} */ node, /** @type {number} */ order) => ({
    ...rest,
    order,
    ...node,
  }));
  return { ...workflow, nodes };
}

/** Load Photo (1), whose depth goes to link 1. */
function loadPhoto() {
  return {
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
  };
}

/**
 * Camera, 50 mm on full frame.
 * @param {{ id: number, pos: number[], size: number[], fNumber: number, link: number }} place
 * @returns {object}
 */
function camera({ id, pos, size, fNumber, link }) {
  return {
    id,
    type: "FocusPullerCamera",
    pos,
    size,
    inputs: [{ name: "photo", type: "PHOTO", link: null, shape: 7 }],
    outputs: [{ name: "camera", type: "CAMERA", links: [link] }],
    widgets_values: [fNumber, 50, 36],
  };
}

/**
 * Load Photo (1) and Focus Point (2), and a node between them (3) whose depth is only known when it
 * has run.
 * @returns {object}
 */
export function madeDepthWorkflow() {
  const workflow = /** @type {any} */ (focusWorkflow());
  workflow.nodes[1].inputs[0].link = 2;
  workflow.nodes.push({
    id: 3,
    type: "FocusPullerStabilizeDepth",
    pos: [100, 640],
    size: [320, 320],
    inputs: [{ name: "depth", type: "DEPTH", link: 1 }],
    outputs: [{ name: "depth", type: "DEPTH", links: [2] }],
    widgets_values: [0],
  });
  workflow.links = [
    [1, 1, 2, 3, 0, "DEPTH"],
    [2, 3, 0, 2, 0, "DEPTH"],
  ];
  return complete({ ...workflow, last_node_id: 3, last_link_id: 2 });
}

/**
 * Load Photo (1) and Focus Point (2), in the upper left of the canvas.
 * @returns {object}
 */
export function focusWorkflow() {
  return complete({
    last_node_id: 2,
    last_link_id: 1,
    nodes: [
      loadPhoto(),
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
  });
}

/**
 * The same, with a Defocus Map (3) that Compare (4) compares with the photo.
 * @returns {object}
 */
export function compareWorkflow() {
  const workflow = /** @type {any} */ (focusWorkflow());
  const [photo, focus] = workflow.nodes;
  photo.outputs[0].links = [4];
  photo.outputs[2].links = [1, 2];
  focus.outputs[0].links = [3];
  workflow.nodes.push(
    {
      id: 3,
      type: "FocusPullerDefocusMap",
      pos: [100, 640],
      size: [320, 320],
      inputs: [
        { name: "depth", type: "DEPTH", link: 2 },
        { name: "focus", type: "FOCUS", link: 3 },
      ],
      outputs: [
        { name: "defocus", type: "DEFOCUS", links: [6] },
        { name: "preview", type: "IMAGE", links: [5] },
      ],
      widgets_values: [20, 1],
    },
    {
      id: 4,
      type: "FocusPullerCompare",
      pos: [940, 120],
      size: [420, 500],
      inputs: [
        { name: "before", type: "IMAGE", link: 4 },
        { name: "after", type: "IMAGE", link: 5 },
        { name: "defocus", type: "DEFOCUS", link: 6 },
      ],
      outputs: [],
      widgets_values: [],
    },
  );
  workflow.links.push(
    [2, 1, 2, 3, 0, "DEPTH"],
    [3, 2, 0, 3, 1, "FOCUS"],
    [4, 1, 0, 4, 0, "IMAGE"],
    [5, 3, 1, 4, 1, "IMAGE"],
    [6, 3, 0, 4, 2, "DEFOCUS"],
  );
  return complete({ ...workflow, last_node_id: 4, last_link_id: 6 });
}

/**
 * Load Photo (1), Camera (2), Focus Distance (3) and the Defocus Map (4) that they all go to. The
 * camera does not know the photo.
 * @returns {object}
 */
export function cameraWorkflow() {
  return complete({
    last_node_id: 4,
    last_link_id: 3,
    nodes: [
      loadPhoto(),
      camera({ id: 2, pos: [480, 120], size: [400, 400], fNumber: 2.8, link: 3 }),
      {
        id: 3,
        type: "FocusPullerFocusDistance",
        pos: [480, 640],
        size: [320, 160],
        inputs: [],
        outputs: [{ name: "focus", type: "FOCUS", links: [2] }],
        widgets_values: [2, "metres", 0],
      },
      {
        id: 4,
        type: "FocusPullerDefocusMap",
        pos: [940, 120],
        size: [320, 320],
        inputs: [
          { name: "depth", type: "DEPTH", link: 1 },
          { name: "focus", type: "FOCUS", link: 2 },
          { name: "camera", type: "CAMERA", link: 3, shape: 7 },
        ],
        outputs: [
          { name: "defocus", type: "DEFOCUS", links: null },
          { name: "preview", type: "IMAGE", links: null },
        ],
        widgets_values: [20, 1],
      },
    ],
    links: [
      [1, 1, 2, 4, 0, "DEPTH"],
      [2, 3, 0, 4, 1, "FOCUS"],
      [3, 2, 0, 4, 2, "CAMERA"],
    ],
    groups: [],
    config: {},
    extra: {},
    version: 0.4,
  });
}

/**
 * Rack Focus Timeline (1) alone, with 49 frames.
 * @returns {object}
 */
export function timelineWorkflow() {
  return complete({
    last_node_id: 1,
    last_link_id: 0,
    nodes: [
      {
        id: 1,
        type: "FocusPullerRackFocusTimeline",
        pos: [100, 120],
        size: [520, 480],
        inputs: [{ name: "camera", type: "CAMERA", link: null, shape: 7 }],
        outputs: [
          { name: "focus", type: "FOCUS", links: null },
          { name: "camera", type: "CAMERA", links: null },
        ],
        widgets_values: ["0: 2m f/2; 24: 2m; 48: 0.7m f/4", 49],
      },
    ],
    links: [],
    groups: [],
    config: {},
    extra: {},
    version: 0.4,
  });
}

/**
 * Load Photo (1), Focus Point (2), Defocus Map (3) with a Camera (5), and Render Bokeh (6) with an
 * Aperture (7), compared with the photo by Compare (4).
 * @returns {object}
 */
export function renderWorkflow() {
  const workflow = /** @type {any} */ (compareWorkflow());
  const [photo, , map, compare] = workflow.nodes;
  photo.outputs[0].links = [4, 7];
  map.inputs.push(
    { name: "camera", type: "CAMERA", link: 9 },
    { name: "image", type: "IMAGE", link: 12 },
  );
  map.outputs[1].links = [];
  map.outputs[0].links = [6, 8];
  workflow.nodes[1].widgets_values = [0.24, 0.75, 0, ""];
  compare.inputs[1].link = 11;
  compare.pos = [1500, 120];
  workflow.nodes.push(
    camera({ id: 5, pos: [100, 1000], size: [320, 200], fNumber: 1.4, link: 9 }),
    {
      id: 6,
      type: "FocusPullerRenderBokeh",
      pos: [660, 60],
      size: [560, 620],
      inputs: [
        { name: "image", type: "IMAGE", link: 7 },
        { name: "defocus", type: "DEFOCUS", link: 8 },
        { name: "lens", type: "LENS", link: null },
        { name: "aperture", type: "APERTURE", link: 10 },
      ],
      outputs: [{ name: "rendered", type: "IMAGE", links: [11] }],
      widgets_values: [false],
    },
    {
      id: 7,
      type: "FocusPullerAperture",
      pos: [480, 1000],
      size: [320, 400],
      inputs: [],
      outputs: [{ name: "aperture", type: "APERTURE", links: [10] }],
      widgets_values: [7, 0, 0.3, 1, 0, 0, 0, 0, 0],
    },
  );
  workflow.nodes[1].pos = [100, 1500];
  workflow.links = workflow.links.filter((/** @type {any[]} */ [id]) => id !== 5);
  workflow.links.push(
    [7, 1, 0, 6, 0, "IMAGE"],
    [8, 3, 0, 6, 1, "DEFOCUS"],
    [9, 5, 0, 3, 2, "CAMERA"],
    [10, 7, 0, 6, 3, "APERTURE"],
    [11, 6, 0, 4, 1, "IMAGE"],
    [12, 1, 0, 3, 3, "IMAGE"],
  );
  photo.outputs[0].links.push(12);
  return complete({ ...workflow, last_node_id: 7, last_link_id: 12 });
}
