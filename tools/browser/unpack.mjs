// Unpacks the browser, with the libraries that not every system has, into this very folder.
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "unpacked");
mkdirSync(folder, { recursive: true });
Object.assign(process.env, { TMPDIR: folder, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x" }); // where, and with libraries
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();
