// One picture through a lens, ever finer: the passes of shaders.js in their order.

import { AREA_REACH, AREA_STEPS, discAreas, rayAt } from "./aperture.js";
import { largestRadius } from "./optics.js";
import { CORE, coreSamples, outerSamples, samplesFor } from "./sampling.js";
import {
  BATCH,
  EDGES,
  FLOOD,
  GATHER,
  HIDDEN,
  RESOLVE,
  SEEDS,
  SLOPE,
  SPREAD,
  SURFACE,
} from "./shaders.js";

/** @typedef {import("./gl.js").Graphics} Graphics */
/** @typedef {import("./gl.js").Target} Target */
/** @typedef {import("./gl.js").Texture} Texture */
/** @typedef {import("./aperture.js").Iris} Iris */
/** @typedef {import("./optics.js").Blur} Blur */
/** @typedef {import("./sampling.js").Sample} Sample */
/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {import("../shared/depth_map.js").DepthMap} DepthMap */

/** Picture and depth on the graphics card. Free it with `dispose`. */
export class Scene {
  /**
   * @param {Graphics} graphics
   * @param {CanvasImageSource} picture sRGB
   * @param {DepthMap} depth
   */
  constructor(graphics, picture, depth) {
    this.graphics = graphics;
    this.picture = picture;
    this.depth = depth;
    this.disparity = graphics.texture(depth, graphics.gl.R32F, depth.disparity);
    /** @type {Map<string, Texture>} The picture at the sizes that were asked for. */
    this._sizes = new Map();
  }

  /** @param {Size} size */
  pictureAt({ width, height }) {
    const key = `${width}×${height}`;
    const known = this._sizes.get(key);
    if (known) return known;
    const canvas = Object.assign(document.createElement("canvas"), { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    if (!context) throw new Error("This browser has no canvas.");
    context.imageSmoothingQuality = "high";
    context.drawImage(this.picture, 0, 0, width, height);
    const { gl } = this.graphics;
    const made = this.graphics.texture({ width, height }, gl.RGBA8, canvas);
    this._sizes.set(key, made);
    return made;
  }

  dispose() {
    this.graphics.free(this.disparity, ...this._sizes.values());
    this._sizes.clear();
  }
}

/** A scene through a lens, at one size. Free it with `dispose`. */
export class LensPicture {
  /**
   * @param {Scene} scene
   * @param {Size} size
   * @param {Blur} blur Of a picture of this size.
   * @param {Iris} iris
   */
  constructor(scene, size, blur, iris) {
    this.graphics = scene.graphics;
    this.size = size;
    this.iris = iris;
    this.radius = largestRadius(scene.depth, blur);
    /** How many outer samples there are, and how many make it finished. */
    this.samples = 0;
    this.wanted = samplesFor(this.radius);
    const { graphics } = this;
    const { gl } = graphics;
    this._surfaces = graphics.target(size);
    this._edges = graphics.target(size);
    this._hidden = graphics.target(size);
    this._core = graphics.target(size, 3);
    this._outer = graphics.target(size, 3, graphics.sumFormat);
    const areas = discAreas(iris);
    this._unitArea = areas[areas.length - 1] / AREA_REACH ** 2;
    this._areas = graphics.texture({ width: areas.length, height: 1 }, gl.R32F, areas);
    this._prepare(scene, blur);
    graphics.clear(this._core);
    graphics.clear(this._outer);
    this._gather(this._core, coreSamples());
  }

  /** What it has taken so far: pixels times samples. */
  get work() {
    const { width, height } = this.size;
    return width * height * (this.samples + (2 * CORE + 1) ** 2);
  }

  get isFinished() {
    return this.samples >= this.wanted;
  }

  /** @param {number} count Of outer samples; fewer where fewer are wanted. */
  refine(count) {
    const samples = Math.min(count, this.wanted - this.samples);
    this._gather(this._outer, outerSamples(this.samples, samples, this.radius));
    this.samples += samples;
  }

  /** Show it on the canvas of the graphics. */
  show() {
    const [coreFront, coreSame, coreBehind] = this._core.textures;
    const [outerFront, outerSame, outerBehind] = this._outer.textures;
    this.graphics.draw(RESOLVE, this.size, {
      coreFront,
      coreSame,
      coreBehind,
      outerFront,
      outerSame,
      outerBehind,
      surfaces: this._surfaces.textures[0],
      share: this.samples > 0 ? 1 / this.samples : 0,
      rows: this.size.height,
    });
  }

  dispose() {
    const { _surfaces, _edges, _hidden, _core, _outer, _areas } = this;
    this.graphics.free(_surfaces, _edges, _hidden, _core, _outer, _areas);
  }

  /**
   * Surfaces, edges, and what is hidden behind them.
   * @param {Scene} scene
   * @param {Blur} blur
   */
  _prepare(scene, { level, near, far, limit }) {
    const { graphics, size } = this;
    graphics.draw(SURFACE, this._surfaces, {
      picture: scene.pictureAt(size),
      disparity: scene.disparity,
      blur: [level, near, far, limit],
      size: [size.width, size.height],
    });
    const surfaces = this._surfaces.textures[0];
    const other = graphics.target(size);
    graphics.draw(EDGES, this._edges, { surfaces });
    graphics.draw(SLOPE, other, { edges: this._edges.textures[0], along: [1, 0] });
    graphics.draw(SLOPE, this._edges, { edges: other.textures[0], along: [0, 1] });
    for (const direction of [-1, 1]) {
      graphics.draw(SPREAD, other, { edges: this._edges.textures[0], along: [1, 0], direction });
      graphics.draw(SPREAD, this._edges, { edges: other.textures[0], along: [0, 1], direction });
    }
    graphics.free(other);
    this._continueBackground(surfaces, this._edges.textures[0]);
  }

  /**
   * @param {Texture} surfaces
   * @param {Texture} edges
   */
  _continueBackground(surfaces, edges) {
    const { graphics, size } = this;
    // Coordinates need more bits than colours.
    let seeds = graphics.target(size, 1, graphics.gl.RGBA32F);
    let next = graphics.target(size, 1, graphics.gl.RGBA32F);
    graphics.draw(SEEDS, seeds, { surfaces, edges });
    const reach = Math.ceil(this.radius) + 1;
    for (let stride = 2 ** Math.ceil(Math.log2(reach)); stride >= 1; stride /= 2) {
      graphics.draw(FLOOD, next, { surfaces, edges, seeds: seeds.textures[0], stride });
      [seeds, next] = [next, seeds];
    }
    graphics.draw(HIDDEN, this._hidden, { surfaces, seeds: seeds.textures[0], reach });
    graphics.free(seeds, next);
  }

  /**
   * @param {Target} target
   * @param {Sample[]} samples
   */
  _gather(target, samples) {
    for (let start = 0; start < samples.length; start += BATCH) {
      const batch = samples.slice(start, start + BATCH);
      const places = new Float32Array(4 * BATCH);
      const rays = new Float32Array(4 * BATCH);
      batch.forEach(({ dx, dy, weight }, i) => {
        const { distance, rim, steepness } = rayAt(this.iris, dx, dy);
        places.set([dx, dy, weight, steepness], 4 * i);
        rays.set([rim, rayAt(this.iris, -dx, -dy).rim, distance], 4 * i);
      });
      const uniforms = {
        surfaces: this._surfaces.textures[0],
        hidden: this._hidden.textures[0],
        edges: this._edges.textures[0],
        areas: this._areas,
        areaTable: [AREA_REACH, AREA_STEPS, this._unitArea],
        isCore: Number(target === this._core),
        obstruction: this.iris.obstruction,
        count: batch.length,
        samples: places,
        rays,
      };
      this.graphics.draw(GATHER, target, uniforms, { adds: true });
    }
  }
}
