// Starts the browser that `make test` has fetched, or one that is installed.
import { createRequire } from "node:module";
import { join } from "node:path";

export function launched(folder, installed) {
  const { chromium } = createRequire(join(folder, "package.json"))("playwright-core");
  const unpacked = join(folder, "unpacked");
  const libraries = join(unpacked, "al2023", "lib");
  return chromium.launch({
    executablePath: installed || join(unpacked, "chromium"),
    args: [
      "--headless=shell",
      "--no-sandbox", // it reads nothing but our own pages, and may be run by root
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--no-first-run",
    ],
    env: installed ? process.env : { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_PATH: join(unpacked, "fonts") },
  });
}
