// The shaders. A surface is a colour in linear light with its signed blur radius in alpha.

const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
`;

/** A triangle that covers everything. */
export const EVERYWHERE = `${HEAD}
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  gl_Position = vec4(4.0 * corner - 1.0, 0.0, 1.0);
}`;

// Beyond the frame goes on what is at its edge.
const FRAME = `
ivec2 within(sampler2D map, ivec2 place) {
  return clamp(place, ivec2(0), textureSize(map, 0) - 1);
}
vec4 at(sampler2D map, ivec2 place) { return texelFetch(map, within(map, place), 0); }
`;

// As lens/layered/background.py and lens/layered/film.py have it.
const GAP = `
const float LEAST_GAP = 2.0;
const float MOST_SLOPE = 0.4;
float gapFor(float slope, float radius) {
  return LEAST_GAP + min(slope, MOST_SLOPE) * abs(radius);
}
`;

/** Picture and depth to surfaces. */
export const SURFACE = `${HEAD}${FRAME}
uniform sampler2D picture;
uniform sampler2D disparity;
uniform vec4 blur; // level, near, far, limit
uniform vec2 size;
out vec4 surface;
float linear(float coded) {
  return coded <= 0.04045 ? coded / 12.92 : pow((coded + 0.055) / 1.055, 2.4);
}
void main() {
  vec2 place = gl_FragCoord.xy / size;
  vec3 coded = texelFetch(picture, ivec2(gl_FragCoord.xy), 0).rgb;
  float here = at(disparity, ivec2(place * vec2(textureSize(disparity, 0)))).r;
  float radius = blur.x * (here - min(max(here, blur.z), blur.y));
  surface = vec4(linear(coded.r), linear(coded.g), linear(coded.b), clamp(radius, -blur.w, blur.w));
}`;

/** Depth edges: slope without edges, what is no edge, what is one, the nearest radius close by. */
export const EDGES = `${HEAD}${FRAME}
const float EDGE_STEP = 1.0;
uniform sampler2D surfaces;
out vec4 edges;
void main() {
  ivec2 place = ivec2(gl_FragCoord.xy);
  float nearest = -1e9, farthest = 1e9, silhouette = -1e9;
  for (int y = -2; y <= 2; y++) {
    for (int x = -2; x <= 2; x++) {
      float radius = at(surfaces, place + ivec2(x, y)).a;
      silhouette = max(silhouette, radius);
      if (max(abs(x), abs(y)) > 1) continue;
      nearest = max(nearest, radius);
      farthest = min(farthest, radius);
    }
  }
  float isEdge = nearest - farthest > EDGE_STEP ? 1.0 : 0.0;
  edges = vec4((1.0 - isEdge) * (nearest - farthest) / 2.0, 1.0 - isEdge, isEdge, silhouette);
}`;

/** The mean slope along rows or columns; across both, it is that of a window. */
export const SLOPE = `${HEAD}${FRAME}
const int REACH = 4;
uniform sampler2D edges;
uniform ivec2 along;
out vec4 slopes;
void main() {
  ivec2 place = ivec2(gl_FragCoord.xy);
  vec2 sum = vec2(0.0);
  for (int i = -REACH; i <= REACH; i++) sum += at(edges, place + i * along).xy;
  slopes = vec4(sum / float(2 * REACH + 1), at(edges, place).zw);
}`;

/**
 * The least (direction −1) or the largest slope (direction 1) along rows or columns. First the least and then the
 * largest in both directions: a lone step, as at a crease, is no slope and hides what is behind it.
 */
export const SPREAD = `${HEAD}${FRAME}
const int REACH = 5;
uniform sampler2D edges;
uniform ivec2 along;
uniform float direction;
out vec4 slopes;
float slopeAt(ivec2 place) {
  vec2 sum = at(edges, place).xy;
  return sum.x / max(sum.y, 1e-3);
}
void main() {
  ivec2 place = ivec2(gl_FragCoord.xy);
  float most = direction * slopeAt(place);
  for (int i = -REACH; i <= REACH; i++) most = max(most, direction * slopeAt(place + i * along));
  slopes = vec4(direction * most, 1.0, at(edges, place).zw);
}`;

/** Where the background goes on from: pixels just behind a silhouette. */
export const SEEDS = `${HEAD}${FRAME}${GAP}
uniform sampler2D surfaces;
uniform sampler2D edges;
out vec4 seed; // its column, row and radius, and 1; -1: none
void main() {
  ivec2 place = ivec2(gl_FragCoord.xy);
  float nearEdge = 0.0;
  for (int y = -1; y <= 1; y++) {
    for (int x = -1; x <= 1; x++) nearEdge = max(nearEdge, at(edges, place + ivec2(x, y)).z);
  }
  float radius = at(surfaces, place).a;
  bool isBeside = nearEdge > 0.0 && at(edges, place).w - radius > LEAST_GAP;
  seed = isBeside ? vec4(vec2(place), radius, 1.0) : vec4(-1.0);
}`;

/** The nearest seed that is farther away than a pixel's own surface: one step of jump flooding. */
export const FLOOD = `${HEAD}${FRAME}${GAP}
uniform sampler2D surfaces;
uniform sampler2D edges;
uniform sampler2D seeds;
uniform int stride;
out vec4 seed;
void main() {
  ivec2 place = ivec2(gl_FragCoord.xy);
  float own = at(surfaces, place).a;
  vec2 slope = at(edges, place).xy;
  float steep = slope.x / max(slope.y, 1e-3);
  seed = at(seeds, place);
  if (seed.xy == vec2(place)) return;
  float best = seed.w > 0.0 ? distance(seed.xy, vec2(place)) : 1e9;
  for (int y = -1; y <= 1; y++) {
    for (int x = -1; x <= 1; x++) {
      vec4 other = at(seeds, place + stride * ivec2(x, y));
      if (other.w <= 0.0 || other.z >= own - gapFor(steep, other.z)) continue;
      // What goes on behind a surface goes on behind nothing that is much farther than it.
      if (own <= (other.z + at(edges, ivec2(other.xy)).w) / 2.0) continue;
      float away = distance(other.xy, vec2(place));
      if (away < best) { best = away; seed = other; }
    }
  }
}`;

/** What is hidden behind each pixel: half a copy of the nearest, half a mean around it. */
export const HIDDEN = `${HEAD}${FRAME}
const int TURNS = 16;
uniform sampler2D surfaces;
uniform sampler2D seeds;
uniform float reach;
out vec4 hidden; // alpha: its radius, NOTHING where nothing is known
const float NOTHING = -30000.0;
void main() {
  ivec2 place = ivec2(gl_FragCoord.xy);
  vec4 seed = at(seeds, place);
  float away = distance(seed.xy, vec2(place));
  bool isOwn = away == 0.0;
  if (seed.w <= 0.0 || isOwn || away > reach) { hidden = vec4(vec3(0.0), NOTHING); return; }
  vec3 copy = at(surfaces, ivec2(seed.xy)).rgb;
  vec4 sum = vec4(copy, 1.0);
  for (int i = 0; i < TURNS; i++) {
    float turn = 2.399963 * float(i);
    float far = away * sqrt((float(i) + 0.5) / float(TURNS));
    vec4 other = at(seeds, place + ivec2(round(far * vec2(cos(turn), sin(turn)))));
    if (other.w <= 0.0 || abs(other.z - seed.z) > 4.0) continue;
    sum += vec4(at(surfaces, ivec2(other.xy)).rgb, 1.0);
  }
  hidden = vec4(mix(copy, sum.rgb / sum.w, 0.5), seed.z);
}`;

export const BATCH = 64;

/**
 * Light that reaches each pixel from others: from surfaces in front of its own, from its own, and
 * from what is behind it.
 */
export const GATHER = `${HEAD}${FRAME}${GAP}
const float NOTHING = -30000.0;
uniform sampler2D surfaces;
uniform sampler2D hidden;
uniform sampler2D edges;
uniform sampler2D areas;
uniform vec3 areaTable; // reach in px, steps per px, area of a radius of 1
uniform bool isCore;
uniform float obstruction;
uniform int count;
uniform vec4 samples[${BATCH}]; // dx, dy, weight, steepness
uniform vec4 rays[${BATCH}]; // rim behind and in front of the focus, distance
layout(location = 0) out vec4 front;
layout(location = 1) out vec4 same;
layout(location = 2) out vec4 behind;

// 0.5 + 0.5 tanh(4 x), which takes longer.
float softened(float inside) { return 1.0 / (1.0 + exp(-8.0 * inside)); }

float areaOf(float radius) {
  // A disc that reaches farther than the core is as large as its shape; a smaller one has few pixels.
  if (!isCore) return areaTable.z * radius * radius;
  float step = min(radius, areaTable.x) * areaTable.y;
  int below = int(step);
  float low = texelFetch(areas, ivec2(below, 0), 0).r;
  float high = texelFetch(areas, within(areas, ivec2(below + 1, 0)), 0).r;
  float beyond = max(radius / areaTable.x, 1.0);
  return mix(low, high, fract(step)) * beyond * beyond;
}

float spread(float signedRadius, vec4 ray, float steepness) {
  float radius = abs(signedRadius);
  float inside = (radius * (signedRadius > 0.0 ? ray.y : ray.x) - ray.z) / steepness;
  if (inside < -1.2) return 0.0;
  float open = softened(inside);
  if (obstruction > 0.0) {
    float hole = obstruction * radius;
    float fade = min(1.0, 4.0 * hole * hole);
    open = max(0.0, open - fade * softened((hole - ray.z) / steepness));
  }
  return open / areaOf(radius);
}

// Whether a difference of depth is beyond a gap; not all at once, which would draw a line.
float beyond(float gaps) { return smoothstep(0.5, 1.5, gaps); }

void main() {
  ivec2 place = ivec2(gl_FragCoord.xy);
  float own = at(surfaces, place).a;
  vec2 sloping = at(edges, place).xy;
  float slope = sloping.x / max(sloping.y, 1e-3);
  float frontGap = gapFor(slope, own);
  front = vec4(0.0);
  same = vec4(0.0);
  behind = vec4(0.0);
  for (int i = 0; i < count; i++) {
    vec4 offset = samples[i];
    vec4 ray = rays[i];
    ivec2 source = place - ivec2(offset.xy);
    vec4 shown = at(surfaces, source);
    float weight = offset.z * spread(shown.a, ray, offset.w);
    vec4 light = weight * vec4(shown.rgb, 1.0);
    float isFront = beyond((shown.a - own) / frontGap);
    float isBehind = beyond((own - shown.a) / gapFor(slope, shown.a));
    front += isFront * light;
    behind += isBehind * light;
    same += (1.0 - isFront - isBehind) * light;
    vec4 covered = at(hidden, source);
    if (covered.a <= NOTHING || covered.a > own + frontGap) continue;
    light = offset.z * spread(covered.a, ray, offset.w) * vec4(covered.rgb, 1.0);
    isBehind = beyond((own - covered.a) / gapFor(slope, covered.a));
    behind += isBehind * light;
    same += (1.0 - isBehind) * light;
  }
}`;

/** Near over far, and from linear light to sRGB. */
export const RESOLVE = `${HEAD}
uniform sampler2D coreFront;
uniform sampler2D coreSame;
uniform sampler2D coreBehind;
uniform sampler2D outerFront;
uniform sampler2D outerSame;
uniform sampler2D outerBehind;
uniform sampler2D surfaces;
uniform float share; // 1 / number of outer samples
uniform float rows;
out vec4 pixel;
const float LEAST_OPENING = 0.04;

vec4 total(sampler2D core, sampler2D outer, ivec2 place) {
  vec4 sum = texelFetch(core, place, 0);
  if (share > 0.0) sum += share * texelFetch(outer, place, 0);
  return sum / max(1.0, sum.a);
}
float opening(float covered) {
  return clamp((1.0 - covered - LEAST_OPENING) / (1.0 - LEAST_OPENING), 0.0, 1.0);
}
float coded(float light) {
  return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1.0 / 2.4) - 0.055;
}
void main() {
  ivec2 place = ivec2(gl_FragCoord.x, rows - gl_FragCoord.y);
  vec4 front = total(coreFront, outerFront, place);
  vec4 same = total(coreSame, outerSame, place);
  vec4 behind = total(coreBehind, outerBehind, place);
  vec4 sum = front + opening(front.a) * same + opening(front.a + same.a) * behind;
  vec3 light = sum.a > 1e-3 ? sum.rgb / sum.a : texelFetch(surfaces, place, 0).rgb;
  light = clamp(light, 0.0, 1.0);
  pixel = vec4(coded(light.r), coded(light.g), coded(light.b), 1.0);
}`;
