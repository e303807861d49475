// Installs the packages if they are missing or older than package-lock.json. Plain JavaScript, because it
// runs before any package is installed.
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 11)) {
  process.stderr.write(`Tributary requires Node 20.11 or newer; this is ${process.version}.\n`);
  process.exit(1);
}
const installed = `${root}node_modules/.package-lock.json`;
if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(`${root}package-lock.json`).mtimeMs) {
  process.stderr.write("Installing packages (once) …\n");
  const npm = process.env.npm_execpath;
  // Not `npm ci`: it fails if the registry lacks an optional binary of another platform.
  const options = ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"];
  if (npm) execFileSync(process.execPath, [npm, ...options], { cwd: root, stdio: ["ignore", 2, 2] });
  else execFileSync("npm", options, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
}
