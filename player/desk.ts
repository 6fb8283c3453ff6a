import type { Game, Shown } from "./game.ts";
import { type ClientMessage, frameBytes, type State } from "./protocol.ts";

/** Runs of actions that a page is told of. */
const HISTORY_RUNS = 200;

/**
 * Does what a page asks for.
 * @param actions how many the model has
 * @throws {RangeError} an action that it has not
 */
export function obey(game: Game, message: ClientMessage, actions: number): void {
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
      return game.restart(message.clip);
    case "settings":
      return game.configure(message.settings);
  }
}

/** What pages are told whenever it changes. */
export function stateOf({ clip, settings, running, frames, history }: Game): State {
  return { type: "state", clip, settings, running, frames, history: history.text(HISTORY_RUNS) };
}

/** A frame as pages get it. */
export function frameMessage({ picture, index, action, rate }: Shown): Uint8Array<ArrayBuffer> {
  const { width, height, data: pixels } = picture;
  return frameBytes({ index, rate, action: action ?? -1, width, height, pixels });
}
