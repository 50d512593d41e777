#include "worker/diffusion/text/qwen_tokenizer_file.h"

#include <charconv>
#include <filesystem>
#include <utility>
#include <vector>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/qwen_words.h"

namespace mind::diffusion {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMostIds = 100'000'000;

[[noreturn]] void RefuseRule(const std::string& path, const std::string& key, const Json& found,
                             const std::string& supported) {
  throw UnsupportedError(path + ": \"" + key + "\" is " + found.dump().substr(0, 200) +
                         "; supported: " + supported);
}

// Null where there is none.
Json At(const Json& object, const std::string& key) {
  return object.is_object() && object.contains(key) ? object.at(key) : Json();
}

int64_t IdIn(const Json& value, const std::string& path) {
  if (!value.is_number_unsigned() || value.get<uint64_t>() > static_cast<uint64_t>(kMostIds)) {
    throw ModelError(path + ": a token has id " + value.dump().substr(0, 80) + ", a number from 0 to " +
                     std::to_string(kMostIds) + " is needed");
  }
  return value.get<int64_t>();
}

// One entry of "added_tokens" or of "added_tokens_decoder".
std::string MarkIn(const Json& token, const std::string& path) {
  const Json content = At(token, "content");
  if (!content.is_string() || content.get_ref<const std::string&>().empty())
    throw ModelError(path + ": an added token without its \"content\": " + token.dump().substr(0, 80));
  // They would take what is around them, or not be found within a word.
  for (const char* key : {"lstrip", "rstrip", "single_word"}) {
    if (const Json says = At(token, key); !says.is_null() && says != false)
      RefuseRule(path, key, says, "false, of added tokens");
  }
  return content;
}

void ExpectQwenRules(const Json& file, const std::string& path) {
  const Json normalizer = At(file, "normalizer"), pre = At(file, "pre_tokenizer"), model = At(file, "model");
  if (At(normalizer, "type") != "NFC") RefuseRule(path, "normalizer", normalizer, "NFC");
  const Json steps = At(pre, "pretokenizers");
  const bool sequence = At(pre, "type") == "Sequence" && steps.is_array() && steps.size() == 2;
  const bool splits = sequence && At(steps[0], "type") == "Split" &&
                      At(At(steps[0], "pattern"), "Regex") == kQwenWords &&
                      At(steps[0], "behavior") == "Isolated" && At(steps[0], "invert") == false;
  const bool bytes = splits && At(steps[1], "type") == "ByteLevel" &&
                     At(steps[1], "add_prefix_space") == false && At(steps[1], "use_regex") == false;
  if (!bytes) RefuseRule(path, "pre_tokenizer", pre, "Qwen's, which cuts by " + std::string(kQwenWords));
  if (At(model, "type") != "BPE") RefuseRule(path, "model.type", At(model, "type"), "BPE");
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"}) {
    const Json value = At(model, key);
    if (!value.is_null() && value != "") RefuseRule(path, std::string("model.") + key, value, "null");
  }
  for (const char* key : {"byte_fallback", "ignore_merges"}) {
    const Json value = At(model, key);
    if (!value.is_null() && value != false) RefuseRule(path, std::string("model.") + key, value, "false");
  }
}

// "first second", be it written so or as a pair.
std::string MergeIn(const Json& merge, const std::string& path) {
  if (merge.is_string()) return merge;
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string())
    return merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  throw ModelError(path + ": a merge is not a pair of symbols: " + merge.dump().substr(0, 80));
}

}  // namespace

QwenTokenizerFile ReadQwenTokenizerJson(const std::string& path) {
  const Json file = ReadJsonFile(path);
  ExpectQwenRules(file, path);
  const Json& model = file.at("model");
  if (!model.contains("vocab") || !model.at("vocab").is_object() || !model.contains("merges") ||
      !model.at("merges").is_array())
    throw ModelError(path + ": its model has no \"vocab\" and \"merges\"");
  std::unordered_map<std::string, int64_t> vocabulary;
  for (const auto& [token, id] : model.at("vocab").items()) vocabulary[token] = IdIn(id, path);
  std::vector<std::string> merges;
  for (const Json& merge : model.at("merges")) merges.push_back(MergeIn(merge, path));
  QwenTokenizerFile read{BytePairEncoding(std::move(vocabulary), merges, path), {}};
  if (!file.contains("added_tokens")) return read;
  for (const Json& token : file.at("added_tokens"))
    read.marks[MarkIn(token, path)] = IdIn(At(token, "id"), path);
  return read;
}

QwenTokenizerFile ReadQwenVocabulary(const std::string& directory, const Config& config) {
  QwenTokenizerFile read{BytePairEncoding::FromFiles(directory + "/vocab.json", directory + "/merges.txt"),
                         {}};
  if (!config.Unset("added_tokens_decoder")) {
    for (const auto& [id, token] : config.at("added_tokens_decoder").items()) {
      int64_t number = -1;
      const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
      if (error != std::errc() || end != id.data() + id.size() || number < 0 || number > kMostIds)
        throw ModelError(config.name() + ": \"added_tokens_decoder\" has the id \"" + id + "\"");
      read.marks[MarkIn(token, config.name())] = number;
    }
    return read;
  }
  const std::string added = directory + "/added_tokens.json";
  if (!std::filesystem::exists(added)) return read;
  const Json marks = ReadJsonFile(added);
  for (const auto& [text, id] : marks.items()) {
    if (!text.empty()) read.marks[text] = IdIn(id, added);
  }
  return read;
}

}  // namespace mind::diffusion
