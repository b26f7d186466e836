// A person at `browse --web`, in Chromium: node browse.mjs ADDRESS FILE PICTURE
//
// Copies the file under the cursor with F5 and Enter, and waits until FILE is there. PICTURE is a PNG of the page. Prints
// the status that a second web browser gets at ADDRESS, and the number of requests to other hosts than the server's. A run
// that does not end names its last step.

import { chromium } from "playwright-core";
import { existsSync } from "node:fs";

const [address, file, picture] = process.argv.slice(2);
const LIMIT = 240_000; // milliseconds: the limit of a machine that has stopped, not of a busy one
let step = "launch";
setTimeout(() => { console.error("no end after", LIMIT / 1000, "s, at:", step); process.exit(1); }, LIMIT).unref();

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await (await browser.newContext({ viewport: { width: 1000, height: 560 } })).newPage();
page.setDefaultTimeout(LIMIT);
let foreign = 0;
page.on("response", (answer) => { foreign += new URL(answer.url()).hostname !== "127.0.0.1"; });

step = "page";
await page.goto(address);
await page.waitForURL((url) => url.search === "");
step = "terminal";
await page.locator("body.-first-byte").waitFor();
await page.locator(".xterm-helper-textarea").focus();
const until = async (holds) => { while (!(await holds())) await page.waitForTimeout(200); };
step = "copy";
// the canvas has no text to wait for: keys are repeated until the file is there
await until(async () => {
    await page.keyboard.press("End");
    await page.keyboard.press("F5");
    await page.waitForTimeout(1500);
    await page.screenshot({ path: picture });
    await page.keyboard.press("Enter");
    await page.waitForTimeout(1500);
    if (existsSync(file)) return true;
    await page.keyboard.press("Escape");
    return false;
});
step = "second browser";
const second = await (await browser.newContext()).request.get(address);
console.log("second:", second.status(), "foreign:", foreign);
step = "close";
await browser.close();
