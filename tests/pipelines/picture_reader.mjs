// Looks at a page with one picture as wide, and in such a light, as is asked; prints as JSON what does not fit.
import { launched } from "../browser.mjs";

const [folder, installed, url, width, scheme] = process.argv.slice(2);
const browser = await launched(folder, installed);
try {
  const page = await browser.newPage({ viewport: { width: Number(width), height: 700 }, colorScheme: scheme });
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url);
  const found = await page.evaluate(() => {
    // The box of a text is higher than its letters, so that those of two lines may meet a little.
    const overlap = (one, other) =>
      Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
      Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 0.3 * Math.min(one.height, other.height);
    const texts = [...document.querySelectorAll("svg text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    const paper = document.querySelector("svg .paper").getBoundingClientRect();
    const outside = texts.filter(([, box]) => box.left < paper.left || box.right > paper.right || box.bottom > paper.bottom);
    const cut = [...document.querySelectorAll("svg g")].filter((group) => {
      const rect = group.querySelector(":scope > rect");
      const inner = [...group.querySelectorAll(":scope > text")];
      return rect && inner.some((text) => text.getBoundingClientRect().width > rect.getBoundingClientRect().width - 4);
    });
    const upon = [];
    texts.forEach(([text, box], at) => {
      for (const [other, another] of texts.slice(at + 1)) if (overlap(box, another)) upon.push([text, other]);
    });
    return {
      texts: texts.length,
      cut: cut.map((group) => group.textContent),
      outside: outside.map(([text]) => text),
      upon,
      paper: getComputedStyle(document.querySelector("svg .paper")).fill,
      ink: getComputedStyle(document.querySelector("svg text")).fill,
      sideways: document.scrollingElement.scrollWidth > innerWidth,
      size: texts[0][1].height,
    };
  });
  console.log(JSON.stringify({ ...found, complaints }));
} finally {
  await browser.close();
}
