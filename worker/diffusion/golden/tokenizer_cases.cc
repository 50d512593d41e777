// tokenizers/*.json: prompts and their ids.
#include <map>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

void RunTokenizerCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "tokenizers";
  if (!std::filesystem::exists(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const nlohmann::json file = ReadGoldenJson(entry.path());
    const std::string stem = entry.path().stem().string();
    const std::map<std::string, std::string> padded = {{"clip_bpe", "ids_77_pad_eos"},
                                                       {"bert_zh_wordpiece", ""}};
    if (padded.count(stem) == 0) {
      const std::string name = "tokenizers/" + stem;
      if (name.find(options.filter) == std::string::npos) continue;
      report.Run(name, [&](Report::Case&) { throw UnsupportedError("this kind of tokenizer"); });
      continue;
    }
    const auto tokenizer =
        MakeTokenizer((options.directory / file.at("tokenizer").get<std::string>()).string());
    size_t number = 0;
    for (const auto& item : file.at("cases")) {
      const std::string name = "tokenizers/" + stem + "/" + std::to_string(number++);
      if (name.find(options.filter) == std::string::npos) continue;
      report.Run(name, [&](Report::Case& result) {
        const std::string prompt = item.at("prompt");
        result.ExpectEqual("ids of " + item.at("prompt").dump(), tokenizer->Encode(prompt),
                           item.at("ids").get<std::vector<int64_t>>());
        if (const std::string& key = padded.at(stem); !key.empty()) {
          result.ExpectEqual("padded ids", tokenizer->EncodePadded(prompt, 77),
                             item.at(key).get<std::vector<int64_t>>());
        }
      });
    }
  }
}

}  // namespace mind::diffusion
