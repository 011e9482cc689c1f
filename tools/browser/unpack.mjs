// Unpacks the browser, with the libraries that not every system has, into this very folder.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = join(dirname(fileURLToPath(import.meta.url)), "unpacked");
mkdirSync(folder, { recursive: true });
Object.assign(process.env, { TMPDIR: folder, AWS_EXECUTION_ENV: "AWS_Lambda_nodejs22.x" }); // where, and with libraries
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();

// What comes along looks for letters in folders of the cloud that it is made for; without any, all text has no size.
writeFileSync(
  join(folder, "fonts", "fonts.conf"),
  `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${join(folder, "fonts")}</dir>
  <cachedir>${join(folder, "fonts-cache")}</cachedir>
</fontconfig>
`,
);
