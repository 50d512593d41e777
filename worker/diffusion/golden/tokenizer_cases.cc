// tokenizers/*.json: prompts and their ids.
#include <algorithm>
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/qwen_tokenizer_cases.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/text/glide_bpe.h"
#include "worker/diffusion/text/t5_tokenizer.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {
namespace {

// Other programs' ids of the same prompt, recorded to explain differences: `ids` are those to be met.
const std::set<std::string> kOthers = {"ids_hf_slow_no_ftfy", "ids_openai_clip_no_ftfy", "ids_cn_clip",
                                       "ids_transformers5"};
// What is no list of ids, or follows from them.
const std::set<std::string> kNotes = {"prompt", "text", "all_agree", "pieces", "special_in_text"};

std::unique_ptr<const Tokenizer> TokenizerIn(const std::filesystem::path& directory) {
  if (!std::filesystem::exists(directory / "encoder.json")) return MakeTokenizer(directory.string());
  constexpr size_t kLength = 128;  // that of published models; the cases give lengths of their own
  return GlideBpeTokenizer::FromDirectory(directory.string(), kLength);
}

// Ours of one key of a case; `theirs` says how long it is to be.
std::vector<int64_t> Ours(const std::string& key, const Tokenizer& tokenizer, const std::string& prompt,
                          size_t length) {
  const std::vector<int64_t> ids = tokenizer.Encode(prompt);
  if (key == "ids" || key == "ids_wukong") return ids;
  if (key == "ids_sentencepiece_of_the_raw_text") {
    std::vector<int64_t> pieces = dynamic_cast<const T5Tokenizer&>(tokenizer).pieces().Encode(prompt);
    pieces.push_back(ids.back());  // the end mark
    return pieces;
  }
  if (key.rfind("mask_", 0) == 0) {
    std::vector<int64_t> mask(length, 0);
    std::fill_n(mask.begin(), std::min(ids.size(), length), 1);
    return mask;
  }
  std::vector<int64_t> padded = tokenizer.EncodePadded(prompt, length);
  if (key.ends_with("_pad_zero")) std::fill(padded.begin() + std::min(ids.size(), length), padded.end(), 0);
  if (key.ends_with("_pad_zero") || key.ends_with("_pad_eos") || key.rfind("padded_", 0) == 0 ||
      key == "ids_wukong_77" || key == "ids_77") {
    return padded;
  }
  throw UnsupportedError("ids by the name of \"" + key + "\"");
}

void CheckPrompt(const nlohmann::json& item, const Tokenizer& tokenizer, Report::Case& result) {
  const std::string prompt = item.contains("text") ? item.at("text") : item.at("prompt");
  // Wukong's own tokenizer reads marks written out in a prompt as text; ours, as BERT's does, as marks.
  const bool wukong_differs = item.contains("ids_wukong") && item.at("ids_wukong") != item.at("ids");
  for (const auto& [key, value] : item.items()) {
    if (kOthers.count(key) != 0 || kNotes.count(key) != 0) continue;
    if (wukong_differs && key.rfind("ids_wukong", 0) == 0) continue;
    const std::string what = key + " of " + nlohmann::json(prompt).dump();
    if (key == "mask_77_ones") {
      const auto length = static_cast<int64_t>(tokenizer.Encode(prompt).size());
      result.ExpectEqual(what, {std::min<int64_t>(length, 77)}, {value.get<int64_t>()});
      continue;
    }
    const auto theirs = value.get<std::vector<int64_t>>();
    result.ExpectEqual(what, Ours(key, tokenizer, prompt, theirs.size()), theirs);
  }
}

}  // namespace

void RunTokenizerCases(const GoldenOptions& options, Report& report) {
  for (const std::filesystem::path& path : FilesIn(options.directory / "tokenizers", ".json")) {
    const std::string suite = "tokenizers/" + path.stem().string();
    const nlohmann::json file = ReadGoldenJson(path);
    if (RanQwenTokenizerCases(options, suite, file, report)) continue;
    if (!file.contains("tokenizer")) {
      report.Unsupported(suite, "a file that names no tokenizer");
      continue;
    }
    std::unique_ptr<const Tokenizer> tokenizer;
    size_t number = 0;
    for (const auto& item : file.at("cases")) {
      const std::string name = suite + "/" + std::to_string(number++);
      if (!options.Wants(name)) continue;
      report.Run(name, [&](Report::Case& result) {
        if (!tokenizer) tokenizer = TokenizerIn(options.directory / file.at("tokenizer").get<std::string>());
        CheckPrompt(item, *tokenizer, result);
      });
    }
  }
}

}  // namespace mind::diffusion
