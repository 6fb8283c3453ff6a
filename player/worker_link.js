// Connects the player of an exported world with a worker of the same page, which makes the frames.

import { keep, share } from "./saving.js";

/**
 * Starts the worker from this same script.
 * @param listener { connected(), loading(done, total), failed(text), hear(message), show(buffer) }
 * @returns { tell(message), save(kind, frame) }
 */
export function openLink(listener) {
  const worker = new Worker(new URL(import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data instanceof ArrayBuffer) listener.show(data);
    else if (data.type === "loading") listener.loading(data.done, data.total);
    else if (data.type === "file") {
      (data.name.endsWith(".gif") ? share : keep)(data.name, data.bytes);
    } else if (data.type === "failed") listener.failed(data.message);
    else {
      if (data.type === "welcome") listener.connected();
      listener.hear(data);
    }
  };
  worker.onerror = ({ message }) =>
    listener.failed(`The player failed: ${message}. Reload the page.`);
  const tell = (message) => worker.postMessage(JSON.stringify(message));
  return { tell, save: (kind, frame) => tell({ type: "save", kind, frame }) };
}
