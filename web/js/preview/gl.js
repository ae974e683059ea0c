// WebGL2 for all previews of the page together: a browser allows only a few contexts. Draws passes
// over whole textures, nothing else.

import { EVERYWHERE } from "./shaders.js";

/** @typedef {import("../shared/view.js").Size} Size */
/** @typedef {number | readonly number[] | Float32Array | Texture} Uniform */
/** @typedef {{ texture: WebGLTexture, width: number, height: number }} Texture */
/** @typedef {{ framebuffer: WebGLFramebuffer, textures: Texture[], width: number, height: number }} Target */

// Names of renderers without a graphics card.
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;

export class Graphics {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    const gl = canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      depth: false,
      powerPreference: "high-performance",
      preserveDrawingBuffer: true,
    });
    if (!gl) throw new Error("This browser has no WebGL2.");
    this.gl = gl;
    this.canvas = canvas;
    if (!gl.getExtension("EXT_color_buffer_float")) {
      throw new Error("This graphics card cannot draw floating point numbers.");
    }
    // Sums of many samples want 32 bits; 16 do where the card cannot add those up.
    this.sumFormat = gl.getExtension("EXT_float_blend") ? gl.RGBA32F : gl.RGBA16F;
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    const name = gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER);
    this.isSoftware = SOFTWARE.test(String(name));
    /** @type {Map<string, Program>} By the text of the shader. */
    this._programs = new Map();
  }

  get isLost() {
    return this.gl.isContextLost();
  }

  /**
   * A texture, to be read pixel by pixel.
   * @param {Size} size
   * @param {number} format Sized internal format.
   * @param {TexImageSource | Float32Array | null} [content] Of RGBA8 a picture, of R32F numbers.
   * @returns {Texture}
   */
  texture({ width, height }, format, content = null) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
    if (content === null) {
      gl.texStorage2D(gl.TEXTURE_2D, 1, format, width, height);
    } else if (content instanceof Float32Array) {
      gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, gl.RED, gl.FLOAT, content);
    } else {
      gl.texImage2D(gl.TEXTURE_2D, 0, format, gl.RGBA, gl.UNSIGNED_BYTE, content);
    }
    return { texture, width, height };
  }

  /**
   * What passes draw into.
   * @param {Size} size
   * @param {number} [count] Of textures.
   * @param {number} [format]
   * @returns {Target}
   */
  target({ width, height }, count = 1, format = this.gl.RGBA16F) {
    const { gl } = this;
    const textures = Array.from({ length: count }, () => this.texture({ width, height }, format));
    const framebuffer = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    const slots = textures.map((_, i) => gl.COLOR_ATTACHMENT0 + i);
    textures.forEach(({ texture }, i) =>
      gl.framebufferTexture2D(gl.FRAMEBUFFER, slots[i], gl.TEXTURE_2D, texture, 0),
    );
    gl.drawBuffers(slots);
    return { framebuffer, textures, width, height };
  }

  /** @param {...(Target | Texture | null)} things */
  free(...things) {
    const { gl } = this;
    for (const thing of things) {
      if (!thing) continue;
      if ("texture" in thing) {
        gl.deleteTexture(thing.texture);
      } else {
        thing.textures.forEach(({ texture }) => gl.deleteTexture(texture));
        gl.deleteFramebuffer(thing.framebuffer);
      }
    }
  }

  /**
   * Set a target to zero.
   * @param {Target} target
   */
  clear({ framebuffer }) {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }

  /**
   * Run a fragment shader for every pixel.
   * @param {string} shader
   * @param {Target | Size} target A size: the canvas, which gets that size.
   * @param {Record<string, Uniform>} uniforms
   * @param {{ adds?: boolean }} [options] adds: to what is there.
   */
  draw(shader, target, uniforms, { adds = false } = {}) {
    const { gl, canvas } = this;
    const { width, height } = target;
    const onCanvas = !("framebuffer" in target);
    if (onCanvas && (canvas.width !== width || canvas.height !== height)) {
      Object.assign(canvas, { width, height });
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, onCanvas ? null : target.framebuffer);
    gl.viewport(0, 0, width, height);
    if (adds) gl.enable(gl.BLEND);
    else gl.disable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE);
    this._program(shader).use(uniforms);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  /** @param {string} shader */
  _program(shader) {
    const known = this._programs.get(shader);
    if (known) return known;
    const made = new Program(this.gl, shader);
    this._programs.set(shader, made);
    return made;
  }
}

/** A fragment shader with its uniforms. */
class Program {
  /**
   * @param {WebGL2RenderingContext} gl
   * @param {string} shader
   */
  constructor(gl, shader) {
    this.gl = gl;
    this.program = gl.createProgram();
    for (const [kind, text] of /** @type {const} */ ([
      [gl.VERTEX_SHADER, EVERYWHERE],
      [gl.FRAGMENT_SHADER, shader],
    ])) {
      const part = /** @type {WebGLShader} */ (gl.createShader(kind));
      gl.shaderSource(part, text);
      gl.compileShader(part);
      gl.attachShader(this.program, part);
    }
    gl.linkProgram(this.program);
    if (!gl.getProgramParameter(this.program, gl.LINK_STATUS) && !gl.isContextLost()) {
      const logs = gl.getAttachedShaders(this.program) ?? [];
      throw new Error(logs.map((part) => gl.getShaderInfoLog(part)).join("\n"));
    }
    /** @type {Map<string, { place: WebGLUniformLocation | null, type: number }>} */
    this.uniforms = new Map();
    const count = gl.getProgramParameter(this.program, gl.ACTIVE_UNIFORMS) ?? 0;
    for (let i = 0; i < count; i++) {
      const { name, type } = /** @type {WebGLActiveInfo} */ (gl.getActiveUniform(this.program, i));
      const place = gl.getUniformLocation(this.program, name);
      this.uniforms.set(name.replace("[0]", ""), { place, type });
    }
  }

  /** @param {Record<string, Uniform>} values */
  use(values) {
    const { gl } = this;
    gl.useProgram(this.program);
    let unit = 0;
    for (const [name, { place, type }] of this.uniforms) {
      const value = values[name];
      if (typeof value === "object" && "texture" in value) {
        gl.activeTexture(gl.TEXTURE0 + unit);
        gl.bindTexture(gl.TEXTURE_2D, value.texture);
        gl.uniform1i(place, unit++);
      } else {
        this._set(place, type, typeof value === "number" ? [value] : value);
      }
    }
  }

  /**
   * @param {WebGLUniformLocation | null} place
   * @param {number} type
   * @param {readonly number[] | Float32Array} values
   */
  _set(place, type, values) {
    const { gl } = this;
    if (type === gl.INT || type === gl.BOOL) gl.uniform1iv(place, values);
    else if (type === gl.INT_VEC2) gl.uniform2iv(place, values);
    else if (type === gl.FLOAT) gl.uniform1fv(place, values);
    else if (type === gl.FLOAT_VEC2) gl.uniform2fv(place, values);
    else if (type === gl.FLOAT_VEC3) gl.uniform3fv(place, values);
    else gl.uniform4fv(place, values);
  }
}
