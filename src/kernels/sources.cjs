// Lists the C++ sources of the addon for a processor: all of src/kernels and of each format's folder, but
// for those written for another one's instruction sets, which their names end in.
const { readdirSync, statSync } = require("node:fs");
const { join } = require("node:path");

const root = join(__dirname, "..", "..");
const otherSets = { x64: /-neon\.cc$/, arm64: /-(avx2|avx512|amx)\.cc$/ };

/** @param arch as Node and gyp name it; one without kernels of its own gets the portable ones alone */
function sourcesFor(arch) {
  const others = otherSets[arch] ?? /-(neon|avx2|avx512|amx)\.cc$/;
  const formats = readdirSync(join(root, "src", "formats"))
    .map((name) => `src/formats/${name}`)
    .filter((path) => statSync(join(root, path)).isDirectory());
  return ["src/kernels", ...formats]
    .flatMap((folder) =>
      readdirSync(join(root, folder))
        .filter((name) => name.endsWith(".cc") && !others.test(name))
        .map((name) => `${folder}/${name}`),
    )
    .sort();
}

module.exports = { sourcesFor };
if (require.main === module)
  for (const path of sourcesFor(process.argv[2] ?? process.arch)) console.log(path);
