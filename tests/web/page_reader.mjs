// Reads the page of a server with a real browser, as wide as is asked, and uses it as a person does; prints JSON.
import { launched } from "../browser.mjs";

const [folder, installed, url, width, wanted, body] = process.argv.slice(2);
const browser = await launched(folder, installed);
try {
  const page = await browser.newPage({ viewport: { width: Number(width), height: 700 } });
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  const widest = () => page.evaluate(() => document.scrollingElement.scrollWidth);

  await page.goto(`${url}/docs`);
  const boxes = page.locator("#operations > details");
  await boxes.first().waitFor();
  const found = { title: await page.title(), shown: await boxes.locator("> summary").allInnerTexts(), widths: [await widest()] };
  if (wanted) {
    const box = boxes.filter({ has: page.locator("> summary code", { hasText: wanted }) }).first();
    await box.locator("> summary").click();
    const area = box.locator("textarea");
    found.example = await area.inputValue();
    if (body) await area.fill(body);
    const button = box.getByRole("button", { name: "Send" });
    found.touched = (await button.boundingBox()).height;
    await button.click();
    const output = box.locator("pre[aria-live]");
    await output.filter({ hasText: /\d{3} / }).waitFor();
    found.answered = await output.innerText();
    for (const inner of await box.locator("details > summary").all()) await inner.click();
    found.widths.push(await widest());
    await page.locator("#filter").fill(wanted);
    found.left = await boxes.locator("visible=true").locator("> summary").count();
  }
  found.complaints = complaints;
  console.log(JSON.stringify(found));
} finally {
  await browser.close();
}
