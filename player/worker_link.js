// Connects the player of an exported world with a worker of the same page, which makes the frames.

import { offer, saveHere } from "./saving.js";

/**
 * Starts the worker from this same script.
 * @param listener { connected(), loading(done, total), failed(text), hear(message), show(buffer) }
 * @returns { tell(message), save(kind, branch) }
 */
export function openLink(listener) {
  const worker = new Worker(new URL(import.meta.url), { type: "module" });
  let isAlive = true;
  const fail = (text) => {
    isAlive = false;
    listener.failed(text);
  };
  worker.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) listener.show(data);
    else if (data.type === "loading") listener.loading(data.done, data.total);
    else if (data.type === "file") offer(data.kind, data.bytes);
    else if (data.type === "failed") fail(data.message);
    else {
      if (data.type === "welcome") listener.connected();
      listener.hear(data);
    }
  };
  worker.onerror = ({ message }) => fail(`The player failed: ${message}. Reload the page.`);
  const tell = (message) => worker.postMessage(JSON.stringify(message));
  return {
    tell,
    async save(kind, branch) {
      if (isAlive) tell({ type: "save", kind, frame: branch.frame });
      else await saveHere(kind, branch);
    },
  };
}
