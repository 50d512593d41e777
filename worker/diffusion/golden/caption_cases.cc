// captions/*.json: prompts, and what is made of them before they are cut into tokens. What they are after one
// of the two cleanings ("clean_once") is recorded to find where one goes wrong, and not compared.
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/text/caption.h"

namespace mind::diffusion {

void RunCaptionCases(const GoldenOptions& options, Report& report) {
  for (const std::filesystem::path& path : FilesIn(options.directory / "captions", ".json")) {
    const nlohmann::json file = ReadGoldenJson(path);
    size_t number = 0;
    for (const auto& item : file.at("cases")) {
      const std::string name = "captions/" + path.stem().string() + "/" + std::to_string(number++);
      if (!options.Wants(name)) continue;
      report.Run(name, [&](Report::Case& result) {
        const std::string text = item.at("text");
        const auto expect = [&](const char* key, const std::string& made) {
          result.Expect(made == item.at(key).get<std::string>(),
                        std::string(key) + " of " + item.at("text").dump() + " is \"" + made + "\"");
        };
        expect("plain", PlainCaption(text));
        expect("clean", CleanCaption(text));
      });
    }
  }
}

}  // namespace mind::diffusion
