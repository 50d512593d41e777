// BERT's vocabulary and its tokenizer_config.json: after and before the first zero byte, and a prompt.
#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/text/word_piece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mind::diffusion;
  static const mind::fuzz::Folder* const folder = new mind::fuzz::Folder;
  const auto [config, vocabulary] = mind::fuzz::Halves(mind::fuzz::Text(data, size));
  folder->Write("tokenizer_config.json", config);
  folder->Write("vocab.txt", vocabulary);
  mind::fuzz::AllowingErrors([&, &vocabulary = vocabulary] {
    WordPieceTokenizer::FromDirectory(folder->path())->EncodePadded(vocabulary.substr(0, 100), 16);
  });
  return 0;
}
