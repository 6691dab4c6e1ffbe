// Lists the C++ sources of the addon for binding.gyp: all of src/kernels and each format's kernel.
const { readdirSync, existsSync } = require("node:fs");
const { join } = require("node:path");

const root = join(__dirname, "..", "..");
const own = readdirSync(__dirname)
  .filter((name) => name.endsWith(".cc"))
  .map((name) => `src/kernels/${name}`);
const formats = readdirSync(join(root, "src", "formats"))
  .map((name) => `src/formats/${name}/kernel.cc`)
  .filter((path) => existsSync(join(root, path)));
for (const path of [...own, ...formats].sort()) console.log(path);
