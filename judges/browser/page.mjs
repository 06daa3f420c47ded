// Uses a page in headless Chromium as a person does, and reports what it shows.
//
//   node page.mjs
//
// Reads one JSON object from standard input and prints one with the results of its steps:
//
//   {"url", "width", "height", "downloads": "FOLDER", "steps": [
//     {"wait": "EXPRESSION", "seconds": 30}    waits until it is true
//     {"run": "EXPRESSION"}                    its value is a result; a promise is awaited
//     {"click": "SELECTOR"}                    by the mouse, after scrolling to it
//     {"key": "Tab"}                           Tab, Enter or " "
//     {"shot": "FILE.png"}                     what the window shows; "full": true for the whole page
//   ]}
//
// Time is real: media plays. The browser may write to the clipboard.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";

const CHROMIUM = process.env.CHROMIUM ?? "chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--mute-audio", "--no-first-run", "--disable-extensions",
  "--disable-dev-shm-usage", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required",
  "--remote-debugging-pipe"];
const KEYS = { Tab: ["Tab", 9, ""], Enter: ["Enter", 13, "\r"], " ": ["Space", 32, " "] };

const task = JSON.parse(await text(process.stdin));
const profile = mkdtempSync(join(tmpdir(), "kvs-page-"));
const browser = spawn(CHROMIUM, [...FLAGS, `--user-data-dir=${profile}`, "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true });
const gone = new Promise((resolve) => browser.on("exit", resolve));

// The protocol of the developer tools: messages with a zero byte behind each.
const answers = new Map();
let last = 0, rest = "";
browser.stdio[4].setEncoding("utf8").on("data", (piece) => {
  const messages = (rest + piece).split("\0");
  rest = messages.pop();
  for (const message of messages.map((one) => JSON.parse(one))) {
    const answer = answers.get(message.id);
    answers.delete(message.id);
    if (answer) message.error ? answer[1](new Error(message.error.message)) : answer[0](message.result);
  }
});
function call(method, params = {}, sessionId = undefined) {
  const id = ++last;
  browser.stdio[3].write(JSON.stringify({ id, method, params, sessionId }) + "\0");
  return new Promise((resolve, reject) => answers.set(id, [resolve, reject]));
}

async function use() {
  const { targetId } = await call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await call("Target.attachToTarget", { targetId, flatten: true });
  const page = (method, params) => call(method, params, sessionId);
  const evaluate = async (expression) => {
    const done = await page("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true, userGesture: true });
    if (done.exceptionDetails) throw new Error(done.exceptionDetails.exception?.description ?? done.exceptionDetails.text);
    return done.result.value;
  };
  const { width = 1280, height = 900 } = task;
  await page("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  await call("Browser.grantPermissions", { permissions: ["clipboardReadWrite", "clipboardSanitizedWrite"] });
  if (task.downloads) await call("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: task.downloads });
  await page("Page.navigate", { url: task.url });
  const results = [];
  for (const step of task.steps) {
    if (step.wait) {
      const until = Date.now() + (step.seconds ?? 30) * 1000;
      while (!(await evaluate(step.wait).catch(() => false))) {
        if (Date.now() > until) throw new Error(`never true: ${step.wait}\n${await evaluate("document.body.innerText")}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    } else if (step.run) {
      results.push(await evaluate(step.run));
    } else if (step.click) {
      const [x, y] = await evaluate(`(() => { const found = document.querySelector(${JSON.stringify(step.click)});
        found.scrollIntoView({ block: "center" }); const box = found.getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2]; })()`);
      for (const type of ["mousePressed", "mouseReleased"]) {
        await page("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1 });
      }
    } else if (step.key) {
      const [code, windowsVirtualKeyCode, character] = KEYS[step.key];
      const key = { key: step.key, code, windowsVirtualKeyCode };
      await page("Input.dispatchKeyEvent", { type: "keyDown", text: character, ...key });
      await page("Input.dispatchKeyEvent", { type: "keyUp", ...key });
    } else if (step.shot) {
      const { data } = await page("Page.captureScreenshot", { captureBeyondViewport: !!step.full });
      writeFileSync(step.shot, Buffer.from(data, "base64"));
    }
  }
  return results;
}

const ended = gone.then(() => { throw new Error("chromium ended"); });
ended.catch(() => {});
let outcome;
try {
  outcome = { results: await Promise.race([use(), ended]) };
} catch (error) {
  outcome = { failed: error.message };
}
try { process.kill(-browser.pid, "SIGKILL"); } catch { /* It has ended. */ }
await gone;
rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
console.log(JSON.stringify(outcome));
