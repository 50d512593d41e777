#include "worker/diffusion/text/byte_pair_encoding.h"

#include <algorithm>
#include <fstream>
#include <limits>

#include "worker/diffusion/error.h"
#include "worker/diffusion/text/unicode.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

constexpr uint64_t kMostTokens = 100'000'000;

bool IsPrintable(char32_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

// Printable bytes stand for themselves; the others take the code points from 256 on, in order.
std::vector<std::string> ByteSymbols() {
  std::vector<std::string> symbols;
  char32_t next = 256;
  for (char32_t byte = 0; byte < 256; ++byte)
    symbols.push_back(EncodeUtf8(std::u32string(1, IsPrintable(byte) ? byte : next++)));
  return symbols;
}

// The lines of a merges.txt. Throws ModelError.
std::vector<std::string> ReadMerges(std::istream& lines, const std::string& name) {
  std::vector<std::string> merges;
  std::string line;
  for (int64_t number = 1; std::getline(lines, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || (number == 1 && line.rfind("#version", 0) == 0)) continue;
    const size_t space = line.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == line.size() ||
        line.find(' ', space + 1) != std::string::npos) {
      throw ModelError(name + ": line " + std::to_string(number) + " is not a pair of symbols: \"" +
                       line.substr(0, 80) + "\"");
    }
    merges.push_back(line);
  }
  return merges;
}

}  // namespace

BytePairEncoding BytePairEncoding::FromFiles(const std::string& vocabulary_path,
                                             const std::string& merges_path) {
  std::unordered_map<std::string, int64_t> vocabulary;
  const nlohmann::json tokens = ReadJsonFile(vocabulary_path);
  for (const auto& [token, id] : tokens.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMostTokens) {
      throw ModelError(vocabulary_path + ": token \"" + token + "\" has id " + id.dump() +
                       ", a number from 0 to " + std::to_string(kMostTokens) + " is needed");
    }
    vocabulary[token] = id.get<int64_t>();
  }
  std::ifstream file(merges_path);
  if (!file) throw ModelError(merges_path + ": missing or unreadable");
  return BytePairEncoding(std::move(vocabulary), ReadMerges(file, merges_path), vocabulary_path);
}

BytePairEncoding BytePairEncoding::FromMerges(std::istream& lines, const std::string& suffix,
                                              const std::vector<std::string>& marks,
                                              const std::string& name) {
  const std::vector<std::string> merges = ReadMerges(lines, name), symbols = ByteSymbols();
  std::vector<std::string> tokens;
  for (const bool printable : {true, false}) {
    for (char32_t byte = 0; byte < 256; ++byte) {
      if (IsPrintable(byte) == printable) tokens.push_back(symbols[byte]);
    }
  }
  for (size_t byte = 0; byte < 256; ++byte) tokens.push_back(tokens[byte] + suffix);
  for (std::string merge : merges) tokens.push_back(merge.erase(merge.find(' '), 1));
  tokens.insert(tokens.end(), marks.begin(), marks.end());
  std::unordered_map<std::string, int64_t> vocabulary;
  for (const std::string& token : tokens) vocabulary.emplace(token, static_cast<int64_t>(vocabulary.size()));
  return BytePairEncoding(std::move(vocabulary), merges, name);
}

BytePairEncoding::BytePairEncoding(std::unordered_map<std::string, int64_t> vocabulary,
                                   const std::vector<std::string>& merges, const std::string& name)
    : vocabulary_(std::move(vocabulary)), byte_symbols_(ByteSymbols()) {
  if (vocabulary_.empty()) throw ModelError(name + ": the vocabulary is empty");
  for (const auto& [token, id] : vocabulary_) largest_id_ = std::max(largest_id_, id);
  for (const std::string& merge : merges) ranks_.emplace(merge, static_cast<int64_t>(ranks_.size()));
}

void BytePairEncoding::EncodeWord(std::string_view word, const std::string& suffix, int64_t unknown,
                                  std::vector<int64_t>* ids) const {
  if (word.empty()) return;
  std::vector<std::string> symbols;
  for (const char byte : word) symbols.push_back(byte_symbols_[static_cast<uint8_t>(byte)]);
  symbols.back() += suffix;
  // Quadratic in the word's length, but a pass that finds no merge ends it; the caller bounds the prompt.
  while (symbols.size() > 1) {
    int64_t best = std::numeric_limits<int64_t>::max();
    std::string first, second;
    for (size_t i = 0; i + 1 < symbols.size(); ++i) {
      const auto rank = ranks_.find(symbols[i] + " " + symbols[i + 1]);
      if (rank == ranks_.end() || rank->second >= best) continue;
      best = rank->second;
      first = symbols[i];
      second = symbols[i + 1];
    }
    if (first.empty()) break;
    std::vector<std::string> merged;
    for (size_t i = 0; i < symbols.size(); ++i) {
      if (i + 1 < symbols.size() && symbols[i] == first && symbols[i + 1] == second) {
        merged.push_back(first + second);
        ++i;
      } else {
        merged.push_back(std::move(symbols[i]));
      }
    }
    symbols = std::move(merged);
  }
  for (const std::string& symbol : symbols) {
    const int64_t id = IdOf(symbol);
    ids->push_back(id >= 0 ? id : unknown);
  }
}

int64_t BytePairEncoding::IdOf(const std::string& token) const {
  const auto found = vocabulary_.find(token);
  return found == vocabulary_.end() ? -1 : found->second;
}

}  // namespace mind::diffusion
