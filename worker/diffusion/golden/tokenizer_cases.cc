// tokenizers/*.json: prompts and their ids.
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/text/clip_bpe.h"

namespace mind::diffusion {

void RunTokenizerCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "tokenizers";
  if (!std::filesystem::exists(folder)) return;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const nlohmann::json file = ReadGoldenJson(entry.path());
    const std::string stem = entry.path().stem().string();
    if (stem != "clip_bpe") {
      const std::string name = "tokenizers/" + stem;
      if (name.find(options.filter) == std::string::npos) continue;
      report.Run(name, [&](Report::Case&) { throw UnsupportedError("this kind of tokenizer"); });
      continue;
    }
    const auto tokenizer = ClipBpeTokenizer::FromDirectory(
        (options.directory / file.at("tokenizer").get<std::string>()).string());
    size_t number = 0;
    for (const auto& item : file.at("cases")) {
      const std::string name = "tokenizers/" + stem + "/" + std::to_string(number++);
      if (name.find(options.filter) == std::string::npos) continue;
      report.Run(name, [&](Report::Case& result) {
        const std::string prompt = item.at("prompt");
        result.ExpectEqual("ids of " + item.at("prompt").dump(), tokenizer->Encode(prompt),
                           item.at("ids").get<std::vector<int64_t>>());
        result.ExpectEqual("padded ids", tokenizer->EncodePadded(prompt, 77),
                           item.at("ids_77_pad_eos").get<std::vector<int64_t>>());
      });
    }
  }
}

}  // namespace mind::diffusion
