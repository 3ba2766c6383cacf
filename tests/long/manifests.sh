#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The manifests of etc/kubernetes are what the schema that Kubernetes publishes allows; the package
# kubernetes-models of npm has it in a form that can be run.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/flow/lib.sh"
manifests=$(cd "$top_srcdir" && pwd)/etc/kubernetes
cd "$scratch" || exit 99
echo '{"type":"module"}' >package.json
npm install --ignore-scripts --no-audit --no-fund kubernetes-models@5.1.0 yaml@2 >npm.log 2>&1 ||
  skip_all "the npm registry cannot be reached: $(tail -n 1 npm.log)"
cat >validate.js <<'END'
import { readFileSync } from "fs";
import { parseAllDocuments } from "yaml";
import { Job } from "kubernetes-models/batch/v1";
import { PersistentVolumeClaim } from "kubernetes-models/v1";
const kinds = { Job, PersistentVolumeClaim };
let n = 0;
for (const document of parseAllDocuments(readFileSync(process.argv[2], "utf8"))) {
  const manifest = document.toJS();
  new kinds[manifest.kind](manifest).validate();
  n++;
}
console.log(n);
END
for file in "$manifests"/*.yaml; do
  name=${file##*/}
  run node validate.js "$file"
  exits 0 "$name is as the schema wants it"
  check "$name: a claim and a Job at least" [ "$(cat "$scratch/out")" -ge 2 ]
  sed 's/action: FailJob/action: FailedJob/' "$file" >broken.yaml
  run node validate.js broken.yaml
  check "$name: a word that the schema does not know is found" [ "$rc" != 0 ]
done
cd /
done_testing
