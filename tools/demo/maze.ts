/**
 * The demo's world: a small maze with coloured walls, seen in first person and drawn by casting a ray
 * per column. What it draws is exact, so what a model makes of it can be judged.
 */

/** Moves, as far.json names them. */
export const ACTIONS = ["forward", "left", "right", "stay"] as const;
export const FORWARD = 0;
export const LEFT = 1;
export const RIGHT = 2;
export const STAY = 3;

/** Cells on each side of a maze, the outer walls included. */
export const CELLS = 9;
/** Radians of a turn. */
export const TURN = Math.PI / 12;
/** Cells of a step forward. */
const STEP = 0.2;
/** The walker keeps this many cells from the wall ahead. */
const CLEARANCE = 0.5;
export const FIELD_OF_VIEW = Math.PI / 3;
/** Height of the walls in cells. */
export const WALL_HEIGHT = 0.8;

type Rgb = readonly [number, number, number];

const COLOURS: readonly Rgb[] = [
  [214, 60, 60],
  [60, 150, 220],
  [80, 190, 90],
  [230, 180, 50],
  [170, 90, 200],
  [240, 130, 50],
  [60, 190, 190],
  [210, 210, 210],
];
const FLOOR: Rgb = [70, 62, 54];
const CEILING: Rgb = [96, 112, 140];
/** Brightness of walls that run north-south and east-west. */
const SIDE_SHADES = [1, 0.72] as const;

/** Chance in [0, 1). */
export type Chance = () => number;

/** Colours of the cells, [CELLS, CELLS]: 0 is free, else a wall of the colour with that number. */
export type Maze = Uint8Array;

/** Where a walker stands (in cells, x to the east, y to the south) and looks (radians from east). */
export interface Pose {
  readonly x: number;
  readonly y: number;
  readonly heading: number;
}

/** A whole number from 0 to below `end`. */
export function pick(chance: Chance, end: number): number {
  return Math.floor(chance() * end);
}

/** Pillars on even cells, most of them with a wall to one side; colours by zones of 2x2 cells. */
export function makeMaze(chance: Chance): Maze {
  const zones = Array.from({ length: 25 }, () => 1 + pick(chance, COLOURS.length));
  const isWall = new Uint8Array(CELLS * CELLS);
  const sides = [[0, 1], [1, 0], [0, -1], [-1, 0]] as const;
  for (let i = 0; i < CELLS; i++) {
    for (const cell of [i, (CELLS - 1) * CELLS + i, i * CELLS, i * CELLS + CELLS - 1]) {
      isWall[cell] = 1;
    }
  }
  for (let row = 2; row < CELLS - 1; row += 2) {
    for (let column = 2; column < CELLS - 1; column += 2) {
      if (chance() >= 0.75) continue;
      isWall[row * CELLS + column] = 1;
      if (chance() >= 0.6) continue;
      const [down, right] = sides[pick(chance, 4)]!;
      isWall[(row + down) * CELLS + column + right] = 1;
    }
  }
  return isWall.map((wall, cell) => {
    const [row, column] = [Math.floor(cell / CELLS), cell % CELLS];
    return wall === 0 ? 0 : zones[Math.floor(row / 2) * 5 + Math.floor(column / 2)]!;
  });
}

function wallAt(maze: Maze, x: number, y: number): number {
  const inside = (at: number) => Math.min(Math.max(Math.floor(at), 0), CELLS - 1);
  return maze[inside(y) * CELLS + inside(x)]!;
}

/** Free cells that can be reached from one, itself included. */
function reachable(maze: Maze, from: number): Set<number> {
  const found = new Set([from]);
  for (const cell of found) {
    for (const next of [cell - 1, cell + 1, cell - CELLS, cell + CELLS]) {
      if (maze[next] === 0) found.add(next);
    }
  }
  return found;
}

/** The middle of a free cell with room to walk, looking in one of the 24 directions. */
export function anyPose(maze: Maze, chance: Chance): Pose {
  const cells = [...maze.keys()];
  const free = cells.filter((cell) => maze[cell] === 0 && reachable(maze, cell).size >= CELLS);
  const cell = free[pick(chance, free.length)]!;
  const [x, y] = [cell % CELLS + 0.5, Math.floor(cell / CELLS) + 0.5];
  return { x, y, heading: pick(chance, 24) * TURN };
}

/** Whether a wall is too near ahead for a step. */
export function isBlocked(maze: Maze, { x, y, heading }: Pose): boolean {
  return [STEP, STEP + CLEARANCE].some((reach) => {
    return wallAt(maze, x + reach * Math.cos(heading), y + reach * Math.sin(heading)) > 0;
  });
}

/** Where a move leads. */
export function move(maze: Maze, pose: Pose, action: number): Pose {
  const { x, y, heading } = pose;
  if (action === LEFT) return { x, y, heading: heading - TURN };
  if (action === RIGHT) return { x, y, heading: heading + TURN };
  if (action !== FORWARD || isBlocked(maze, pose)) return pose;
  return { x: x + STEP * Math.cos(heading), y: y + STEP * Math.sin(heading), heading };
}

/** Cells that are free ahead of a walker, along the middle of the view. */
export function openCells(maze: Maze, { x, y, heading }: Pose): number {
  return castRay(maze, x, y, heading).distance;
}

interface Hit {
  readonly colour: number;
  readonly distance: number;
  /** 0: the wall runs north-south; 1: east-west. */
  readonly side: 0 | 1;
  /** Where along the wall's cell, 0 to 1. */
  readonly along: number;
}

/** Follows a ray from cell to cell until a wall. */
function castRay(maze: Maze, x: number, y: number, angle: number): Hit {
  const component = (value: number) => Math.abs(value) < 1e-6 ? 1e-6 : value;
  const [dx, dy] = [component(Math.cos(angle)), component(Math.sin(angle))];
  let [column, row] = [Math.floor(x), Math.floor(y)];
  let toX = (dx < 0 ? x - column : column + 1 - x) * Math.abs(1 / dx);
  let toY = (dy < 0 ? y - row : row + 1 - y) * Math.abs(1 / dy);
  for (;;) {
    const side = toX < toY ? 0 : 1;
    const distance = Math.min(toX, toY);
    if (side === 0) {
      column += Math.sign(dx);
      toX += Math.abs(1 / dx);
    } else {
      row += Math.sign(dy);
      toY += Math.abs(1 / dy);
    }
    const colour = wallAt(maze, column, row);
    if (colour === 0) continue;
    const at = side === 0 ? y + distance * dy : x + distance * dx;
    return { colour, distance, side, along: at - Math.floor(at) };
  }
}

/** A view of the maze: RGB, [size, size, 3]. */
export function drawView(maze: Maze, { x, y, heading }: Pose, size = 64): Uint8Array<ArrayBuffer> {
  const picture = new Uint8Array(size * size * 3);
  for (let column = 0; column < size; column++) {
    const across = (column + 0.5) / size * 2 - 1;
    const angle = heading + Math.atan(across * Math.tan(FIELD_OF_VIEW / 2));
    const hit = castRay(maze, x, y, angle);
    const depth = Math.max(hit.distance * Math.cos(angle - heading), 1e-3);
    const height = size * WALL_HEIGHT / depth;
    const isEdge = hit.along < 0.06 || hit.along > 0.94;
    const shade = SIDE_SHADES[hit.side] / (1 + 0.12 * depth) * (isEdge ? 0.55 : 1);
    for (let row = 0; row < size; row++) {
      const below = row + 0.5 - size / 2;
      const pixel = (row * size + column) * 3;
      if (Math.abs(below) < height / 2) {
        const isBand = Math.abs(below / height) > 0.44; // skirting and cornice
        paint(picture, pixel, COLOURS[hit.colour - 1]!, shade * (isBand ? 0.7 : 1));
      } else {
        const near = 0.35 + 0.65 * Math.abs(below) / (size / 2);
        paint(picture, pixel, below > 0 ? FLOOR : CEILING, near);
      }
    }
  }
  return picture;
}

function paint(picture: Uint8Array, pixel: number, colour: Rgb, brightness: number): void {
  for (const [channel, value] of colour.entries()) picture[pixel + channel] = value * brightness;
}
