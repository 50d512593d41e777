// How Qwen's tokenizers cut a text into the pieces that byte-pair encoding merges within.
#ifndef MIND_WORKER_DIFFUSION_TEXT_QWEN_WORDS_H_
#define MIND_WORKER_DIFFUSION_TEXT_QWEN_WORDS_H_

#include <cstddef>
#include <string_view>

namespace mind::diffusion {

// The rule as tokenizer.json writes it. The first alternative that fits at a place is taken, and each is as
// long as it gets.
inline constexpr char kQwenWords[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
    "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

// Of the first piece of a text, 1 or more. REQUIRES: the text is not empty.
size_t QwenWordLength(std::u32string_view text);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_QWEN_WORDS_H_
