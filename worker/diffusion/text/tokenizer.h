// Turns a prompt into the ids a text encoder reads.
#ifndef MIND_WORKER_DIFFUSION_TEXT_TOKENIZER_H_
#define MIND_WORKER_DIFFUSION_TEXT_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // With begin and end marks, where the kind has any; neither cut nor padded.
  virtual std::vector<int64_t> Encode(std::string_view text) const = 0;
  // Cut to `length` keeping the end mark, if there is one, or padded to it.
  virtual std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const = 0;
  // The length the model was trained with.
  virtual size_t model_length() const = 0;
  // No id it makes is greater.
  virtual int64_t largest_id() const = 0;
};

// The tokenizer of a tokenizer/ directory of the diffusers layout, by its tokenizer_class: CLIPTokenizer,
// BertTokenizer, T5Tokenizer or Qwen2Tokenizer. Throws ModelError.
std::unique_ptr<const Tokenizer> MakeTokenizer(const std::string& directory);

// The languages the prompts of such a tokenizer are in, as far as its files tell: CLIP's own is English,
// Qwen's are Chinese and English, a BertTokenizer whose vocabulary has Chinese characters is Chinese; else
// empty. Throws ModelError.
std::vector<std::string> LanguagesOf(const std::string& directory);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_TOKENIZER_H_
