// Lists the C++ sources of the addon for binding.gyp: all of src/kernels and of each format's folder.
const { readdirSync, statSync } = require("node:fs");
const { join } = require("node:path");

const root = join(__dirname, "..", "..");
const formats = readdirSync(join(root, "src", "formats"))
  .map((name) => `src/formats/${name}`)
  .filter((path) => statSync(join(root, path)).isDirectory());
const sources = ["src/kernels", ...formats].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".cc"))
    .map((name) => `${folder}/${name}`),
);
for (const path of sources.sort()) console.log(path);
