// The language prompts are written in, A1111's: "(word:1.2)" and "(word)" weigh more, "[word]" less, "BREAK"
// ends a chunk, "\(" is a bracket. Reference: AUTOMATIC1111/stable-diffusion-webui modules/prompt_parser.py.
#ifndef MIND_WORKER_DIFFUSION_TEXT_PROMPT_LANGUAGE_H_
#define MIND_WORKER_DIFFUSION_TEXT_PROMPT_LANGUAGE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mind::diffusion {

// What a weight does to the encoded words it is of.
enum class Emphasis {
  kMeanKept,   // multiplies them; then all of the chunk is scaled so that its mean is what it was
  kAsWritten,  // multiplies them
  kNone,       // nothing: brackets and BREAK are text like any other
};

// How a request's prompts are read.
struct PromptReading {
  Emphasis emphasis = Emphasis::kMeanKept;
  // A prompt longer than the text encoder is encoded in chunks of its length. What goes beyond so many is cut
  // off, and the request's owner is told.
  int64_t most_chunks = 16;
  // Where a chunk is full in the middle of a phrase, what follows the last comma goes to the next chunk, if
  // that is no more than so many tokens. 0: words are cut where it is full.
  int64_t comma_backtrack = 20;
  // Where the negative prompt has another number of chunks, empty ones are added to the shorter; else each
  // row keeps its own length.
  bool padded = false;
};

struct PromptPiece {
  std::string text;  // UTF-8
  double weight = 1;

  // Whether it is no text but the end of a chunk.
  bool is_break() const { return weight == -1 && text == "BREAK"; }
  friend bool operator==(const PromptPiece&, const PromptPiece&) = default;
};

// At least one piece; neighbours have different weights. Throws RequestError for a weight that is no number.
std::vector<PromptPiece> ParsePrompt(std::string_view prompt);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_PROMPT_LANGUAGE_H_
