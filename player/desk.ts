import { type RgbaFrame, type RgbFrame, toRgba } from "../media/frames.ts";
import type { ModelInfo } from "../model/model.ts";
import { labelNames } from "./action_keys.ts";
import type { Game, Shown } from "./game.ts";
import { type ClientMessage, frameBytes, LIMITS, type State, type Welcome } from "./protocol.ts";

/** Most runs of actions sent to a page. */
const HISTORY_RUNS = 200;

/** What a game cannot do by itself: whoever serves the page does it. */
export type OtherWish = Extract<ClientMessage, { readonly type: "command" | "save" }>;

/**
 * The pictures of a branch, from its beginning, as far back as they are kept.
 * @throws {RangeError} they are not
 */
export function branchOf(game: Game, frame: number): RgbFrame[] {
  const path = game.timeline.path(frame);
  if (path.length === 0) throw new RangeError("Cannot save this branch: it is no longer kept");
  return path.map(({ shown }) => shown.picture);
}

/** The same, as browsers take pictures. */
export function imagesOf(game: Game, frame: number): RgbaFrame[] {
  return branchOf(game, frame).map(toRgba);
}

/**
 * Handles a page's message.
 * @param actions number of the model's actions
 * @throws {RangeError} an action that the model does not have
 */
export function obey(
  game: Game,
  message: Exclude<ClientMessage, OtherWish>,
  actions: number,
): void {
  switch (message.type) {
    case "press":
    case "release":
      if (message.action >= actions) throw new RangeError(`There is no action ${message.action}`);
      game.input[message.type](message.action);
      return game.poke();
    case "clear":
      return game.input.clear();
    case "run":
      return game.run(message.on);
    case "restart":
      return game.restart(message.clip, message.label);
    case "back":
      return game.goTo(message.frame);
    case "settings":
      return game.configure(message.settings);
  }
}

/** The first message to a page: what its model is, and what the page needs besides. */
export function welcomeOf(
  info: ModelInfo,
  rest: Omit<Welcome, "type" | "model" | "description" | "guided" | "labels" | "limits">,
): Welcome {
  return {
    type: "welcome",
    model: info.name,
    description: info.description ?? "",
    guided: info.condition.kind !== "none",
    labels: labelNames(info),
    limits: LIMITS,
    ...rest,
  };
}

/** The state sent to pages whenever it changes. */
export function stateOf(game: Game): State {
  const { clip, label, settings, running, frames, history, shown } = game;
  const at = shown?.id;
  const text = history.text(HISTORY_RUNS);
  return { type: "state", clip, label, settings, running, frames, at, history: text };
}

/** A frame as a message for pages. */
export function frameMessage(
  { id, parent, picture, index, action, rate }: Shown,
): Uint8Array<ArrayBuffer> {
  const { width, height, data: pixels } = picture;
  return frameBytes({
    id,
    parent: parent ?? -1,
    index,
    rate,
    action: action ?? -1,
    width,
    height,
    pixels,
  });
}
