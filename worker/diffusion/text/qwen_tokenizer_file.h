// What the files of Qwen's tokenizers hold.
#ifndef MIND_WORKER_DIFFUSION_TEXT_QWEN_TOKENIZER_FILE_H_
#define MIND_WORKER_DIFFUSION_TEXT_QWEN_TOKENIZER_FILE_H_

#include <cstdint>
#include <map>
#include <string>

#include "worker/diffusion/text/byte_pair_encoding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct QwenTokenizerFile {
  BytePairEncoding encoding;
  std::map<std::string, int64_t, std::less<>> marks;  // tokens that are never cut, by how they are written
};

// tokenizer.json, as the tokenizers library writes it. What of it changes ids has to be Qwen's:
// UnsupportedError naming the key otherwise. Throws ModelError.
QwenTokenizerFile ReadQwenTokenizerJson(const std::string& path);

// vocab.json and merges.txt in a folder, with the marks that tokenizer_config.json lists
// (added_tokens_decoder) or, in older folders, added_tokens.json. Throws ModelError.
QwenTokenizerFile ReadQwenVocabulary(const std::string& directory, const Config& config);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_QWEN_TOKENIZER_FILE_H_
