#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the documents promise: the tutorial's commands are run exactly as they are printed, every
# error code has a place in troubleshooting.md, and what is named there is there.
. "${top_srcdir:-$(dirname "$0")/..}/tests/flow/lib.sh"
doc=$top_srcdir/doc

# ---- the tutorial

mkdir "$scratch/bin" "$scratch/home"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$(readlink -f "$QIMPORT")" >"$scratch/bin/qimport"
chmod +x "$scratch/bin/qimport"
{
  echo 'set -e'
  sed -n '/^```sh$/,/^```$/p' "$doc/tutorial.md" | sed 's/^```sh$/echo "# block"/; /^```$/d'
} >"$scratch/tutorial.sh"
check "the tutorial has commands" [ "$(grep -c '^echo "# block"' "$scratch/tutorial.sh")" -ge 8 ]
(
  cd "$scratch/home" && unset QIMPORT_JOURNAL &&
    PATH=$scratch/bin:$PATH sh "$scratch/tutorial.sh" >"$scratch/out" 2>"$scratch/err"
)
rc=$?
exits 0 "every command of the tutorial succeeds, as printed"
is "$(grep -c '^identical$' "$scratch/out")" 2 "the disk is right after the kill, and after the repair"
check "what is forged was refused" grep -q '^forged: 4$' "$scratch/out"
check "the kill came in the middle" grep -q '^killed: 137$' "$scratch/out"
check "with the target not there yet, but its part" grep -qx guest.img.qimport-part "$scratch/out"
check "the broken byte was found" grep -q '^audit says: 8$' "$scratch/out"
is "$(grep -c '^complete /' "$scratch/out")" 3 "three imports are complete"
is "$(ls -A "$scratch/home")" "" "and nothing is left behind"

# ---- troubleshooting

missing=
words=$(sed -n 's/^  X ([A-Z_]*, "\([a-z-]*\)", [0-9]).*/\1/p' "$top_srcdir/src/base/error.h")
check "error.h has its list of codes" [ "$(echo "$words" | wc -l)" -gt 30 ]
for word in $words; do
  grep -q "\`$word\`" "$doc/troubleshooting.md" || missing="$missing $word"
done
is "$missing" "" "troubleshooting.md has every error code"
wrong=
for word in $words; do
  status=$(sed -n "s/^  X ([A-Z_]*, \"$word\", \([0-9]\)).*/\1/p" "$top_srcdir/src/base/error.h")
  [ "$status" = 0 ] || awk -v want="$status" -v word="- \`$word\`" '
    /^## Exit status/ { at = $4 + 0 }
    index ($0, word) == 1 { found = at == want }
    END { exit !found }' "$doc/troubleshooting.md" || wrong="$wrong $word"
done
is "$wrong" "" "each under its exit status"

# ---- options and files that documents name

qimport help start >"$scratch/options"
for c in resume ensure status audit forget receipt; do qimport help $c; done >>"$scratch/options"
unknown=
for option in $(grep -hoE '`(qimport [^`]*)?--[a-z0-9-]+' "$doc/troubleshooting.md" "$doc/tutorial.md" |
  grep -oE -- '--[a-z0-9-]+' | sort -u); do
  grep -q -- "$option\b" "$scratch/options" || unknown="$unknown $option"
done
is "$unknown" "" "documents name no option that does not exist"

# Commands within other documents, examples and manifests: COMMAND, then its options.
calls () {
  grep -hoE 'qimport (start|resume|ensure|status|audit|receipt|report|log|info|map|forget)\b[^|`)]*' \
    "$top_srcdir"/README.md "$doc"/*.md "$top_srcdir"/etc/systemd/*.in \
    "$top_srcdir"/etc/slurm/* | sed 's/ # .*//; s/&&.*//; s/; .*//'
  sed -n '/^ *args:/,/^ *[a-z]*:$/p' "$top_srcdir"/etc/kubernetes/*.yaml | sed -n 's/^ *- \(--[^=]*\).*/qimport ensure \1/p'
}
for c in start resume ensure status audit receipt report log info map forget; do
  qimport help $c >"$scratch/options.$c"
done
calls | while read -r _ command rest; do
  for option in $(echo "$rest" | grep -oE -- '(^| )--[a-z0-9-]+'); do
    grep -q -- "$option\b" "$scratch/options.$command" || echo "$command $option"
  done
done >"$scratch/unknown"
check "there are commands in other documents" [ "$(calls | wc -l)" -gt 40 ]
is "$(cat "$scratch/unknown")" "" "the commands in them have the options that they give"

# ---- exit statuses that schedulers act on

for manifest in "$top_srcdir"/etc/kubernetes/*.yaml; do
  is "$(sed -n 's/^ *values: //p' "$manifest" | tr '\n' ' ')" "[2, 4, 5, 6] [3, 7] " \
    "${manifest##*/} gives up on 2, 4, 5 and 6, and tries again on 3 and 7"
  is "$(awk '/action:/ { print $3 }' "$manifest" | tr '\n' ' ')" "FailJob Ignore Count " \
    "${manifest##*/}: in this order"
done
is "$(cat "$doc/fleets.md" "$top_srcdir"/etc/ansible/ansible_collections/qimport/images/plugins/modules/qimport.py |
      grep -c ' until: [a-z]* is succeeded or [a-z]*.rc not in \[3, 7\]')" 2 "so do the Ansible tasks"
done_testing
