// Plays URLs with hls.js, shaka-player and dash.js in headless Chromium and reports what was shown.
//
//   node judge.mjs PORT
//
// Reads one JSON line per case from standard input, {"name", "player": "hls" | "shaka" | "dash", "url", "seconds"}, and prints one
// with the result. A case without a URL is answered by {"waiting"} once its page is open, and the next line is the URL: so the start of
// the browser is not part of a latency. The page is served at http://127.0.0.1:PORT, the origin that kvs-local must let in. The number
// of each shown frame is read from the pixels of the clock recording (examples/media/make_clock.sh).
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const PLAYERS = {
  hls: "hls.js/dist/hls.min.js",
  shaka: "shaka-player/dist/shaka-player.compiled.js",
  dash: "dashjs/dist/modern/umd/dash.all.min.js",
};
const CHROMIUM = process.env.CHROMIUM ?? "chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run", "--disable-extensions",
  "--disable-dev-shm-usage", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"];
// A page that has not reported by then has failed.
const GRACE_SECONDS = 90;

const port = Number(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const script = (player) => readFileSync(join(here, "node_modules", PLAYERS[player]));

function watch(player, url, seconds) {
  const video = document.querySelector("video");
  const shown = [], errors = [];
  const started = performance.now();
  let first = null, firstAt = null, opened = false;
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const number = () => {
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    context.drawImage(video, 0, 0);
    let bits = 0;
    for (let bit = 0; bit < 10; bit++) {
      const x = Math.round((40 + bit * 56 + 28) * video.videoWidth / 640), y = Math.round(320 * video.videoHeight / 360);
      if (context.getImageData(x, y, 1, 1).data[1] > 127) bits |= 1 << bit;
    }
    return bits;
  };
  const onFrame = (_, frame) => {
    if (first === null) [first, firstAt] = [performance.now(), Date.now()];
    if (shown.length < 2000) shown.push([Number(frame.mediaTime.toFixed(3)), number(), frame.width]);
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
  const error = (kind, text) => { if (errors.length < 20) errors.push([kind, String(text).slice(0, 300)]); };
  if (player === "hls") {
    const hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, data) => error(data.fatal ? "fatal" : "note", `${data.details} ${data.error ?? ""}`));
    hls.loadSource(url);
    hls.attachMedia(video);
    video.play().catch((problem) => error("note", problem));
  } else if (player === "shaka") {
    const shaka_player = new shaka.Player();
    shaka_player.addEventListener("error", (event) => error("fatal", `${event.detail.code} ${event.detail.message}`));
    shaka_player.attach(video).then(() => shaka_player.load(url)).then(() => video.play())
      .catch((problem) => error("fatal", `${problem.code} ${problem.message} ${problem.data}`));
  } else {
    const dash = dashjs.MediaPlayer().create();
    dash.on("error", (event) => error("fatal", JSON.stringify(event.error?.message ?? event.error)));
    dash.initialize(video, url, true);
  }
  const done = () => {
    if (opened) return;
    const waited = (performance.now() - (first ?? started)) / 1000;
    const fatal = errors.some(([kind]) => kind === "fatal");
    const given_up = first === null && (performance.now() - started) / 1000 > 60;
    if (!(video.ended || fatal || given_up || (first !== null && waited >= seconds))) return;
    opened = true;
    const quality = video.getVideoPlaybackQuality();
    const audio = video.webkitAudioDecodedByteCount;
    fetch("/result", { method: "POST", body: JSON.stringify({
      ready: video.readyState, time: video.currentTime, waited, ended: video.ended, width: video.videoWidth,
      frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames, audio, first: firstAt, shown, errors,
    }) });
  };
  setInterval(done, 100);
}

async function play({ name, player, seconds, url: given }) {
  let know;
  const url = new Promise((resolve) => { know = resolve; });
  let isOpen;
  const open = new Promise((resolve) => { isOpen = resolve; });
  const page = `<!doctype html><meta charset="utf-8"><video muted playsinline></video><script src="/player.js"></script><script>
    fetch("/url").then((answer) => answer.text()).then((url) => (${watch})(${JSON.stringify(player)}, url, ${seconds}));</script>`;
  let report;
  const reported = new Promise((resolve) => { report = resolve; });
  const server = createServer((request, response) => {
    if (request.url === "/result") {
      let body = "";
      request.on("data", (piece) => { body += piece; });
      request.on("end", () => { response.end(); report(JSON.parse(body)); });
    } else if (request.url === "/url") {
      isOpen();
      url.then((text) => response.end(text));
    } else if (request.url === "/player.js") {
      response.setHeader("content-type", "text/javascript");
      response.end(script(player));
    } else {
      response.setHeader("content-type", "text/html");
      response.end(request.url === "/" ? page : "");
    }
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  const profile = mkdtempSync(join(tmpdir(), "kvs-player-"));
  const browser = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`],
    { stdio: "ignore", detached: true });
  const gone = new Promise((resolve) => browser.on("exit", (code) => resolve({ failed: `chromium ended with ${code}` })));
  if (given) {
    know(given);
  } else {
    await Promise.race([open, gone]);
    console.log(JSON.stringify({ waiting: name }));
    know(JSON.parse((await lines.next()).value));
  }
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve({ failed: "no report" }), (seconds + GRACE_SECONDS) * 1000);
  });
  const result = await Promise.race([reported, gone, late]);
  clearTimeout(timer);
  // The whole group: other processes of the browser would go on writing to the profile while it is removed.
  try { process.kill(-browser.pid, "SIGKILL"); } catch { /* It has ended. */ }
  await gone;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  return result;
}

for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const one = JSON.parse(line.value);
  console.log(JSON.stringify({ name: one.name, ...(await play(one)) }));
}
