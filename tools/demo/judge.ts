/** Judges videos of the maze by their pictures alone: does each move do what its name says? */
import { FIELD_OF_VIEW, FORWARD, LEFT, RIGHT, STAY, TURN, WALL_HEIGHT } from "./maze.ts";

const HALF_VIEW = Math.tan(FIELD_OF_VIEW / 2);
/** Factors by which a step ahead enlarges what is far and near. */
const ZOOMS = [1.03, 1.06, 1.1, 1.15, 1.2, 1.3];
/** Pictures whose values differ by less than this on average (of 255) count as equal. */
const INDISTINCT = 1.5;

/** RGB, [size, size, 3]. */
export type View = Uint8Array;

/** The kinds of step that pictures can show. */
type Seen = "left" | "right" | "stay" | "ahead" | "back";

/** Where a pixel of the new view was in the old one, both from -1 to 1 across and down. */
type Mapping = (across: number, down: number) => [number, number];

/** Where a pixel was before a turn by so many radians to the right. */
function turned(radians: number): Mapping {
  return (across, down) => {
    const angle = Math.atan(across * HALF_VIEW);
    const before = Math.tan(angle + radians) / HALF_VIEW;
    return [before, down * Math.cos(angle) / Math.cos(angle + radians)];
  };
}

function zoomed(factor: number): Mapping {
  return (across, down) => [across / factor, down / factor];
}

/** Mean difference of the values of a view and the one before it, moved by a mapping. */
function difference(before: View, after: View, mapping: Mapping): number {
  const size = Math.sqrt(after.length / 3);
  const toUnit = (at: number) => (at + 0.5) / size * 2 - 1;
  const toPixel = (at: number) => Math.floor((at + 1) / 2 * size);
  let [sum, count] = [0, 0];
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [x, y] = mapping(toUnit(column), toUnit(row)).map(toPixel) as [number, number];
      if (x < 0 || y < 0 || x >= size || y >= size) continue;
      const [from, to] = [(y * size + x) * 3, (row * size + column) * 3];
      for (let channel = 0; channel < 3; channel++) {
        sum += Math.abs(before[from + channel]! - after[to + channel]!);
        count++;
      }
    }
  }
  return sum / count;
}

/** How badly each kind of step explains what changed between two views. */
function stepErrors(before: View, after: View): Record<Seen, number> {
  const error = (mapping: Mapping) => difference(before, after, mapping);
  const least = (zooms: readonly number[]) => Math.min(...zooms.map((zoom) => error(zoomed(zoom))));
  return {
    left: error(turned(-TURN)),
    right: error(turned(TURN)),
    stay: error(zoomed(1)),
    ahead: least(ZOOMS),
    back: least(ZOOMS.map((zoom) => 1 / zoom)),
  };
}

/**
 * Kinds that a move must not resemble more than its own. A distant view hardly grows: it may stay.
 */
const MOVES: Readonly<Record<number, { readonly is: Seen; readonly not: readonly Seen[] }>> = {
  [FORWARD]: { is: "ahead", not: ["left", "right", "back"] },
  [LEFT]: { is: "left", not: ["right", "stay", "ahead", "back"] },
  [RIGHT]: { is: "right", not: ["left", "stay", "ahead", "back"] },
  [STAY]: { is: "stay", not: ["left", "right", "ahead", "back"] },
};

/** Whether a step obeyed its action; undefined if the views are too plain to judge. */
export function obeys(before: View, after: View, action: number): boolean | undefined {
  const errors = stepErrors(before, after);
  const { is, not } = MOVES[action]!;
  const other = Math.min(...not.map((seen) => errors[seen]));
  return Math.abs(other - errors[is]) < INDISTINCT ? undefined : errors[is] < other;
}

/** Steps of each kind that could be judged, and those that obeyed. */
export interface Obedience {
  readonly judged: number;
  readonly obeyed: number;
}

/**
 * Whether the steps after `first` obey; steps ahead at a wall, which lead nowhere, are left out.
 */
export function obedience(
  views: readonly View[],
  actions: readonly number[],
  action: number,
  first = 1,
): Obedience {
  let [judged, obeyed] = [0, 0];
  for (let i = first; i < views.length; i++) {
    if (actions[i] !== action || action === FORWARD && facesWall(views[i - 1]!)) continue;
    const didSo = obeys(views[i - 1]!, views[i]!, action);
    if (didSo === undefined) continue;
    judged++;
    if (didSo) obeyed++;
  }
  return { judged, obeyed };
}

/** Brightest ceiling and floor, which lie at the edges of a view; further ones are darker. */
const CEILING = [94, 110, 138];
const FLOOR = [69, 61, 53];
const TOLERANCE = 24;

/** Share of the middle half of a row that shows ceiling or floor. */
function openness(view: View, row: number): number {
  const size = Math.sqrt(view.length / 3);
  const below = (row + 0.5) / size * 2 - 1;
  const near = 0.35 + 0.65 * Math.abs(below);
  const wanted = below < 0 ? CEILING : FLOOR;
  let open = 0;
  for (let column = size / 4; column < size * 3 / 4; column++) {
    const at = (row * size + column) * 3;
    const isOpen = wanted.every((value, channel) => {
      return Math.abs(view[at + channel]! - value * near) < TOLERANCE;
    });
    if (isOpen) open++;
  }
  return open / (size / 2);
}

/** Whether a wall fills the middle half of a view: neither ceiling nor floor is seen there. */
export function facesWall(view: View): boolean {
  const size = Math.sqrt(view.length / 3);
  return openness(view, 1) + openness(view, size - 2) < 0.2;
}

/** Cells to the wall in the middle of a view, from how far down the ceiling reaches. */
export function roomAhead(view: View): number {
  const size = Math.sqrt(view.length / 3);
  let row = 0;
  while (row < size / 2 && openness(view, row) > 0.5) row++;
  return WALL_HEIGHT * size / (size - 2 * row);
}

/** The longest run of views that show nothing but a wall. */
export function longestStare(views: readonly View[]): number {
  let [longest, run] = [0, 0];
  for (const view of views) {
    run = facesWall(view) ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

/** Mean squared difference of neighbouring values: how sharp a view is. */
export function gradientEnergy(view: View): number {
  const width = Math.sqrt(view.length / 3) * 3;
  let [sum, count] = [0, 0];
  for (let at = 0; at + width < view.length; at++) {
    if (at % width >= width - 3) continue;
    sum += (view[at + 3]! - view[at]!) ** 2 + (view[at + width]! - view[at]!) ** 2;
    count += 2;
  }
  return sum / count;
}
