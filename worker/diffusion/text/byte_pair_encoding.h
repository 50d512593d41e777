// Byte-pair encoding over the printable stand-ins of bytes, as GPT-2 introduced it.
// Sources: Sennrich et al. 2016; openai/gpt-2 src/encoder.py (bytes_to_unicode); openai/CLIP
// clip/simple_tokenizer.py.
#ifndef MIND_WORKER_DIFFUSION_TEXT_BYTE_PAIR_ENCODING_H_
#define MIND_WORKER_DIFFUSION_TEXT_BYTE_PAIR_ENCODING_H_

#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mind::diffusion {

// A vocabulary and a ranked list of merges. Immutable after construction; any thread may call.
class BytePairEncoding {
 public:
  // Reads vocab.json (token → id) and merges.txt (one pair a line, by rank; a first line starting with
  // "#version" is skipped). Throws ModelError naming file and line.
  static BytePairEncoding FromFiles(const std::string& vocabulary_path, const std::string& merges_path);

  // The lines of a merges.txt whose vocabulary follows from them: a token each for the bytes, for those at a
  // word's end (`suffix`), for what each line merges, and `marks`. Throws ModelError, whose message starts
  // with `name`.
  static BytePairEncoding FromMerges(std::istream& lines, const std::string& suffix,
                                     const std::vector<std::string>& marks, const std::string& name);

  BytePairEncoding(std::unordered_map<std::string, int64_t> vocabulary,
                   const std::vector<std::string>& merges, const std::string& name);

  // Appends the ids of one word (any bytes), to whose last symbol `suffix` is attached. Symbols the
  // vocabulary lacks become `unknown`.
  void EncodeWord(std::string_view word, const std::string& suffix, int64_t unknown,
                  std::vector<int64_t>* ids) const;

  // The id of a whole token, or -1.
  int64_t IdOf(const std::string& token) const;
  int64_t largest_id() const { return largest_id_; }

 private:
  std::unordered_map<std::string, int64_t> vocabulary_;
  int64_t largest_id_ = 0;
  std::unordered_map<std::string, int64_t> ranks_;  // "first second" → rank
  std::vector<std::string> byte_symbols_;           // 256 printable stand-ins, UTF-8
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_BYTE_PAIR_ENCODING_H_
