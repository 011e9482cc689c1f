// A browser's part in a test: as much of a document as the page uses, then the page's own script against a live server.
import { readFileSync } from "node:fs";

const [page, base, wanted, body] = process.argv.slice(2);

class Element {
  constructor(kind) { Object.assign(this, { kind, children: [], own: "", value: "", listeners: {}, attributes: {} }); }
  get textContent() { return this.own + this.children.map((child) => child.textContent).join(" "); }
  set textContent(text) { this.own = text; this.children = []; }
  set innerHTML(_) { throw new Error("the page makes HTML of text"); }
  append(...parts) { this.children.push(...parts); }
  replaceChildren(...parts) { this.children = parts; }
  setAttribute(name, value) { this.attributes[name] = value; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  all() { return [this, ...this.children.flatMap((child) => child.all())]; }
}

const places = {};
const document = {
  title: "",
  createElement: (kind) => new Element(kind),
  getElementById: (id) => (places[id] ??= new Element(id)),
};
const fetched = (path, options) => fetch(new URL(path, base), options);
const script = /<script>([\s\S]*)<\/script>/.exec(readFileSync(page, "utf-8"))[1];
new Function("document", "fetch", script)(document, fetched);

async function until(condition) {
  for (let waited = 0; waited < 200; waited++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("nothing happened");
}

await until(() => places.operations?.textContent);
const boxes = places.operations.children;
const answer = { title: document.title, shown: boxes.map((box) => box.children[0]?.textContent ?? box.textContent) };
if (wanted) {
  const box = boxes.find((one) => one.children[0].textContent.includes(wanted));
  box.listeners.toggle();
  const parts = box.all();
  const area = parts.find((one) => one.kind === "textarea");
  answer.example = area.value;
  if (body) area.value = body;
  parts.find((one) => one.kind === "button").listeners.click();
  const output = parts.find((one) => one.attributes["aria-live"]);
  await until(() => output.textContent && output.textContent !== "...");
  answer.answered = output.textContent;
  places.filter.listeners.input({ target: { value: wanted } });
  answer.left = boxes.filter((one) => !one.hidden).length;
}
console.log(JSON.stringify(answer));
