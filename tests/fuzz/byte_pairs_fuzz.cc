// Vocabulary and merges of CLIP's and GLIDE's tokenizers: before and after the first zero byte. What they
// read is then used on a prompt.
#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/text/glide_bpe.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mind::diffusion;
  static const mind::fuzz::Folder* const folder = new mind::fuzz::Folder;
  const auto [vocabulary, merges] = mind::fuzz::Halves(mind::fuzz::Text(data, size));
  const std::string prompt(merges.substr(0, 100));
  folder->Write("vocab.json", vocabulary);
  folder->Write("merges.txt", merges);
  folder->Write("tokenizer_config.json", "{\"model_max_length\": 16}");
  folder->Write("encoder.json", vocabulary);
  folder->Write("vocab.bpe", merges);
  mind::fuzz::AllowingErrors(
      [&] { ClipBpeTokenizer::FromDirectory(folder->path())->EncodePadded(prompt, 16); });
  mind::fuzz::AllowingErrors(
      [&] { GlideBpeTokenizer::FromDirectory(folder->path(), 16)->EncodePadded(prompt, 16); });
  return 0;
}
