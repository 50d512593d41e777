// CLIP's tokenizer, equal to transformers' CLIPTokenizerFast: NFC, white space collapsed, lower case, words
// split into letters, single digits and runs of the rest, byte-pair encoding with "</w>" at word ends. It
// does not mend broken text or HTML as openai/CLIP's own (ftfy, html.unescape) does.
#ifndef MIND_WORKER_DIFFUSION_TEXT_CLIP_BPE_H_
#define MIND_WORKER_DIFFUSION_TEXT_CLIP_BPE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/text/byte_pair_encoding.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

// text/clip/merges.txt, by its name. Made by the build (embed.cmake).
std::map<std::string, std::string> EmbeddedMerges();

class ClipBpeTokenizer : public Tokenizer {
 public:
  // A tokenizer/ directory of the diffusers layout: vocab.json, merges.txt, tokenizer_config.json. Besides
  // CLIP's own keys, "tokenize_chinese_chars": true makes every CJK ideograph a word of its own. Throws
  // ModelError.
  static std::unique_ptr<ClipBpeTokenizer> FromDirectory(const std::string& directory);

  // The one that CLIP was published with, which is inside the program. `pad`: what its text encoder was
  // padded with.
  static std::unique_ptr<ClipBpeTokenizer> Published(const std::string& pad);
  static constexpr int64_t kPublishedVocabulary = 49408;

  std::vector<int64_t> Encode(std::string_view text) const override;
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override;
  size_t model_length() const override { return options_.model_length; }
  int64_t largest_id() const override { return encoding_.largest_id(); }

 private:
  struct Options {
    size_t model_length = 77;
    bool split_cjk = false;
    std::string begin = "<|startoftext|>";
    std::string end = "<|endoftext|>";
    std::string pad = "<|endoftext|>";
  };

  ClipBpeTokenizer(BytePairEncoding encoding, Options options, const std::string& directory);
  void EncodePlain(std::string_view text, std::vector<int64_t>* ids) const;

  BytePairEncoding encoding_;
  Options options_;
  int64_t begin_id_, end_id_, pad_id_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_CLIP_BPE_H_
