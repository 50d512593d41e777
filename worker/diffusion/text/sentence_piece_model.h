// What a SentencePiece model file holds. Source: google/sentencepiece src/sentencepiece_model.proto, v0.1.97.
#ifndef MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_MODEL_H_
#define MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_MODEL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mind::diffusion {

struct SentencePieceModel {
  enum class Type { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };
  enum class Segmentation { kUnigram = 1, kBytePair = 2 };

  struct Piece {
    std::string text;
    float score = 0;
    Type type = Type::kNormal;
  };

  std::vector<Piece> pieces;                         // by id
  std::unordered_map<std::string, int64_t> in_text;  // those that may be found in text, by what they say
  size_t longest = 0;                                // bytes of the longest of those
  int64_t unknown = 0, end = -1, padding = -1;       // ids; -1: there is none
  std::vector<int64_t> bytes;                        // ids of <0x00> … <0xFF>, or empty
  Segmentation segmentation = Segmentation::kUnigram;
  bool space_is_suffix = false;  // the mark for a space ends words instead of beginning them

  // How text is made uniform before it is cut.
  std::string replacements;  // precompiled_charsmap: a trie and what its entries become; may be empty
  bool add_dummy_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;

  // Throws ModelError naming `name` on bytes that are no such file, UnsupportedError on word and character
  // models.
  static SentencePieceModel Parse(std::string_view file, const std::string& name);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_SENTENCE_PIECE_MODEL_H_
