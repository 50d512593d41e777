// Makes text uniform before a SentencePiece model cuts it: replacements (Unicode's NFKC and the like) by the
// table in the model file, spaces trimmed and marked. Source: google/sentencepiece src/normalizer.cc; the
// table's trie is Darts-clone's (github.com/s-yata/darts-clone).
#ifndef MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_NORMALIZER_H_
#define MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_NORMALIZER_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "worker/diffusion/text/sentence_piece_model.h"

namespace mind::diffusion {

// U+2581, which stands for a space inside pieces.
inline constexpr std::string_view kSpaceMark = "\xe2\x96\x81";

// The first character of UTF-8 text: its bytes, as far as they are there. Invalid ones count one each.
// REQUIRES: !text.empty()
size_t CharacterLength(std::string_view text);

// Immutable; any thread may call.
class SentencePieceNormalizer {
 public:
  // Throws ModelError naming `name` where the table of replacements is damaged.
  SentencePieceNormalizer(const SentencePieceModel& model, const std::string& name);

  std::string operator()(std::string_view text) const;

  // The longest of the symbols that are never cut at the beginning of `text`; 0: none.
  size_t UserSymbolLength(std::string_view text) const;

 private:
  struct Replacement {
    std::string_view by;  // into what is given, the table or a constant
    size_t consumed = 0;  // bytes of text
  };
  Replacement First(std::string_view text) const;

  std::vector<uint32_t> trie_;
  std::string pool_;  // what the trie's values point into: strings, each ended by a zero
  std::set<std::string, std::less<>> user_symbols_;
  size_t longest_symbol_ = 0;
  bool space_is_suffix_, add_dummy_prefix_, remove_extra_spaces_, escape_spaces_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_NORMALIZER_H_
