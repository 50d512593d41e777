// A prompt: the language it is written in, and what is made of it for a text encoder.
#include <cmath>
#include <cstdlib>

#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/text/prompt_chunks.h"

namespace {

using namespace mind::diffusion;

// A byte is a token; 1 begins, 2 ends, 0 pads.
class Bytes : public Tokenizer {
 public:
  std::vector<int64_t> Encode(std::string_view text) const override {
    std::vector<int64_t> ids = {1};
    for (const char c : text) ids.push_back(3 + static_cast<unsigned char>(c));
    ids.push_back(2);
    return ids;
  }
  std::vector<int64_t> EncodePadded(std::string_view text, size_t length) const override {
    std::vector<int64_t> ids = Encode(text);
    ids.resize(length, 0);
    return ids;
  }
  size_t model_length() const override { return kLength; }
  int64_t largest_id() const override { return 258; }

  static constexpr size_t kLength = 12;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Bytes* const tokenizer = new Bytes;
  static const auto* const chunker = new PromptChunker(
      *tokenizer, Bytes::kLength, {"x", "xy", "huge"},
      [](const auto& word) { return word == "huge" ? int64_t{99} : static_cast<int64_t>(word.size()); });
  for (const Emphasis emphasis : {Emphasis::kMeanKept, Emphasis::kNone}) {
    mind::fuzz::AllowingErrors([&] {
      const PromptReading reading{.emphasis = emphasis, .most_chunks = 4, .comma_backtrack = 5};
      const PromptChunks read = chunker->Chunks(mind::fuzz::Text(data, size), reading);
      if (read.chunks.empty() || read.chunks.size() > 4 || read.tokens_cut < 0) std::abort();
      for (const PromptChunk& chunk : read.chunks) {
        if (chunk.ids.size() != Bytes::kLength || chunk.weights.size() != Bytes::kLength) std::abort();
        for (const double weight : chunk.weights) {
          if (!std::isfinite(weight)) std::abort();
        }
      }
    });
  }
  return 0;
}
