#include "worker/diffusion/text/sentence_piece_normalizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstring>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";

// A unit of Darts-clone's double array.
bool HasLeaf(uint32_t unit) {
  return (unit >> 8 & 1) != 0;
}
uint32_t Value(uint32_t unit) {
  return unit & 0x7fffffffu;
}
uint32_t Label(uint32_t unit) {
  return unit & (0x80000000u | 0xff);
}
uint32_t Offset(uint32_t unit) {
  return unit >> 10 << ((unit & 0x200u) >> 6);
}

bool IsCharacter(std::string_view text) {
  utf8proc_int32_t point = 0;
  return utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                          static_cast<utf8proc_ssize_t>(text.size()), &point) > 0;
}

bool TakeEnd(std::string& text, std::string_view end) {
  if (text.size() < end.size() || std::string_view(text).substr(text.size() - end.size()) != end)
    return false;
  text.resize(text.size() - end.size());
  return true;
}

}  // namespace

size_t CharacterLength(std::string_view text) {
  const auto byte = static_cast<unsigned char>(text[0]);
  const size_t length = byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
  return std::min(length, text.size());
}

SentencePieceNormalizer::SentencePieceNormalizer(const SentencePieceModel& model, const std::string& name)
    : space_is_suffix_(model.space_is_suffix),
      add_dummy_prefix_(model.add_dummy_prefix),
      remove_extra_spaces_(model.remove_extra_spaces),
      escape_spaces_(model.escape_spaces) {
  for (const SentencePieceModel::Piece& piece : model.pieces) {
    if (piece.type != SentencePieceModel::Type::kUserDefined) continue;
    user_symbols_.insert(piece.text);
    longest_symbol_ = std::max(longest_symbol_, piece.text.size());
  }
  const std::string& table = model.replacements;
  if (table.empty()) return;
  uint32_t bytes = 0;
  if (table.size() > sizeof bytes) std::memcpy(&bytes, table.data(), sizeof bytes);
  if (bytes < sizeof(uint32_t) || bytes % sizeof(uint32_t) != 0 || bytes > table.size() - sizeof bytes) {
    throw ModelError(name + ": the table of replacements says its trie has " + std::to_string(bytes) +
                     " bytes, of " + std::to_string(table.size()));
  }
  trie_.resize(bytes / sizeof(uint32_t));
  std::memcpy(trie_.data(), table.data() + sizeof bytes, bytes);
  pool_ = table.substr(sizeof bytes + bytes);
  if (pool_.empty() || pool_.back() != '\0')
    throw ModelError(name + ": the table of replacements does not end with a zero");
}

size_t SentencePieceNormalizer::UserSymbolLength(std::string_view text) const {
  for (size_t length = std::min(longest_symbol_, text.size()); length > 0; --length) {
    if (user_symbols_.count(text.substr(0, length)) != 0) return length;
  }
  return 0;
}

SentencePieceNormalizer::Replacement SentencePieceNormalizer::First(std::string_view text) const {
  if (const size_t length = UserSymbolLength(text); length > 0) return {text.substr(0, length), length};
  Replacement longest;
  if (!trie_.empty()) {
    size_t node = Offset(trie_[0]);
    for (size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      node ^= byte;
      if (node >= trie_.size() || Label(trie_[node]) != byte) break;
      const uint32_t unit = trie_[node];
      node ^= Offset(unit);
      if (!HasLeaf(unit)) continue;
      if (node >= trie_.size()) break;
      if (const uint32_t at = Value(trie_[node]); at < pool_.size()) longest = {pool_.c_str() + at, i + 1};
    }
  }
  if (longest.consumed > 0) return longest;
  const size_t length = CharacterLength(text);
  if (!IsCharacter(text.substr(0, length))) return {kReplacementCharacter, 1};
  return {text.substr(0, length), length};
}

std::string SentencePieceNormalizer::operator()(std::string_view text) const {
  while (remove_extra_spaces_ && !text.empty()) {
    const Replacement first = First(text);
    if (first.by != " ") break;
    text.remove_prefix(first.consumed);
  }
  if (text.empty()) return "";
  const std::string_view space = escape_spaces_ ? kSpaceMark : " ";
  std::string normal;
  if (!space_is_suffix_ && add_dummy_prefix_) normal += space;
  bool after_space = remove_extra_spaces_;
  while (!text.empty()) {
    auto [by, consumed] = First(text);
    while (after_space && !by.empty() && by.front() == ' ') by.remove_prefix(1);
    for (const char c : by) {
      if (c == ' ') {
        normal += space;
      } else {
        normal += c;
      }
    }
    if (!by.empty()) after_space = by.back() == ' ';
    if (!remove_extra_spaces_) after_space = false;
    text.remove_prefix(consumed);
  }
  while (remove_extra_spaces_ && TakeEnd(normal, space)) {
  }
  if (space_is_suffix_ && add_dummy_prefix_) normal += space;
  return normal;
}

}  // namespace mind::diffusion
