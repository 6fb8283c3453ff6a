/** A line of a chart. */
export interface Series {
  /** As the legend has it. */
  readonly name: string;
  /** CSS colour. */
  readonly colour: string;
  /** Points by step, ascending. */
  readonly points: readonly (readonly [step: number, value: number])[];
  /** Whether to draw it faintly, for noisy values. */
  readonly faint?: boolean;
}

const WIDTH = 720;
const HEIGHT = 240;
const LEFT = 64;
const BOTTOM = 28;
const TOP = 12;
/** Above this many points, groups are averaged: a chart has no more pixels. */
const MOST_POINTS = 700;

/** A chart of values by step, as SVG. Values are drawn on a logarithmic axis if `log` says so. */
export function lineChart(title: string, series: readonly Series[], log = false): string {
  const drawn = series.map((line) => ({ ...line, points: thinned(line.points) }))
    .filter(({ points }) => points.length > 0);
  const values = drawn.flatMap(({ points }) => points.map(([, value]) => value))
    .filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (values.length === 0) return "";
  const steps = drawn.flatMap(({ points }) => points.map(([step]) => step));
  const scale = (value: number) => log ? Math.log10(value) : value;
  const [low, high] = padded(scale(Math.min(...values)), scale(Math.max(...values)));
  const [first, last] = [Math.min(...steps), Math.max(...steps, Math.min(...steps) + 1)];
  const x = (step: number) => LEFT + (step - first) / (last - first) * (WIDTH - LEFT - 8);
  const y = (value: number) => TOP + (high - scale(value)) / (high - low) * (HEIGHT - TOP - BOTTOM);
  const lines = drawn.map(({ points, colour, faint }) => {
    const path = points.filter(([, value]) => Number.isFinite(value) && (!log || value > 0))
      .map(([step, value], i) => `${i ? "L" : "M"}${x(step).toFixed(1)} ${y(value).toFixed(1)}`);
    const style = faint ? ` stroke-opacity="0.3"` : ` stroke-width="2"`;
    const dot = points.length === 1 ? ` stroke-linecap="round" stroke-width="5"` : style;
    return `<path d="${path.join("")}${
      points.length === 1 ? "h0" : ""
    }" fill="none" stroke="${colour}"${dot}/>`;
  });
  const ticks = [0, 1, 2, 3, 4].map((i) => low + (high - low) * i / 4);
  const grid = ticks.map((tick) => {
    const value = log ? 10 ** tick : tick;
    const at = y(value).toFixed(1);
    return `<line x1="${LEFT}" x2="${WIDTH - 8}" y1="${at}" y2="${at}" class="grid"/>` +
      `<text x="${LEFT - 8}" y="${Number(at) + 4}" text-anchor="end">${short(value)}</text>`;
  });
  const ends = [first, Math.round((first + last) / 2), last].map((step, i) =>
    `<text x="${x(step).toFixed(1)}" y="${HEIGHT - 8}" text-anchor="${
      ["start", "middle", "end"][i]
    }">${step}</text>`
  );
  const legend = drawn.filter(({ name }) => name !== "").map(({ name, colour }) =>
    `<span><i style="background:${colour}"></i>${name}</span>`
  );
  return `<figure><figcaption>${title} ${legend.join(" ")}</figcaption>` +
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${title}">` +
    `${grid.join("")}${ends.join("")}${lines.join("")}</svg></figure>`;
}

/** The mean of the last `span` values at each step. */
export function runningMean(
  points: readonly (readonly [number, number])[],
  span: number,
): [number, number][] {
  let sum = 0;
  return points.map(([step, value], i) => {
    sum += value - (i >= span ? points[i - span]![1] : 0);
    return [step, sum / Math.min(i + 1, span)];
  });
}

function thinned(points: Series["points"]): Series["points"] {
  const group = Math.ceil(points.length / MOST_POINTS);
  if (group <= 1) return points;
  return Array.from({ length: Math.ceil(points.length / group) }, (_, i) => {
    const part = points.slice(i * group, (i + 1) * group);
    return [
      part.at(-1)![0],
      part.reduce((sum, [, value]) => sum + value, 0) / part.length,
    ] as const;
  });
}

function padded(low: number, high: number): [number, number] {
  const margin = (high - low) * 0.05 || Math.abs(high) * 0.1 || 1;
  return [low - margin, high + margin];
}

function short(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e5)) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
