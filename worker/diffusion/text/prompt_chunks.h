// A prompt as a text encoder reads it: chunks of its length, each token with its weight.
// Reference: AUTOMATIC1111/stable-diffusion-webui modules/sd_hijack_clip.py.
#ifndef MIND_WORKER_DIFFUSION_TEXT_PROMPT_CHUNKS_H_
#define MIND_WORKER_DIFFUSION_TEXT_PROMPT_CHUNKS_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/diffusion/text/prompt_language.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

struct PromptChunk {
  // A word that stands for learnt vectors, at the first of the tokens that keep their place, whose ids are 0.
  struct LearntWord {
    std::string name;
    int64_t place = 0;
  };

  std::vector<int64_t> ids;     // with begin mark, end mark and padding
  int64_t length = 0;           // of them before the padding
  std::vector<double> weights;  // of each; 1 for marks and padding
  std::vector<LearntWord> words;
};

struct PromptChunks {
  std::vector<PromptChunk> chunks;  // one at least
  int64_t tokens_cut = 0;           // beyond the chunks that are allowed
};

// Immutable after construction; any thread may call. The tokenizer must outlive it.
class PromptChunker {
 public:
  using VectorsOf = std::function<int64_t(const std::string& word)>;

  // For chunks of `length` tokens. `words`: those that stand for learnt vectors; `vectors_of` says for how
  // many, when one is met. REQUIRES: the tokenizer sets a mark before and after a text.
  PromptChunker(const Tokenizer& tokenizer, size_t length, const std::vector<std::string>& words = {},
                VectorsOf vectors_of = {});

  // Throws RequestError for a weight that is no number, or a word with more vectors than a chunk has room
  // for.
  PromptChunks Chunks(std::string_view prompt, const PromptReading& reading) const;

 private:
  class Builder;
  struct Word {
    std::string name;
    std::vector<int64_t> ids;
  };

  // Without marks.
  std::vector<int64_t> IdsOf(std::string_view text) const;
  // The longest of the words whose ids are at this place; null: none.
  const Word* WordAt(const std::vector<int64_t>& ids, size_t place) const;

  const Tokenizer& tokenizer_;
  const size_t length_;
  int64_t begin_, end_, pad_, comma_;
  std::vector<Word> words_;  // longest first
  VectorsOf vectors_of_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_PROMPT_CHUNKS_H_
