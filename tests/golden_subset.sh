#!/usr/bin/env bash
# Makes the committed golden directory anew from the whole one:
#   tests/golden_subset.sh WHOLE path/to/mind-golden
# Left out is what is large and like something that is kept. The indices are cut to what is kept, and manifest.json
# says how many cases of each suite mind-golden then runs, so that none can go missing unseen.
set -euo pipefail
whole=${1:?the whole golden directory} golden=${2:?path to mind-golden}
subset=$(dirname "$0")/data/golden

left_out=(
  schedulers/key_*                                      # one more key each of a case that is kept
  components/glide.upsampler.safetensors                # glide.base is kept
  components/taef2_real.safetensors vocab/taef2         # taesd-tiny is kept
  models/ncsnpp-3 e2e/own_score_sde_ve_correct3.*       # schedulers/own_ve_correct3 is kept
  models/sd-zh-wukong_mindspore_names
  formats/mindspore/wukong* formats/mindspore/glide-small-base*   # glide-small-upsampler is kept
  formats/single_file/sd1.safetensors formats/single_file/sd1-inpaint.safetensors   # sd2 is kept
  formats/README.md
)

keep=$(mktemp) && trap 'rm -f "$keep"' EXIT
cp "$subset/README.md" "$keep"
rm -rf "$subset"
cp -r --no-preserve=mode "$whole" "$subset"
cp "$keep" "$subset/README.md"
for pattern in "${left_out[@]}"; do rm -r "$subset"/$pattern; done

# cut INDEX FILE-OF-AN-ENTRY: of a list, the entries whose file is kept.
cut() {
  local index=$subset/$1 entries
  entries=$(jq -r ".[] | $2" "$index" | while read -r file; do
    if [ -e "$subset/$file" ]; then echo "$file"; fi
  done | jq -R . | jq -s .)
  jq --argjson kept "$entries" "[.[] | select(($2) as \$file | \$kept | index(\$file))]" "$index" >"$keep"
  cat "$keep" >"$index"
}
for index in "$subset"/components/index*.json; do
  cut "components/$(basename "$index")" '"components/\(.name).safetensors"'
done
cut schedulers/index.json '"schedulers/\(.name).json"'
cut e2e/index.json '"e2e/\(.name).json"'
cut formats/mindspore/index.json '"formats/\(.file)"'
cut formats/single_file/index.json '"formats/single_file/\(.file)"'

{ "$golden" "$subset" || true; } | awk '$1 == "ok" || $1 == "FAIL" { split($2, part, "/"); print part[1] }' | sort | uniq -c |
  jq -Rn '[inputs | capture("(?<count>\\d+) (?<suite>\\S+)") | {(.suite): (.count | tonumber)}] | add' >"$keep"
cp "$keep" "$subset/manifest.json"
cat "$subset/manifest.json"
