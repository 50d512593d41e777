// tokenizers/*.json: prompts and their ids.
#include <map>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/text/glide_bpe.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

void RunTokenizerCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "tokenizers";
  if (!std::filesystem::exists(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const nlohmann::json file = ReadGoldenJson(entry.path());
    const std::string stem = entry.path().stem().string();
    const std::map<std::string, std::pair<std::string, size_t>> padded = {
        {"clip_bpe", {"ids_77_pad_eos", 77}},
        {"bert_zh_wordpiece", {"", 0}},
        {"glide_bpe", {"padded_128", 128}}};
    const std::string directory = (options.directory / file.at("tokenizer").get<std::string>()).string();
    const std::unique_ptr<const Tokenizer> tokenizer =
        stem == "glide_bpe" ? GlideBpeTokenizer::FromDirectory(directory, 128) : MakeTokenizer(directory);
    size_t number = 0;
    for (const auto& item : file.at("cases")) {
      const std::string name = "tokenizers/" + stem + "/" + std::to_string(number++);
      if (name.find(options.filter) == std::string::npos) continue;
      report.Run(name, [&](Report::Case& result) {
        const std::string prompt = item.at("prompt");
        result.ExpectEqual("ids of " + item.at("prompt").dump(), tokenizer->Encode(prompt),
                           item.at("ids").get<std::vector<int64_t>>());
        if (const auto& [key, length] = padded.at(stem); !key.empty()) {
          result.ExpectEqual("padded ids", tokenizer->EncodePadded(prompt, length),
                             item.at(key).get<std::vector<int64_t>>());
        }
      });
    }
  }
}

}  // namespace mind::diffusion
