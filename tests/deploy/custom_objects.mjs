// Checks objects of other operators (KEDA, the Prometheus operator, cert-manager) against the types and schemas that are
// made of their own sources.
//   node custom_objects.mjs NODE_MODULES OBJECTS.json
// Types refuse fields that there are not, schemas values that are none. Says what is wrong, and ends with 1.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [modules, file] = process.argv.slice(2);
const objects = JSON.parse(readFileSync(file, "utf8"));
const packages = {
  "keda.sh": "keda",
  "cert-manager.io": "cert-manager",
  "monitoring.coreos.com": "prometheus-operator",
};

const folder = mkdtempSync("/tmp/mind-custom-objects-");
try {
  symlinkSync(modules, join(folder, "node_modules"));
  const lines = [];
  objects.forEach(({ apiVersion, kind, ...rest }, number) => {
    const home = packages[apiVersion.split("/")[0]];
    if (!home) throw new Error(`${apiVersion} ${kind}: no schema of it is known here`);
    lines.push(`import { ${kind} as Kind${number} } from "@kubernetes-models/${home}/${apiVersion}/${kind}";`);
    lines.push(`export const object${number} = new Kind${number}(${JSON.stringify(rest)});`);
  });
  writeFileSync(join(folder, "objects.mts"), lines.join("\n"));
  execFileSync(
    "node",
    [join(modules, "typescript/bin/tsc"), "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext",
      "--moduleResolution", "nodenext", "objects.mts"],
    { cwd: folder, stdio: ["ignore", "inherit", "inherit"] });
  for (const object of Object.values(await import(join(folder, "objects.mjs")))) object.validate();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}
