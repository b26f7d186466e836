// A person who looks for error messages on the site, in Chromium: node search.mjs ADDRESS < MESSAGES
//
// MESSAGES is a list of texts as JSON. The first one is typed, the others are pasted. Prints for each the
// address to which Enter leads.

import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";

const address = process.argv[2];
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await (await browser.newContext({ viewport: { width: 1000, height: 800 } })).newPage();
page.setDefaultTimeout(300_000); // the limit of a machine that has stopped, not of a busy one
await page.addInitScript(() => {
    // counts the questions that the page has sent to its worker, and the answers
    const QUERY = 2, RESULT = 3, Real = Worker;
    window.counts = { asked: 0, answered: 0 };
    window.Worker = class extends Real {
        constructor(...given) {
            super(...given);
            this.addEventListener("message", ({ data }) => { window.counts.answered += data.type === RESULT; });
        }
        postMessage(message) {
            window.counts.asked += message.type === QUERY;
            super.postMessage(message);
        }
    };
});
for (const [number, message] of JSON.parse(readFileSync(0, "utf8")).entries()) {
    await page.goto(address);
    await page.keyboard.press("/");
    await page.locator(".md-search__input:focus").waitFor();
    if (number === 0) await page.keyboard.type(message);
    else await page.keyboard.insertText(message);
    await page.keyboard.press("End");
    await page.waitForFunction(() => window.counts.asked && window.counts.asked === window.counts.answered);
    await page.locator(".md-search-result__meta", { hasText: /document/ }).waitFor();
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.href !== address);
    console.log(page.url());
}
await browser.close();
