#include "worker/diffusion/text/tokenizer.h"

#include <fstream>

#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/text/qwen_tokenizer.h"
#include "worker/diffusion/text/t5_tokenizer.h"
#include "worker/diffusion/text/word_piece.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

std::unique_ptr<const Tokenizer> MakeTokenizer(const std::string& directory) {
  const Config config = Config::FromFile(directory + "/tokenizer_config.json");
  const std::string kind = config.String("tokenizer_class", "CLIPTokenizer");
  if (kind == "CLIPTokenizer" || kind == "CLIPTokenizerFast")
    return ClipBpeTokenizer::FromDirectory(directory);
  if (kind == "BertTokenizer" || kind == "BertTokenizerFast")
    return WordPieceTokenizer::FromDirectory(directory);
  if (kind == "T5Tokenizer" || kind == "T5TokenizerFast") return T5Tokenizer::FromDirectory(directory);
  if (kind == "Qwen2Tokenizer" || kind == "Qwen2TokenizerFast")
    return QwenTokenizer::FromDirectory(directory);
  config.Unsupported("tokenizer_class", "CLIPTokenizer, BertTokenizer, T5Tokenizer, Qwen2Tokenizer");
}

std::vector<std::string> LanguagesOf(const std::string& directory) {
  const Config config = Config::FromFile(directory + "/tokenizer_config.json");
  const std::string kind = config.String("tokenizer_class", "CLIPTokenizer");
  if (kind.rfind("CLIPTokenizer", 0) == 0) return {"en"};
  if (kind.rfind("Qwen2Tokenizer", 0) == 0) return {"zh", "en"};
  std::ifstream vocabulary(directory + "/vocab.txt");
  for (std::string line; std::getline(vocabulary, line);) {
    if (line == "\u7684") return {"zh"};  // the most frequent character of all
  }
  return {};
}

}  // namespace mind::diffusion
