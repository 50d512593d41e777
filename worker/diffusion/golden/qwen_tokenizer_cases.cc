#include "worker/diffusion/golden/qwen_tokenizer_cases.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/chat_prompt.h"
#include "worker/diffusion/text/qwen_tokenizer.h"
#include "worker/diffusion/text/unicode.h"

namespace mind::diffusion {
namespace {

using Ids = std::vector<int64_t>;

// The folders that hold the file's tokenizer: a list of them, or one in words that begin with it.
std::vector<std::string> QwenFolders(const nlohmann::json& file) {
  if (file.contains("models")) return file.at("models").get<std::vector<std::string>>();
  const std::string words = file.at("vocabulary");
  return {words.substr(0, words.find(' '))};
}

void CheckText(const nlohmann::json& item, const Tokenizer& tokenizer, Report::Case& result) {
  const std::string text = item.at("text");
  result.ExpectEqual("ids of " + item.at("text").dump(), tokenizer.Encode(text), item.at("ids").get<Ids>());
  if (item.contains("normalized_nfc"))
    result.Expect(NormalizeNfc(text) == item.at("normalized_nfc").get<std::string>(), "NFC differs");
}

Ids Behind(const Ids& ids, int64_t count) {
  return {ids.begin() + std::min<int64_t>(count, static_cast<int64_t>(ids.size())), ids.end()};
}

// What the case's pipeline makes of its prompt.
InstructedTurn TurnOf(const nlohmann::json& item) {
  const std::string kind = item.at("kind"), prompt = item.at("prompt");
  if (kind == "z-image") return {.text = ChatTurn(prompt)};
  if (kind == "flux2-klein") return {.text = ChatTurnWithoutThought(prompt)};
  if (kind == "qwen-image") return DescribingTurn(prompt);
  if (kind == "qwen-image-edit-plus") return EditingTurn(prompt, /*pictures=*/2);
  throw UnsupportedError("a conversation of the kind \"" + kind + "\"");
}

void CheckTurn(const nlohmann::json& item, const Tokenizer& tokenizer, Report::Case& result) {
  const InstructedTurn turn = TurnOf(item);
  result.Expect(turn.text == item.at("string").get<std::string>(),
                "the conversation is " + nlohmann::json(turn.text).dump());
  const Ids ids = tokenizer.Encode(turn.text);
  result.ExpectEqual("ids", ids, item.at("ids").get<Ids>());
  if (item.contains("drop")) {
    result.ExpectEqual("tokens of the instruction", {turn.instruction_tokens},
                       {item.at("drop").get<int64_t>()});
    result.ExpectEqual("ids behind it", Behind(ids, turn.instruction_tokens),
                       item.at("ids_after_drop").get<Ids>());
  }
  if (!item.contains("ids_max40")) return;
  const Ids padded = item.at("ids_max40").get<Ids>();
  result.ExpectEqual("ids, padded", tokenizer.EncodePadded(turn.text, padded.size()), padded);
  Ids mask(padded.size(), 0);
  std::fill_n(mask.begin(), std::min(ids.size(), mask.size()), 1);
  result.ExpectEqual("mask", mask, item.at("mask_max40").get<Ids>());
}

// Prompts of Qwen-Image together, padded to the longest.
void CheckTurns(const nlohmann::json& batch, const Tokenizer& tokenizer, Report::Case& result) {
  const auto prompts = batch.at("prompts").get<std::vector<std::string>>();
  for (size_t row = 0; row < prompts.size(); ++row) {
    const std::string text = DescribingTurn(prompts[row]).text;
    const Ids padded = batch.at("ids").at(row).get<Ids>();
    result.ExpectEqual("ids", tokenizer.EncodePadded(text, padded.size()), padded);
    Ids mask(padded.size(), 0);
    std::fill_n(mask.begin(), tokenizer.Encode(text).size(), 1);
    result.ExpectEqual("mask", mask, batch.at("mask").at(row).get<Ids>());
  }
}

}  // namespace

bool RanQwenTokenizerCases(const GoldenOptions& options, const std::string& suite, const nlohmann::json& file,
                           Report& report) {
  if (!file.contains("models") && !file.contains("vocabulary")) return false;
  const auto run = [&](const std::string& name, const auto& check) {
    if (options.Wants(name)) report.Run(name, check);
  };
  for (const std::string& folder : QwenFolders(file)) {
    const auto tokenizer = QwenTokenizer::FromDirectory((options.directory / folder).string());
    const std::string prefix = suite + "/" + std::filesystem::path(folder).filename().string() + "/";
    size_t number = 0;
    for (const auto& item : file.at("cases"))
      run(prefix + std::to_string(number++),
          [&](Report::Case& result) { CheckText(item, *tokenizer, result); });
    number = 0;
    for (const auto& item : file.value("prompts", nlohmann::json::array()))
      run(prefix + "prompts/" + std::to_string(number++),
          [&](Report::Case& result) { CheckTurn(item, *tokenizer, result); });
    if (file.contains("qwen_image_batch"))
      run(prefix + "qwen_image_batch",
          [&](Report::Case& result) { CheckTurns(file.at("qwen_image_batch"), *tokenizer, result); });
  }
  return true;
}

}  // namespace mind::diffusion
