#include "worker/diffusion/text/tokenizer.h"

#include "worker/diffusion/text/clip_bpe.h"
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
  config.Unsupported("tokenizer_class", "CLIPTokenizer, BertTokenizer");
}

}  // namespace mind::diffusion
