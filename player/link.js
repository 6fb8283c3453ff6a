// Connects a player with the program that makes the worlds, through a WebSocket.

import { offer, prepareSaving, saveHere } from "./saving.js";

const RECONNECT_MS = 1000;

/**
 * Connects, and reconnects whenever the connection is lost.
 * @param listener { connected(), lost(), hear(message), show(buffer) }
 * @returns { tell(message), save(kind, branch), leave(), session }; without a connection `tell` does
 *   nothing
 */
export function openLink(listener) {
  let socket;
  let left = false;
  const connect = () => {
    const url = new URL("live", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      listener.connected();
      prepareSaving().catch(() => {}); // it may still be there when it is wanted
    };
    socket.onmessage = ({ data }) => {
      if (left) return;
      if (typeof data === "string") listener.hear(JSON.parse(data));
      else listener.show(data);
    };
    socket.onclose = () => {
      listener.lost();
      if (!left) setTimeout(connect, RECONNECT_MS);
    };
  };
  connect();
  return {
    session: "session.mp4",
    /** The program's file, which carries the command; without it, one made here. */
    async save(kind, branch) {
      const answer = await fetch(`walk.${kind}?frame=${branch.frame}`).catch(() => undefined);
      if (!answer) return await saveHere(kind, branch);
      if (!answer.ok) throw new Error(await answer.text());
      await offer(kind, await answer.arrayBuffer());
    },
    tell(message) {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    /** Ends the connection for good. */
    leave() {
      left = true;
      socket.close();
    },
  };
}
