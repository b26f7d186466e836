// A person at the panel of the storage, in Chromium: node panel.mjs URL TOKEN UPLOAD PICTURE
//
// Opens lst/run1, edits notes.txt and saves it, uploads the file UPLOAD, renames old.txt to new.txt and deletes gone.txt.
// PICTURE is a PNG of the panel with the file open. What the person did lies at the storage then, where the test looks.

import { chromium } from "playwright-core";

const [url, token, upload, picture] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 900, height: 420 } });
page.setDefaultTimeout(300_000); // the limit of a machine that has stopped, not of a busy one

const panel = page.locator(".jp-tree-finder-sidebar:not(.lm-mod-hidden)");
const row = (name) => panel.locator("tbody tr").filter({ has: page.locator(".rt-group-name").getByText(name, { exact: true }) });
const expand = (name) => row(name).locator(".rt-row-header-icon").first().click();
const saved = (method) => page.waitForResponse((answer) => answer.request().method() === method && answer.ok());

async function choose(name, words) {
    await row(name).click({ button: "right" });
    await page.locator(".lm-Menu-itemLabel", { hasText: words }).first().click();
}

await page.goto(`${url}/lab?token=${token}&reset`);
await page.locator(".jp-SideBar li[title='CTA storage']").click();
await expand("lst/");
await expand("run1/");

// Open, edit, save.
await row("notes.txt").dblclick();
const editor = page.locator(".jp-FileEditor .cm-content");
await editor.getByText("Calibration of run 1").waitFor();
await editor.click();
await page.keyboard.press("Control+End");
await page.keyboard.type("Clouds after 2 h.");
await Promise.all([saved("PUT"), page.keyboard.press("Control+s")]);
await page.locator(".jp-toast-button, .Toastify button", { hasText: /^No$/ }).click();
await page.getByText("Would you like").waitFor({ state: "hidden" });
await page.addStyleTag({ content: ".rt-row-header-icon { font-size: 0 }" }); // its font comes from the Internet
await page.screenshot({ path: picture });

// Upload: the file goes to the directory of the row that is chosen.
await row("notes.txt").click();
const [chooser] = await Promise.all([page.waitForEvent("filechooser"), panel.locator(".jp-id-upload jp-button").click()]);
await chooser.setFiles(upload);
await row("uploaded.bin").waitFor();

// Rename.
await choose("old.txt", "Rename");
await page.keyboard.press("Control+a");
await page.keyboard.type("new.txt");
await Promise.all([saved("PATCH"), page.keyboard.press("Enter")]);
await row("new.txt").waitFor();

// Delete, and say yes.
await choose("gone.txt", "Delete");
await Promise.all([saved("DELETE"), page.locator(".jp-Dialog .jp-mod-accept").click()]);
await row("gone.txt").waitFor({ state: "detached" });

await browser.close();
