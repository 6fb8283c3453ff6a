// What players take with them: a video or a GIF of the branch, and the command that makes it again.

/** What makes files of frames in the page itself, for when nobody else is there to do it. */
const MAKERS = {
  gif: async () => (await import("./saved_gif.js")).savedGif,
  mp4: async () => (await import("./saved_mp4.js")).savedMp4,
};

/** Fetches the makers while there is still somebody to fetch them from. */
export async function prepareSaving() {
  await Promise.all(Object.values(MAKERS).map((maker) => maker()));
}

/** Saves frames that the page holds. @param branch { images, fps } */
export async function saveHere(kind, { images, fps }) {
  const make = await MAKERS[kind]();
  await offer(kind, await make(images, fps));
}

/** Shares a GIF, keeps a video. */
export async function offer(kind, bytes) {
  await (kind === "gif" ? share : keep)(`walk.${kind}`, bytes);
}

/** Hands a file to the browser's downloads. */
function keep(name, bytes) {
  const type = name.endsWith(".gif") ? "image/gif" : "video/mp4";
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Shares a file where the system has a way to; else keeps it. */
async function share(name, bytes) {
  const file = new File([bytes], name, { type: "image/gif" });
  const data = { files: [file] };
  if (!navigator.canShare?.(data) || !matchMedia("(pointer: coarse)").matches) {
    return keep(name, bytes);
  }
  await navigator.share(data).catch(() => {}); // who closes the dialogue wants nothing
}

/** Copies a text, also where the page has no right to the clipboard. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  }
}
