// A SentencePiece model, and its own last bytes as a prompt.
#include "tests/fuzz/fuzz.h"
#include "worker/diffusion/text/sentence_piece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mind::diffusion;
  const std::string file(mind::fuzz::Text(data, size));
  mind::fuzz::AllowingErrors([&] {
    const SentencePieceTokenizer tokenizer(file, "input", 16);
    tokenizer.EncodePadded(file.substr(file.size() - std::min<size_t>(file.size(), 100)), 16);
    tokenizer.Encode("\u4e00\u4e2a<\u732b> in  the house");
  });
  return 0;
}
