#include "worker/diffusion/text/sentence_piece.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <queue>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

using Type = SentencePieceModel::Type;

// How much worse than the worst piece an unknown character is, and how little less than the best a symbol
// that is never cut: unigram_model.cc.
constexpr float kUnknownPenalty = 10;
constexpr float kUserSymbolPenalty = 0.1f;

std::vector<std::string> ModelFiles(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.path().extension() == ".model") files.push_back(entry.path().string());
  }
  return files;
}

}  // namespace

bool SentencePieceTokenizer::IsIn(const std::string& directory) {
  return !ModelFiles(directory).empty();
}

std::unique_ptr<SentencePieceTokenizer> SentencePieceTokenizer::FromDirectory(const std::string& directory,
                                                                              size_t length) {
  const std::vector<std::string> files = ModelFiles(directory);
  if (files.size() != 1) {
    throw ModelError(directory + ": one SentencePiece file (*.model) is needed, there are " +
                     std::to_string(files.size()));
  }
  std::ifstream file(files[0], std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw ModelError(files[0] + ": cannot be read");
  return std::make_unique<SentencePieceTokenizer>(bytes, files[0], length);
}

SentencePieceTokenizer::SentencePieceTokenizer(const std::string& file, const std::string& name,
                                               size_t length)
    : model_(SentencePieceModel::Parse(file, name)), normalize_(model_, name), length_(length) {
  bool any = false;
  for (const SentencePieceModel::Piece& piece : model_.pieces) {
    if (piece.type != Type::kNormal) continue;
    least_score_ = any ? std::min(least_score_, piece.score) : piece.score;
    greatest_score_ = any ? std::max(greatest_score_, piece.score) : piece.score;
    any = true;
  }
}

int64_t SentencePieceTokenizer::IdOf(std::string_view piece) const {
  const auto found = model_.in_text.find(std::string(piece));
  return found == model_.in_text.end() ? model_.unknown : found->second;
}

std::vector<SentencePieceTokenizer::Part> SentencePieceTokenizer::ByLikelihood(std::string_view text) const {
  struct Best {  // of all ways to cut the text up to some byte
    float score = 0;
    size_t begin = std::string_view::npos;  // of the last piece; npos: no way has been found
    int64_t id = 0;
  };
  std::vector<Best> best(text.size() + 1);
  const auto offer = [&best](size_t begin, size_t end, float score, int64_t id) {
    const float total = score + best[begin].score;
    if (best[end].begin == std::string_view::npos || total > best[end].score) best[end] = {total, begin, id};
  };
  for (size_t begin = 0; begin < text.size();) {
    const size_t character = CharacterLength(text.substr(begin));
    bool alone = false;  // whether the character is a piece
    const size_t most = std::min(model_.longest, text.size() - begin);
    for (size_t length = 1; length <= most; ++length) {
      const auto found = model_.in_text.find(std::string(text.substr(begin, length)));
      if (found == model_.in_text.end()) continue;
      const SentencePieceModel::Piece& piece = model_.pieces[static_cast<size_t>(found->second)];
      if (piece.type == Type::kUnused) continue;
      const float score = piece.type == Type::kUserDefined
                              ? static_cast<float>(length) * greatest_score_ - kUserSymbolPenalty
                              : piece.score;
      offer(begin, begin + length, score, found->second);
      alone = alone || length == character;
    }
    if (!alone) offer(begin, begin + character, least_score_ - kUnknownPenalty, model_.unknown);
    begin += character;
  }
  std::vector<Part> parts;
  for (size_t end = text.size(); end > 0; end = best[end].begin)
    parts.push_back({text.substr(best[end].begin, end - best[end].begin), best[end].id});
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<SentencePieceTokenizer::Part> SentencePieceTokenizer::ByMerging(std::string_view text) const {
  struct Symbol {
    size_t begin = 0, length = 0;  // length 0: merged into the one before
    size_t previous = std::string_view::npos, next = std::string_view::npos;
    bool frozen = false;  // never merged
  };
  struct Pair {
    float score;
    size_t left, right, length;
    bool operator<(const Pair& other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };
  std::vector<Symbol> symbols;
  for (size_t at = 0; at < text.size();) {
    const size_t user_symbol = normalize_.UserSymbolLength(text.substr(at));
    const size_t length = user_symbol > 0 ? user_symbol : CharacterLength(text.substr(at));
    Symbol symbol{.begin = at, .length = length, .frozen = user_symbol > 0};
    if (!symbols.empty()) {
      symbol.previous = symbols.size() - 1;
      symbols.back().next = symbols.size();
    }
    symbols.push_back(symbol);
    at += length;
  }
  std::priority_queue<Pair> pairs;
  // Where a merge gives a piece that is not to be used: the two it came from.
  std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>> unused;
  const auto text_of = [&](size_t i) { return text.substr(symbols[i].begin, symbols[i].length); };
  const auto consider = [&](size_t left, size_t right) {
    constexpr size_t kNone = std::string_view::npos;
    if (left == kNone || right == kNone || symbols[left].frozen || symbols[right].frozen) return;
    const size_t length = symbols[left].length + symbols[right].length;
    const std::string_view merged = text.substr(symbols[left].begin, length);
    const auto found = model_.in_text.find(std::string(merged));
    if (found == model_.in_text.end()) return;
    const SentencePieceModel::Piece& piece = model_.pieces[static_cast<size_t>(found->second)];
    pairs.push({piece.score, left, right, length});
    if (piece.type == Type::kUnused) unused[merged] = {text_of(left), text_of(right)};
  };
  for (size_t i = 1; i < symbols.size(); ++i) consider(i - 1, i);
  while (!pairs.empty()) {
    const Pair top = pairs.top();
    pairs.pop();
    Symbol &left = symbols[top.left], &right = symbols[top.right];
    if (left.length == 0 || right.length == 0 || left.length + right.length != top.length) continue;  // stale
    left.length = top.length;
    left.next = right.next;
    if (right.next != std::string_view::npos) symbols[right.next].previous = top.left;
    right.length = 0;
    consider(left.previous, top.left);
    consider(top.left, left.next);
  }

  std::vector<Part> parts;
  for (size_t i = 0; i < symbols.size(); i = symbols[i].next) {
    std::vector<std::string_view> pending = {text_of(i)};
    while (!pending.empty()) {
      const std::string_view piece = pending.back();
      pending.pop_back();
      const int64_t id = IdOf(piece);
      const auto parents = unused.find(piece);
      if (model_.pieces[static_cast<size_t>(id)].type == Type::kUnused && parents != unused.end()) {
        pending.push_back(parents->second.second);
        pending.push_back(parents->second.first);
      } else {
        parts.push_back({piece, id});
      }
    }
    if (symbols[i].next == std::string_view::npos) break;
  }
  return parts;
}

std::vector<int64_t> SentencePieceTokenizer::Encode(std::string_view text) const {
  const std::string normal = normalize_(text);
  const bool by_merging = model_.segmentation == SentencePieceModel::Segmentation::kBytePair;
  std::vector<int64_t> ids;
  bool after_unknown = false;
  for (const Part& part : by_merging ? ByMerging(normal) : ByLikelihood(normal)) {
    const bool unknown = part.id == model_.unknown;
    if (unknown && !model_.bytes.empty()) {
      for (const char c : part.text) ids.push_back(model_.bytes[static_cast<unsigned char>(c)]);
    } else if (!unknown || !after_unknown) {  // a run of unknown characters is one
      ids.push_back(part.id);
    }
    after_unknown = unknown;
  }
  return ids;
}

std::vector<int64_t> SentencePieceTokenizer::EncodePadded(std::string_view text, size_t length) const {
  std::vector<int64_t> ids = Encode(text);
  ids.resize(length, model_.padding >= 0 ? model_.padding : std::max<int64_t>(model_.end, 0));
  return ids;
}

}  // namespace mind::diffusion
