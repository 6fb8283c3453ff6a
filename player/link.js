// Connects a player with the program that makes the worlds, through a WebSocket.

import { keep, share } from "./saving.js";

const RECONNECT_MS = 1000;

/**
 * Connects, and reconnects whenever the connection is lost.
 * @param listener { connected(), lost(), hear(message), show(buffer) }
 * @returns { tell(message), save(kind, frame), session }; without a connection nothing happens
 */
export function openLink(listener) {
  let socket;
  const connect = () => {
    const url = new URL("live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => listener.connected();
    socket.onmessage = ({ data }) =>
      typeof data === "string" ? listener.hear(JSON.parse(data)) : listener.show(data);
    socket.onclose = () => {
      listener.lost();
      setTimeout(connect, RECONNECT_MS);
    };
  };
  connect();
  return {
    session: "session.mp4",
    async save(kind, frame) {
      const answer = await fetch(`walk.${kind}?frame=${frame}`);
      if (!answer.ok) return listener.hear({ type: "error", message: await answer.text() });
      const bytes = await answer.arrayBuffer();
      await (kind === "gif" ? share : keep)(`walk.${kind}`, bytes);
    },
    tell(message) {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
  };
}
